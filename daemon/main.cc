// failoverd: reads its configuration, wires the parts, runs until SIGTERM.
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "daemon/driver.h"
#include "daemon/log.h"
#include "daemon/options.h"
#include "daemon/service.h"
#include "daemon/status_source.h"
#include "lib/admin/http_server.h"
#include "lib/admin/nameserver_service.h"
#include "lib/base/boot_clock.h"
#include "lib/base/descriptors.h"
#include "lib/base/standard_streams.h"
#include "lib/base/stop_deadline.h"
#include "lib/config/changes.h"
#include "lib/config/config.h"
#include "lib/config/watch.h"
#include "lib/core/repair/states.h"
#include "lib/rpc/quiet_protobuf.h"

namespace failoverd {
namespace {

constexpr int kBadConfiguration = 78;  // EX_CONFIG; systemd does not restart on it.
constexpr std::size_t kEventsKept = 10'000;
// After SIGTERM, whatever hangs. The lock is given back if that can be done in the time.
constexpr Duration kStopWithin = std::chrono::milliseconds{1800};
constexpr auto kBetweenHangups = std::chrono::milliseconds{500};
constexpr auto kHousekeeping = std::chrono::seconds{1};

std::string host_name() {
  char name[256] = "localhost";
  gethostname(name, sizeof name - 1);
  return name;
}

// Unique among the daemons of a cluster: several may run on one host.
std::string daemon_name(const config::Config& config) {
  const auto colon = config.listen.http.rfind(':');
  if (colon == std::string::npos) return host_name();
  return host_name() + config.listen.http.substr(colon);
}

std::vector<std::string> op_types() {
  std::vector<std::string> names;
  for (const core::OpType type :
       {core::OpType::kChangeLeaderOP, core::OpType::kOfflineReplicaOP,
        core::OpType::kUpdatePartitionStatusOP, core::OpType::kFullRestartOP,
        core::OpType::kRecoverTableOP, core::OpType::kReLoadTableOP, core::OpType::kReAddReplicaOP,
        core::OpType::kReAddReplicaNoSendOP, core::OpType::kReAddReplicaSimplifyOP,
        core::OpType::kReAddReplicaWithDropOP}) {
    names.emplace_back(core::to_text(type));
  }
  return names;
}

// Everything that lives as long as the daemon runs.
class Daemon {
 public:
  Daemon(std::string file, config::Config config)
      : file_(std::move(file)),
        config_(std::move(config)),
        driver_(io_, config_, daemon_name(config_), log_, events_, metrics_),
        status_source_(driver_, events_, metrics_, config_, log_),
        signals_(io_, SIGTERM, SIGINT) {
    log_.configure(config_.log);
  }

  // Exit status. After SIGTERM it does not return: whatever still hangs, such as the thread of a
  // look-up, would be waited for in a destructor.
  int run() {
    end_after({SIGTERM, SIGINT}, kStopWithin);
    if (!listen() || !listen_rpc()) return 1;
    listen_socket();
    reloaded_at_start();
    watch_file();
    wait_for_hangup();
    keep_house();
    signals_.async_wait([this](const boost::system::error_code& e, int) {
      if (!e) stop();
    });
    driver_.file_says(config_.auto_failover);
    driver_.start();
    service_.start();
    log_.write(config::LogLevel::kInfo, "start",
               "failoverd " FAILOVERD_VERSION " watches " + config_.cluster.root + " at " +
                   config_.cluster.zookeeper + ", http " + config_.listen.http +
                   (config_.listen.rpc.empty() ? "" : ", rpc " + config_.listen.rpc) +
                   (config_.listen.socket.empty() ? "" : ", socket " + config_.listen.socket));
    io_.run();
    log_.flush();
    std::_Exit(0);
  }

 private:
  bool listen() {
    if (config_.listen.http.empty()) return true;
    admin::HttpOptions options;
    options.access.token = config_.listen.token;
    options.access.host_names = {host_name()};
    options.log = [this](const std::string& line) {
      log_.write(config::LogLevel::kError, "http", line);
    };
    // A quarter at most: the rest is for ZooKeeper and the tablets.
    options.max_connections = std::min(options.max_connections, descriptors_ / 4);
    options.on_refused = [this] { metrics_.http_refused(); };
    http_.emplace(io_, status_source_, std::move(options));
    const auto port = http_->listen(config_.listen.http);
    if (port) return true;
    std::fprintf(stderr, "listen.http: %s\n", port.error().text.c_str());
    return false;
  }

  // Without it failoverd can still be reached: no reason to leave a cluster alone.
  void listen_socket() {
    if (config_.listen.socket.empty() || !http_) return;
    if (const auto listens = http_->listen_socket(config_.listen.socket); !listens) {
      driver_.note(core::Severity::kError, "listen",
                   "listen.socket is not served: " + listens.error().text,
                   {{"socket", config_.listen.socket}});
    }
  }

  bool listen_rpc() {
    if (config_.listen.rpc.empty()) return true;
    admin::NameserverOptions options;
    options.changes_from_anywhere = config_.listen.rpc_changes_from_any;
    // Beside HTTP's quarter.
    options.limits.connections = std::min(options.limits.connections, descriptors_ / 8);
    options.log = [this](const std::string& line) {
      log_.write(config::LogLevel::kError, "rpc", line);
    };
    nameserver_.emplace(io_, status_source_, std::move(options));
    const auto port = nameserver_->listen(config_.listen.rpc);
    if (port) return true;
    std::fprintf(stderr, "listen.rpc: %s\n", port.error().text.c_str());
    return false;
  }

