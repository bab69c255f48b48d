#include "tests/minitablet/options.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <functional>
#include <limits>

#include "tests/minitablet/faults.h"

namespace failoverd::minitablet {
namespace {

using Setter = std::function<bool(Options&, const std::string&)>;

struct Flag {
  const char* name;
  const char* help;
  bool is_bool;
  Setter set;
};

bool parse(const std::string& text, std::uint64_t& value) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && at == end;
}

Flag text(const char* name, std::string Options::*member, const char* help) {
  return {name, help, false, [member](Options& options, const std::string& value) {
            options.*member = value;
            return true;
          }};
}

Flag boolean(const char* name, bool Options::*member, const char* help) {
  return {name, help, true, [member](Options& options, const std::string& value) {
            if (value != "true" && value != "false") return false;
            options.*member = value == "true";
            return true;
          }};
}

Flag millis(const char* name, Millis Options::*member, const char* help) {
  return {name, help, false, [member](Options& options, const std::string& value) {
            std::uint64_t number = 0;
            if (!parse(value, number) || number > 1'000'000'000) return false;
            options.*member = Millis{number};
            return true;
          }};
}

Flag generation(const char* name, const char* help) {
  return {name, help, false, [](Options& options, const std::string& value) {
            const Generation* named = generation_named(value);
            if (named) options.generation = named;
            return named != nullptr;
          }};
}

template <class T>
Flag number(const char* name, T Options::*member, const char* help, std::uint64_t unit = 1) {
  return {name, help, false, [member, unit](Options& options, const std::string& value) {
            std::uint64_t parsed = 0;
            if (!parse(value, parsed)) return false;
            if (parsed > std::numeric_limits<T>::max() / unit) return false;
            options.*member = static_cast<T>(parsed * unit);
            return true;
          }};
}

const std::vector<Flag>& flags() {
  using O = Options;
  static const std::vector<Flag> all = {
      generation("generation",
                 "rtidb (1.4.1, the default) or openmldb (0.9.3): what kind of tablet it is "
                 "(minitablet's own)"),
      text("endpoint", &O::endpoint, "ip:port to listen on and to register as"),
      text("zk_cluster", &O::zk_cluster, "host:port,... of ZooKeeper"),
      text("zk_root_path", &O::zk_root_path, "the cluster's root znode"),
      millis("zk_session_timeout", &O::zk_session_timeout, "ms"),
      millis("zk_keep_alive_check_interval", &O::zk_keep_alive_check_interval,
             "ms between looks at the registration"),
      text("db_root_path", &O::db_root_path, "directory of the partitions"),
      text("recycle_bin_root_path", &O::recycle_bin_root_path,
           "where what is dropped goes (db_root_path/recycle)"),
      boolean("recycle_bin_enabled", &O::recycle_bin_enabled,
              "false: DropTable and DeleteBinlog delete for good"),
      boolean("binlog_notify_on_put", &O::binlog_notify_on_put,
              "replicate at once; false: within binlog_sync_wait_time"),
      millis("binlog_sync_wait_time", &O::binlog_sync_wait_time, "ms"),
      millis("binlog_coffee_time", &O::binlog_coffee_time, "ms of rest after a replication error"),
      millis("binlog_match_logoffset_interval", &O::binlog_match_logoffset_interval,
             "ms between tries to find a follower's offset"),
      number("binlog_sync_batch_size", &O::binlog_sync_batch_size, "entries in one AppendEntries"),
      number("binlog_single_file_max_size", &O::binlog_single_file_max_bytes,
             "MB after which a new binlog file is begun", 1u << 20),
      number("binlog_single_file_max_bytes", &O::binlog_single_file_max_bytes,
             "the same in bytes (minitablet's own)"),
      millis("binlog_delete_interval", &O::binlog_delete_interval,
             "ms between deletions of binlog files behind the snapshot"),
      number("make_snapshot_threshold_offset", &O::make_snapshot_threshold_offset,
             "MakeSnapshot with fewer new entries writes nothing"),
      number("task_pool_size", &O::task_pool_size,
             "tasks at once of SendSnapshot, LoadTable and DropTable"),
      millis("task_queue_ms", &O::task_queue,
             "ms that each of those waits before a task thread takes it up, as behind a queue of "
             "others; a table that waits to be loaded is kTableUndefined (minitablet's own)"),
      number("stream_block_size", &O::stream_block_size, "bytes in one SendData"),
      number("stream_bandwidth_limit", &O::stream_bandwidth_limit,
             "bytes a second of one SendSnapshot, 0: no limit"),
      millis("send_file_sleep_ms", &O::send_file_sleep,
             "ms of rest after each sent file (minitablet's own name)"),
      millis("stream_close_wait_time_ms", &O::send_file_sleep, "the original's name for it"),
      millis("retry_send_file_wait_time_ms", &O::retry_send_file_wait,
             "ms before a file is sent a second time, twice that before the third"),
      millis("request_timeout_ms", &O::request_timeout, "ms, of calls to other tablets"),
      number("put_concurrency_limit", &O::put_concurrency_limit, "Puts at once, more answer 2004"),
      number("get_concurrency_limit", &O::get_concurrency_limit, "Gets at once"),
      number("scan_concurrency_limit", &O::scan_concurrency_limit, "Scans at once"),
      text("hang", &O::hang,
           "calls that hang from the start: METHOD:before|inside|after|queued[:PID[:SKIP]],... "
           "(minitablet's own)"),
  };
  return all;
}

Result<void> parse_into(ParsedFlags& parsed, std::string argument, int depth);

Result<void> parse_file(ParsedFlags& parsed, const std::string& path, int depth) {
  std::ifstream file{path};
  if (!file || depth > 4) return Failure{"--flagfile=" + path + ": cannot be read"};
  std::string line;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    if (auto done = parse_into(parsed, line, depth + 1); !done) return done;
  }
  return {};
}

Result<void> parse_into(ParsedFlags& parsed, std::string argument, int depth) {
  const std::size_t dashes = argument.find_first_not_of('-');
  if (dashes == std::string::npos || dashes == 0 || dashes > 2) {
    return Failure{"'" + argument + "' is no flag; flags look like --endpoint=127.0.0.1:9520"};
  }
  argument.erase(0, dashes);
  const std::size_t equals = argument.find('=');
  std::string name = argument.substr(0, equals);
  std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
  if (name == "help") {
    parsed.help = true;
    return {};
  }
  if (name == "flagfile") return parse_file(parsed, value, depth);
  const auto find = [](const std::string& wanted) {
    return std::find_if(flags().begin(), flags().end(),
                        [&](const Flag& flag) { return wanted == flag.name; });
  };
  auto flag = find(name);
  if (flag == flags().end() && equals == std::string::npos && name.starts_with("no")) {
    if (const auto positive = find(name.substr(2)); positive != flags().end()) {
      flag = positive;
      value = "false";
    }
  } else if (flag != flags().end() && flag->is_bool && equals == std::string::npos) {
    value = "true";
  }
  if (flag == flags().end()) {
    parsed.warnings.push_back("--" + name + " is not heeded by minitablet");
    return {};
  }
  if (!flag->set(parsed.options, value)) {
    return Failure{"--" + name + "=" + value + ": not a value for it (" + flag->help + ")"};
  }
  return {};
}

}  // namespace

Result<void> Options::settle() {
  if (endpoint.find(':') == std::string::npos) {
    return Failure{"--endpoint=" + endpoint + ": ip:port is wanted"};
  }
  if (zk_root_path.empty() || zk_root_path[0] != '/') {
    return Failure{"--zk_root_path=" + zk_root_path + ": a path that begins with / is wanted"};
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
  ParsedFlags parsed;
  for (const std::string& argument : arguments) {
    if (auto done = parse_into(parsed, argument, 0); !done) return done.error();
  }
  if (auto settled = parsed.options.settle(); !settled) return settled.error();
  return parsed;
}

std::string flags_help() {
  std::string help = "minitablet: a small real tablet for demos, tests and benchmarks\n\n";
  for (const Flag& flag : flags()) {
    help += "  --" + std::string{flag.name} + "=  " + flag.help + "\n";
  }
  return help + "  --flagfile=  a file with one flag a line\n";
}

}  // namespace failoverd::minitablet
