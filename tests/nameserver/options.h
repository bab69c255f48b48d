// The flags of mininameserver: the original's names (gflags style) for what it heeds, and some of
// its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/base/result.h"
#include "tests/harness/flags.h"
#include "tests/nameserver/kind.h"

namespace failoverd::mininameserver {

using Millis = std::chrono::milliseconds;

struct Options {
  const Kind* kind = &kind_of(minitablet::rtidb());
  std::string endpoint = "127.0.0.1:9622";  // ip:port that we listen on and are known by.
  bool use_name = false;                    // Is known by a name, and knows tablets by theirs.
  std::string name;
  std::string zk_cluster;  // host:port,...
  std::string zk_root_path = "/rtidb_cluster";
  bool skip_grant_tables = true;          // false: who shows no "sdefault" is not served.
  std::string zk_auth_schema = "digest";  // Nothing else is known here.
  std::string zk_cert;                    // user:password; empty: no identity, open znodes.
  Millis zk_session_timeout{2000};

  bool auto_failover = false;  // Of a new cluster; an existing one keeps its znode's.
  // After a tablet's znode went, before its failover begins; and how often that is looked at.
  Millis tablet_heartbeat_timeout{60000};
  Millis tablet_offline_check_interval{1000};
  Millis get_task_status_interval{2000};           // Between looks at tasks that finish later.
  Millis get_table_status_interval{2000};          // Between looks at offsets.
  std::uint32_t name_server_task_concurrency = 2;  // Ops at once.
  std::uint64_t check_binlog_sync_progress_delta = 100000;
  std::uint32_t partition_num = 8;  // Of a table that says nothing of its own.
  std::uint32_t replica_num = 3;
  std::uint32_t system_table_replica_num = 1;  // 0: no system tables.
  Millis request_timeout{0};                   // Of calls to tablets. 0: the generation's.

  // Calls that hang from the start, as minitablet's flag has them; TakeOver:before is reading
  // everything after the lock was gained.
  std::string hang;

  // What leader/ calls us.
  const std::string& known_as() const { return use_name ? name : endpoint; }

  // Fills in what follows from others and checks; a Failure says what is wrong.
  Result<void> settle();
};

using ParsedFlags = harness::ParsedFlags<Options>;
// Arguments without the program's name.
Result<ParsedFlags> parse_flags(const std::vector<std::string>& arguments);

// What --help prints.
std::string flags_help();

}  // namespace failoverd::mininameserver