  void reloaded_at_start() {
    status_source_.reload = {file_, true, "", wall_now_ms()};
    status_source_.config_success_ms = wall_now_ms();
    warn(config_);
  }

  void warn(const config::Config& config) {
    for (const std::string& line : config.unused) {
      log_.write(config::LogLevel::kWarn, "config", line);
    }
  }

  void watch_file() {
    auto watch = config::FileWatch::start(
        io_, file_, [this] { service_.reload([this] { reload("the file changed"); }); });
    if (watch) {
      file_watch_.emplace(std::move(*watch));
    } else {
      log_.write(config::LogLevel::kWarn, "config", watch.error().text);
    }
  }

  void wait_for_hangup() {
    hangup_.async_wait([this](const boost::system::error_code& e, int) {
      if (e) return;
      hung_up();
      wait_for_hangup();
    });
  }

  // The first is served at once; all that come while it rests afterwards are one.
  void hung_up() {
    hung_up_again_ = is_resting_;
    if (is_resting_) return;
    service_.reload([this] { reload("SIGHUP"); });
    is_resting_ = true;
    rest_.expires_after(kBetweenHangups);
    rest_.async_wait([this](const boost::system::error_code& e) {
      is_resting_ = false;
      if (!e && hung_up_again_) hung_up();
    });
  }

  // What has to be looked after though nothing happens.
  void keep_house() {
    log_.flush();
    if (no_descriptor_left()) {
      if (http_) http_->close_idle();
      if (nameserver_) nameserver_->close_idle();
    }
    housekeeping_.expires_after(kHousekeeping);
    housekeeping_.async_wait([this](const boost::system::error_code& e) {
      if (!e) keep_house();
    });
  }

  void reload(const std::string& because) {
    auto loaded = config::load_again(file_);
    status_source_.reload = {file_, loaded.has_value(), loaded ? "" : loaded.error().text,
                             wall_now_ms()};
    if (!loaded) {
      driver_.note(core::Severity::kError, "config",
                   "the configuration stays as it was: " + loaded.error().text, {{"file", file_}});
      return;
    }
    const auto changes = config::changes(config_, *loaded);
    const std::string restart = config::restart_notice(changes);
    std::string what;
    for (const config::Change& c : changes) {
      what += (what.empty() ? "" : ", ") + c.key + " " + c.from + " -> " + c.to;
    }
    config_ = config::reloaded(config_, *loaded);
    log_.configure(config_.log);
    status_source_.config_success_ms = wall_now_ms();
    driver_.note(restart.empty() ? core::Severity::kInfo : core::Severity::kWarning, "config",
                 "configuration read again (" + because +
                     "): " + (what.empty() ? "nothing changed" : what) +
                     (restart.empty() ? "" : "; " + restart),
                 {{"file", file_}});
    if (http_) http_->set_token(config_.listen.token);
    warn(*loaded);
    driver_.policy_changed(config_.policy);
    driver_.file_says(loaded->auto_failover);
  }

  void stop() {
    log_.write(config::LogLevel::kInfo, "stop", "SIGTERM: giving the lock back");
    service_.stopping();
    http_.reset();
    nameserver_.reset();
    file_watch_.reset();
    hangup_.cancel();
    rest_.cancel();
    housekeeping_.cancel();
    driver_.stop([this] { io_.stop(); });
  }

  const std::string file_;
  const std::size_t descriptors_ = raise_descriptor_limit();
  config::Config config_;
  boost::asio::io_context io_{1};
  Log log_;
  admin::EventLog events_{kEventsKept};
  admin::Metrics metrics_{FAILOVERD_VERSION, op_types()};
  Driver driver_;
  StatusSource status_source_;
  Service service_{io_, [this] { return status_source_.service_state(); }};
  std::optional<admin::HttpServer> http_;
  std::optional<admin::NameserverService> nameserver_;
  std::optional<config::FileWatch> file_watch_;
  boost::asio::signal_set signals_;
  boost::asio::signal_set hangup_{io_, SIGHUP};
  boost::asio::steady_timer rest_{io_};
  bool is_resting_ = false;
  bool hung_up_again_ = false;
  boost::asio::steady_timer housekeeping_{io_};
};

int run(int argc, char** argv) {
  const auto options = parse_options(argc, argv);
  if (!options) {
    std::fprintf(stderr, "failoverd: %s\n%s", options.error().text.c_str(), kUsage);
    return 1;
  }
  if (options->help || options->version) {
    std::fputs(options->help ? kUsage : "failoverd " FAILOVERD_VERSION "\n", stdout);
    return 0;
  }
  if (options->print_fsm) {
    std::fputs(core::fsm_text().c_str(), stdout);
    return 0;
  }
  auto config = config::load(options->config);
  if (!config) {
    std::fprintf(stderr, "%s\n", config.error().text.c_str());
    return kBadConfiguration;
  }
  if (options->check_config) {
    for (const std::string& line : config->unused) std::fprintf(stderr, "%s\n", line.c_str());
    std::printf("%s: ok\n", options->config.c_str());
    return 0;
  }
  std::signal(SIGPIPE, SIG_IGN);
  // Whoever does not read its log must not stop a failover.
  never_wait_to_write(STDERR_FILENO);
  rpc::quiet_protobuf();
  return Daemon{options->config, std::move(*config)}.run();
}

}  // namespace
}  // namespace failoverd

int main(int argc, char** argv) {
  failoverd::open_standard_streams();
  try {
    return failoverd::run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "failoverd: %s\n", e.what());
    return 1;
  }
}
