#include "tests/minitablet/options.h"

#include <fstream>
#include <utility>

#include "tests/harness/flags.h"
#include "tests/minitablet/faults.h"

namespace failoverd::minitablet {
namespace {

using Flag = harness::Flag<Options>;

Flag generation(const char* name, const char* help) {
  return {name, help, false, [](Options& options, const std::string& value) {
            const Generation* named = generation_named(value);
            if (named) options.generation = named;
            return named != nullptr;
          }};
}

// Who it is, and how it is known.
std::vector<Flag> flags_of_registration() {
  using O = Options;
  return {
      harness::text_flag("endpoint", &O::endpoint, "ip:port to listen on and to register as"),
      harness::bool_flag(
          "use_name", &O::use_name,
          "OpenMLDB: true: registers by its name, writes the address of endpoint into "
          "map/names, and answers 155 where it is not told another's address"),
      harness::text_flag("data_dir", &O::data_dir, "where name.txt holds the name"),
      harness::text_flag("name", &O::name, "the name, instead of that file (minitablet's own)"),
      harness::text_flag("zk_cluster", &O::zk_cluster, "host:port,... of ZooKeeper"),
      harness::text_flag("zk_root_path", &O::zk_root_path, "the cluster's root znode"),
      harness::bool_flag("skip_grant_tables", &O::skip_grant_tables,
                         "OpenMLDB: false: whose connection does not begin with the services' "
                         "authentication is answered 1004"),
      harness::text_flag("zk_auth_schema", &O::zk_auth_schema, "digest"),
      harness::text_flag("zk_cert", &O::zk_cert,
                         "user:password, shown to ZooKeeper; znodes are its alone then"),
      harness::millis_flag("zk_session_timeout", &O::zk_session_timeout, "ms"),
      harness::millis_flag("zk_keep_alive_check_interval", &O::zk_keep_alive_check_interval,
                           "ms between looks at the registration"),
  };
}

std::vector<Flag> other_flags() {
  using O = Options;
  return {
      generation("generation",
                 "rtidb (1.4.1, the default), openmldb (0.9.3) or openmldb-0.8.4: what kind of "
                 "tablet it is (minitablet's own)"),
      harness::text_flag("db_root_path", &O::db_root_path, "directory of the partitions"),
      harness::text_flag("ssd_root_path", &O::ssd_root_path,
                         "the same of tables whose storage mode is SSD; without it they are "
                         "refused (138)"),
      harness::text_flag("hdd_root_path", &O::hdd_root_path, "the same of HDD"),
      harness::text_flag("recycle_bin_root_path", &O::recycle_bin_root_path,
                         "where what is dropped goes (db_root_path/recycle)"),
      harness::bool_flag("recycle_bin_enabled", &O::recycle_bin_enabled,
                         "false: DropTable and DeleteBinlog delete for good"),
      harness::bool_flag("binlog_notify_on_put", &O::binlog_notify_on_put,
                         "replicate at once; false: within binlog_sync_wait_time"),
      harness::millis_flag("binlog_sync_wait_time", &O::binlog_sync_wait_time, "ms"),
      harness::millis_flag("binlog_coffee_time", &O::binlog_coffee_time,
                           "ms of rest after a replication error"),
      harness::millis_flag("binlog_match_logoffset_interval", &O::binlog_match_logoffset_interval,
                           "ms between tries to find a follower's offset"),
      harness::number_flag("binlog_sync_batch_size", &O::binlog_sync_batch_size,
                           "entries in one AppendEntries"),
      harness::number_flag("binlog_single_file_max_size", &O::binlog_single_file_max_bytes,
                           "MB after which a new binlog file is begun", 1u << 20),
      harness::number_flag("binlog_single_file_max_bytes", &O::binlog_single_file_max_bytes,
                           "the same in bytes (minitablet's own)"),
      harness::millis_flag("binlog_delete_interval", &O::binlog_delete_interval,
                           "ms between deletions of binlog files behind the snapshot"),
      harness::number_flag("make_snapshot_threshold_offset", &O::make_snapshot_threshold_offset,
                           "MakeSnapshot with fewer new entries writes nothing"),
      harness::number_flag("task_pool_size", &O::task_pool_size,
                           "tasks at once of SendSnapshot, LoadTable and DropTable"),
      harness::millis_flag(
          "task_queue_ms", &O::task_queue,
          "ms that each of those waits before a task thread takes it up, as behind a queue of "
          "others; a table that waits to be loaded is kTableUndefined (minitablet's own)"),
      harness::number_flag("stream_block_size", &O::stream_block_size, "bytes in one SendData"),
      harness::number_flag("stream_bandwidth_limit", &O::stream_bandwidth_limit,
                           "bytes a second of one SendSnapshot, 0: no limit"),
      harness::millis_flag("send_file_sleep_ms", &O::send_file_sleep,
                           "ms of rest after each sent file (minitablet's own name)"),
      harness::millis_flag("stream_close_wait_time_ms", &O::send_file_sleep,
                           "the original's name for it"),
      harness::millis_flag("retry_send_file_wait_time_ms", &O::retry_send_file_wait,
                           "ms before a file is sent a second time, twice that before the third"),
      harness::millis_flag("request_timeout_ms", &O::request_timeout,
                           "ms, of calls to other tablets"),
      harness::number_flag("put_concurrency_limit", &O::put_concurrency_limit,
                           "Puts at once, more answer 2004"),
      harness::number_flag("get_concurrency_limit", &O::get_concurrency_limit, "Gets at once"),
      harness::number_flag("scan_concurrency_limit", &O::scan_concurrency_limit, "Scans at once"),
      harness::text_flag(
          "hang", &O::hang,
          "calls that hang from the start: METHOD:before|inside|after|queued[:PID[:SKIP]],... "
          "(minitablet's own)"),
  };
}

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all = [] {
    std::vector<Flag> both = flags_of_registration();
    for (Flag& flag : other_flags()) both.push_back(std::move(flag));
    return both;
  }();
  return all;
}

}  // namespace

