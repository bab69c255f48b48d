// What differs between the generations of tablets, all in one place: RTIDB 1.4.1 and OpenMLDB 0.9.3
// as they were seen (FEDB.md 8, and tablet.txt of both in tests/golden). Everything that is not
// here is the same in both.
#pragma once

#include <google/protobuf/message.h>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failoverd::minitablet {

struct Generation {
  const char* name;    // As the flag --generation has it.
  const char* golden;  // The directory of what was seen, in tests/golden.

  // --- Its wire.
  // One of the files of proto/ that have its numbers where generations differ.
  const google::protobuf::FileDescriptor* (*messages)();
  const char* service;  // The full name under which its tablets call each other.
  // Code 100's words.
  const char* no_table;
  // The columns of every table that tests create, as TableMeta has them; and the same as TableInfo
  // has them in the znode, bytes to be put behind it.
  std::vector<std::string> column_desc;
  std::vector<std::string> column_key;
  std::string columns_of_table_info;
  // Of its cluster before the first table, beside those that every generation has: path and value.
  std::vector<std::pair<const char*, const char*>> more_znodes;
  // Of GetTableStatus: ttl, ttl_type and time_offset; else diskused.
  bool status_tells_ttl;

  // --- What its tablets answer.
  const char* term_pair_without_table;  // The words; the code is 0.
  int no_follower;                      // GetTableFollower of a leader that has none.
  const char* no_follower_words;
  bool has_real_endpoint_map;  // The method UpdateRealEndpointMap.
  // AppendEntries that brought nothing new answers its offset.
  bool tells_offset_always;
  // A task of the same op and type is another one if its task_id, tid or pid is, where the new
  // request has them.
  bool task_ids_count;

  // --- What they do.
  // AppendEntries takes entries behind a gap.
  bool takes_gaps;
  // AppendEntries checks the term and appends apart: entries that have passed the check still land
  // when a probe has raised the term and was told an offset without them.
  bool appends_after_check;
  // ChangeRole needs kTableNormal; else it refuses only a table that is loading.
  bool changes_role_when_normal_only;
  // LoadTable without a directory makes an empty table, if the request has columns. Else 130.
  bool loads_without_directory;
  // A table needs columns, and each of them once. What was written to table_meta.txt before that
  // was noticed stays there.
  bool needs_columns;
  // Tables may be on disk (storage_mode): below a path of their own, and in GetTableStatus only
  // when their load has finished.
  bool has_tables_on_disk;
  // SendSnapshot puts the files below remote_tid, and below 0 where the request has none.
  bool sends_to_remote_tid;
  std::chrono::milliseconds request_timeout;  // Of calls to other tablets.
  // Before a file is sent a second time.
  std::chrono::milliseconds retry_send_file_wait;
};

const Generation& rtidb();
const Generation& openmldb();
// OpenMLDB before 0.9.3: where the disk holds nothing, LoadTable without columns makes an empty
// table and answers 0, so that a lost disk looks like a replica (FEDB.md 3.2).
const Generation& openmldb_0_8_4();
// Null: there is none of that name.
const Generation* generation_named(std::string_view name);

// Messages with two numberings are handled in one shape: table_meta.proto's, and TableInfo and
// ScanRequest with the `fedb` numbers. These two are the only way between the shape and a
// generation's bytes; what its numbers do not have is left out. Every other message is as it is.
std::string serialize(const google::protobuf::Message& message, const Generation& generation);
// False: does not parse. Missing required fields are the caller's to look for.
bool parse_partial(const std::string& bytes, const Generation& generation,
                   google::protobuf::Message& message);

}  // namespace failoverd::minitablet
