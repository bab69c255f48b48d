// The flags of minitablet: the original's names (gflags style) for what it heeds, and some of its
// own. Whatever it does not heed it accepts with a warning, so that a real tablet's command line
// works.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/base/result.h"
#include "tests/harness/flags.h"
#include "tests/minitablet/generation.h"

namespace failoverd::minitablet {

using Millis = std::chrono::milliseconds;

struct Options {
  const Generation* generation = &rtidb();  // What kind of tablet we are.
  std::string endpoint = "127.0.0.1:9520";  // ip:port that we listen on and register as.
  bool use_name = false;                    // Registers as, and knows others by, a name.
  std::string name;                         // Empty: what data_dir/name.txt holds.
  std::string data_dir = "./data";
  std::string zk_cluster;  // host:port,...; empty: no ZooKeeper (in tests).
  std::string zk_root_path = "/rtidb_cluster";
  bool skip_grant_tables = true;          // false: who shows no "sdefault" is not served.
  std::string zk_auth_schema = "digest";  // Nothing else is known here.
  std::string zk_cert;                    // user:password; empty: no identity, open znodes.
  Millis zk_session_timeout{2000};
  Millis zk_keep_alive_check_interval{15000};  // How often a lost registration is noticed.

  std::string db_root_path = "db";
  std::string ssd_root_path;          // Of tables on disk; empty: it takes none.
  std::string hdd_root_path;          // The same.
  std::string recycle_bin_root_path;  // Empty: <db_root_path>/recycle.
  bool recycle_bin_enabled = true;    // false: DropTable and DeleteBinlog delete for good.

  bool binlog_notify_on_put = true;  // false: replication waits binlog_sync_wait_time.
  Millis binlog_sync_wait_time{100};
  Millis binlog_coffee_time{1000};               // After a replication error.
  Millis binlog_match_logoffset_interval{1000};  // After a failed first match.
  std::uint32_t binlog_sync_batch_size = 32;     // Entries in one AppendEntries.
  std::uint64_t binlog_single_file_max_bytes = 4096ull << 20;
  Millis binlog_delete_interval{10000};

  std::uint64_t make_snapshot_threshold_offset = 100000;
  std::uint32_t task_pool_size = 3;  // Shared by SendSnapshot, LoadTable and DropTable.
  Millis task_queue{0};  // How long each of their tasks waits before it comes to a thread.
  std::uint32_t stream_block_size = 1u << 20;
  std::uint32_t stream_bandwidth_limit = 12u << 20;  // Bytes a second; 0: none.
  Millis send_file_sleep{1000};                      // After each sent file.
  // Before the second try; twice that: the third. 0: the generation's.
  Millis retry_send_file_wait{0};
  Millis request_timeout{0};                // Of calls to other tablets. 0: the generation's.
  std::uint32_t put_concurrency_limit = 8;  // Calls at once; more answer 2004.
  std::uint32_t get_concurrency_limit = 8;
  std::uint32_t scan_concurrency_limit = 8;

  // Calls that hang from the start, until released: METHOD:STAGE[:PID[:SKIP]],... with
  // before, inside, after or queued as STAGE (control.proto).
  std::string hang;

  // What nodes/ and the rows call us.
  const std::string& known_as() const { return use_name ? name : endpoint; }

  // Fills in what follows from others and checks; a Failure says what is wrong.
  Result<void> settle();
};

using ParsedFlags = harness::ParsedFlags<Options>;
// Arguments without the program's name; --flagfile=FILE has one flag a line.
Result<ParsedFlags> parse_flags(const std::vector<std::string>& arguments);

// What --help prints.
std::string flags_help();

}  // namespace failoverd::minitablet