Result<void> Options::settle() {
  if (endpoint.find(':') == std::string::npos) {
    return Failure{"--endpoint=" + endpoint + ": ip:port is wanted"};
  }
  if (zk_root_path.empty() || zk_root_path[0] != '/') {
    return Failure{"--zk_root_path=" + zk_root_path + ": a path that begins with / is wanted"};
  }
  if (use_name && name.empty()) std::getline(std::ifstream{data_dir + "/name.txt"}, name);
  if (use_name && (name.empty() || name.find('/') != std::string::npos)) {
    return Failure{"--use_name: a name is wanted, in " + data_dir + "/name.txt or as --name"};
  }
  if (use_name && !generation->has_real_endpoint_map) {
    return Failure{"--use_name: not in this generation"};
  }
  if (!skip_grant_tables && generation == &rtidb()) {
    return Failure{"--skip_grant_tables=false: OpenMLDB's only"};
  }
  if (zk_auth_schema != "digest") {
    return Failure{"--zk_auth_schema=" + zk_auth_schema + ": digest is wanted"};
  }
  if (db_root_path.empty()) return Failure{"--db_root_path: a directory is wanted"};
  if (task_pool_size == 0 || binlog_sync_batch_size == 0 || stream_block_size == 0) {
    return Failure{"task_pool_size, binlog_sync_batch_size and stream_block_size must be above 0"};
  }
  if (const auto hangs = parse_hangs(hang); !hangs) return hangs.error();
  if (request_timeout == Millis{0}) request_timeout = generation->request_timeout;
  if (retry_send_file_wait == Millis{0}) retry_send_file_wait = generation->retry_send_file_wait;
  if (recycle_bin_root_path.empty()) recycle_bin_root_path = db_root_path + "/recycle";
  return {};
}

Result<ParsedFlags> parse_flags(const std::vector<std::string>& arguments) {
  auto parsed = harness::FlagParser<Options>{"minitablet", flags()}.parse(arguments);
  if (!parsed) return parsed.error();
  if (auto settled = parsed.value().options.settle(); !settled) return settled.error();
  return parsed;
}

std::string flags_help() {
  return "minitablet: a small real tablet for demos, tests and benchmarks\n\n" +
         harness::flags_help(flags());
}

}  // namespace failoverd::minitablet
