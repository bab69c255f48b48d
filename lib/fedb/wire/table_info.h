// TableInfo, the value of a table's znode, to and from the core's shape. Only what failoverd
// decides by is looked at; everything else, unknown fields included, stays as it was when an edit
// is applied.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "lib/base/result.h"
#include "lib/core/api/command.h"
#include "lib/core/api/types.h"
#include "lib/fedb/wire/generation.h"

namespace failoverd::fedb {

// What operators also want to see of a table, and no decision needs.
struct TableDetails {
  std::uint64_t ttl = 0;
  std::string ttl_type;
  std::string compress_type;
};

// What the value of a table's znode looks like. Two fields tell, by their wire types: 4 is a
// partition in fedb's numbers and the tid in openmldb's, 3 a number there and a partition here.
struct TableLooks {
  std::optional<Numbering> numbering;  // None: it is a table of neither, or nothing that tells.
  bool is_of_another = false;          // It has a name, and fields that contradict both.
  std::string wrong;                   // In a few words, where it is of none.
};
TableLooks looks_of(const std::string& value);

const char* to_text(Numbering);

// The Failure says what does not fit, and whether the other numbering would.
Result<core::TableShape> parse_table(const std::string& znode, const std::string& value,
                                     std::int32_t version, Numbering numbering,
                                     TableDetails* details = nullptr);

// The value with other rows, new flags and terms. Fails if a row or partition of the edit is not
// there, if one that is to be added is, and if no row would be left. Of a partition that is
// replaced as a whole, fields that failoverd has no names for stay.
Result<std::string> apply_edit(const std::string& value, const core::TableEdit& edit,
                               Numbering numbering);

// --- One partition of it, as a TablePartition's bytes. They are the same in every numbering. -----

// None: that is none.
std::optional<core::PartitionShape> partition_shape(const std::string& message);
// apply_edit() of one.
Result<std::string> apply_partition_edit(const std::string& message,
                                         const core::PartitionEdit& edit);
// By pid, of a table's value; nothing if it does not parse.
std::map<std::uint32_t, std::string> partition_messages(const std::string& value,
                                                        Numbering numbering);

}  // namespace failoverd::fedb
