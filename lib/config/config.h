// What the operator wrote in failoverd.yaml, as plain values: read once at the start and again at
// every reload, and only looked at in between. config/failoverd.yaml tells what each key means;
// keys.h holds the table that this file's parser, that page and its test share. Never touches the
// cluster, and never changes a value it does not like: it refuses, in one line.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/result.h"
#include "lib/base/time.h"
#include "lib/core/api/policy.h"

namespace failoverd::config {

// Which field numbers TableInfo has: they changed with FEDB 2.3. kAuto: its bytes tell.
enum class Numbering { kAuto, kFedb, kOpenmldb };

enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kText, kJson };

// cluster.metadata is part of what the brain decides by: policy.metadata.
struct Cluster {
  std::string zookeeper = "127.0.0.1:2181";  // HOST:PORT[,HOST:PORT...]
  std::string root = "/rtidb_cluster";       // Absolute, without a slash at the end.
  Duration session_timeout = std::chrono::seconds{2};
  Numbering numbering = Numbering::kAuto;
  std::string zookeeper_auth_file;  // Absolute path; empty: failoverd shows no identity.
  std::string zookeeper_identity;   // What load() found in its first line: "user:password".
};

// Addresses are IP:PORT, [IPV6]:PORT for IPv6; empty: not served.
struct Listen {
  std::string http = "127.0.0.1:9650";
  std::string rpc;
  bool rpc_changes_from_any = false;  // Else whoever speaks it from elsewhere may only look.
  std::string socket;                 // Absolute path of a unix socket; empty: none.
  std::string token_file;  // Absolute path; empty: loopback may change things, others may not.
  std::string token;       // What load() found in that file: its first word.
};

struct Log {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
};

// What the cluster's switch is set to when neither a znode nor a file says anything.
inline constexpr bool kDefaultAutoFailover = true;

struct Config {
  Cluster cluster;
  std::optional<bool> auto_failover;  // nullopt: the file does not say, so it changes nothing.
  Listen listen;
  core::Policy policy;  // detection to guards, and cluster.metadata.
  std::string state_dir = "/var/lib/failoverd";
  Log log;
  // A line for each key that the file sets to something, while this version does not use it:
  //   failoverd.yaml:9:17: guards.flaps: "5": this version does not use it
  std::vector<std::string> unused;
  std::size_t keys_set = 0;  // How many keys the file has.
};

// A longer file is refused unread, because it would be read on the loop. The default file has 7
// KiB.
inline constexpr std::size_t kLargestFile = std::size_t{64} << 10;

// The file's content, checked; what it does not say has its default, so an empty file is a whole
// configuration. The Failure is the first problem found, in one line:
//   failoverd.yaml:7:12: detection.silence: "3" is not a duration: write N(ms|s|m|h), such as 3s
Result<Config> parse(std::string_view text, const std::string& filename);

// parse() of a file, and of those that listen.token_file and cluster.zookeeper_auth_file name,
// which are not everybody's to read; the Failure begins with its path also when it cannot be read.
Result<Config> load(const std::string& path);

// load() for a daemon that runs: a file without a single key is refused. Whoever empties a file, an
// editor or a full disk, does not mean that every guard has its default again.
Result<Config> load_again(const std::string& path);

}  // namespace failoverd::config
