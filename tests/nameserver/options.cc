#include "tests/nameserver/options.h"

#include "tests/minitablet/faults.h"

namespace failoverd::mininameserver {
namespace {

using Flag = harness::Flag<Options>;

Flag generation(const char* name, const char* help) {
  return {name, help, false, [](Options& options, const std::string& value) {
            const auto* named = minitablet::generation_named(value);
            if (named) options.kind = &kind_of(*named);
            return named != nullptr;
          }};
}

const std::vector<Flag>& flags() {
  using namespace harness;
  using O = Options;
  static const std::vector<Flag> all = {
      generation("generation",
                 "rtidb (1.4.1, the default) or openmldb (0.9.3): what kind of nameserver it is "
                 "(mininameserver's own)"),
      text_flag("endpoint", &O::endpoint, "ip:port to listen on and to be known by"),
      bool_flag("use_name", &O::use_name,
                "OpenMLDB: true: is known by its name, reads map/names and tells the tablets what "
                "it says"),
      text_flag("name", &O::name, "the name (mininameserver's own)"),
      text_flag("zk_cluster", &O::zk_cluster, "host:port,... of ZooKeeper"),
      text_flag("zk_root_path", &O::zk_root_path, "the cluster's root znode"),
      bool_flag("skip_grant_tables", &O::skip_grant_tables,
                "OpenMLDB: false: whose connection does not begin with the services' "
                "authentication is answered 1004"),
      text_flag("zk_auth_schema", &O::zk_auth_schema, "digest"),
      text_flag("zk_cert", &O::zk_cert,
                "user:password, shown to ZooKeeper; znodes are its alone then"),
      millis_flag("zk_session_timeout", &O::zk_session_timeout, "ms"),
      bool_flag("auto_failover", &O::auto_failover,
                "what a new cluster begins with; an existing one keeps its own"),
      millis_flag("tablet_heartbeat_timeout", &O::tablet_heartbeat_timeout,
                  "ms from a tablet's end to its failover"),
      millis_flag("tablet_offline_check_interval", &O::tablet_offline_check_interval,
                  "ms between looks for that"),
      millis_flag("get_task_status_interval", &O::get_task_status_interval,
                  "ms between looks at tasks that finish later"),
      millis_flag("get_table_status_interval", &O::get_table_status_interval,
                  "ms between looks at offsets"),
      number_flag("name_server_task_concurrency", &O::name_server_task_concurrency, "ops at once"),
      number_flag("check_binlog_sync_progress_delta", &O::check_binlog_sync_progress_delta,
                  "entries that a recovered follower may lack"),
      number_flag("partition_num", &O::partition_num, "of a table that does not say"),
      number_flag("replica_num", &O::replica_num, "of a table that does not say"),
      number_flag("system_table_replica_num", &O::system_table_replica_num,
                  "OpenMLDB: replicas of each system table, 0: there are none"),
      millis_flag("request_timeout_ms", &O::request_timeout, "ms, of calls to tablets"),
      text_flag("hang", &O::hang,
                "calls that hang from the start: METHOD:before|after[:PID[:SKIP]],... "
                "(mininameserver's own)"),
  };
  return all;
}

}  // namespace

Result<void> Options::settle() {
  if (endpoint.find(':') == std::string::npos) {
    return Failure{"--endpoint=" + endpoint + ": ip:port is wanted"};
  }
  if (zk_cluster.empty()) return Failure{"--zk_cluster: host:port,... of ZooKeeper is wanted"};
  if (zk_root_path.empty() || zk_root_path[0] != '/') {
    return Failure{"--zk_root_path=" + zk_root_path + ": a path that begins with / is wanted"};
  }
  if (use_name && (name.empty() || kind->wire == &minitablet::rtidb())) {
    return Failure{"--use_name: OpenMLDB's only, and --name is wanted"};
  }
  if (!skip_grant_tables && kind->wire == &minitablet::rtidb()) {
    return Failure{"--skip_grant_tables=false: OpenMLDB's only"};
  }
  if (zk_auth_schema != "digest") {
    return Failure{"--zk_auth_schema=" + zk_auth_schema + ": digest is wanted"};
  }
  if (name_server_task_concurrency == 0 || name_server_task_concurrency > 8) {
    return Failure{"--name_server_task_concurrency: 1 to 8 is wanted"};
  }
  if (const auto hangs = minitablet::parse_hangs(hang); !hangs) return hangs.error();
  if (request_timeout == Millis{0}) request_timeout = kind->wire->request_timeout;
  return {};
}

Result<ParsedFlags> parse_flags(const std::vector<std::string>& arguments) {
  auto parsed = harness::FlagParser<Options>{"mininameserver", flags()}.parse(arguments);
  if (!parsed || parsed.value().help) return parsed;
  if (auto settled = parsed.value().options.settle(); !settled) return settled.error();
  return parsed;
}

std::string flags_help() {
  return "mininameserver: a small real nameserver for demos, tests and benchmarks\n\n" +
         harness::flags_help(flags());
}

}  // namespace failoverd::mininameserver
