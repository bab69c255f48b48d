#include "tests/harness/zookeeper_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>

#include "lib/base/check.h"
#include "tests/harness/ports.h"
#include "tests/harness/wait_until.h"

namespace failoverd::harness {
namespace {

// Where Debian puts it; the jar's manifest names the jars that it needs.
constexpr const char* kJar = "/usr/share/java/zookeeper.jar";
// Writes the log to stderr. It comes with a package that ZooKeeper depends on.
constexpr const char* kLogJar = "/usr/share/java/slf4j-simple.jar";

std::int64_t in_ms(Duration d) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}

std::vector<std::string> command_line(const std::filesystem::path& directory,
                                      const std::vector<std::string>& properties) {
  if (!std::filesystem::exists(kJar)) {
    throw std::runtime_error(std::string{kJar} + ": not there; install the package `zookeeper`");
  }
  std::vector<std::string> line = {
      "java",
      "-Xmx128m",
      "-Xshare:auto",
      // It lives for seconds: the first compiler and the simplest collector start fastest.
      "-XX:+UseSerialGC",
      "-XX:TieredStopAtLevel=1",
      "-XX:-UsePerfData",
      "-Dzookeeper.jmx.log4j.disable=true",
      "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
      "-Dorg.slf4j.simpleLogger.showDateTime=true",
      "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
      "-Djava.io.tmpdir=" + directory.string(),
      "-cp",
      std::string{kJar} + ":" + kLogJar,
  };
  for (const std::string& property : properties) line.push_back("-D" + property);
  line.emplace_back("org.apache.zookeeper.server.quorum.QuorumPeerMain");
  line.push_back((directory / "zoo.cfg").string());
  return line;
}

// Asks with a four-letter word; empty if there is no answer within a moment.
std::string ask(std::uint16_t port, std::string_view word) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return {};
  const timeval moment{.tv_sec = 0, .tv_usec = 300'000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &moment, sizeof moment);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      send(fd, word.data(), word.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(word.size())) {
    char buffer[4096];
    for (ssize_t got = 0; (got = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
      answer.append(buffer, static_cast<std::size_t>(got));
    }
  }
  close(fd);
  return answer;
}

}  // namespace

ZooKeeperServer::ZooKeeperServer(ZooKeeperOptions options)
    : ZooKeeperServer(options, free_port(), std::nullopt) {
  wait_until_it_serves();
}

ZooKeeperServer::ZooKeeperServer(ZooKeeperOptions options, std::uint16_t port,
                                 std::optional<Member> member)
    : options_(options), port_(port), directory_(std::make_unique<TemporaryDirectory>()) {
  const std::filesystem::path& directory = directory_->path();
  std::ofstream config{directory / "zoo.cfg"};
  config << "tickTime=" << in_ms(options_.tick) << "\n"
         << "maxSessionTimeout=60000\n"
         << "dataDir=" << directory.string() << "\n"
         << "clientPort=" << port_ << "\n"
         << "clientPortAddress=127.0.0.1\n"
         << "maxClientCnxns=0\n"
         << "admin.enableServer=false\n"
         << "4lw.commands.whitelist=ruok,srvr\n";
  if (member) {
    config << "initLimit=50\nsyncLimit=20\n" << member->quorum;
    std::ofstream{directory / "myid"} << member->id << "\n";
  }
  config.close();
  launch();
}

void ZooKeeperServer::launch() {
  process_.emplace(
      Process::Options{.arguments = command_line(directory_->path(), options_.properties),
                       .log_file = directory_->path() / "log",
                       .working_directory = directory_->path()});
}

void ZooKeeperServer::wait_until_it_serves() {
  const bool ok =
      wait_until([this] { return !mode().empty() || !process_->running(); },
                 options_.start_deadline, "ZooKeeper on port " + std::to_string(port_) + " serves");
  if (ok && process_->running()) return;
  const std::string text = log();
  throw std::runtime_error("ZooKeeper did not start; its log ends with:\n" +
                           text.substr(text.size() - std::min<std::size_t>(text.size(), 3'000)));
}

std::string ZooKeeperServer::hosts() const { return "127.0.0.1:" + std::to_string(port_); }
pid_t ZooKeeperServer::pid() const { return process_->pid(); }

void ZooKeeperServer::kill() {
  process_->kill(SIGKILL);
  CHECK(process_->wait(std::chrono::seconds{10}).has_value());
}

void ZooKeeperServer::stop() { process_->stop(); }
void ZooKeeperServer::pause() { process_->pause(); }
void ZooKeeperServer::resume() { process_->resume(); }

void ZooKeeperServer::start_without_waiting() {
  CHECK(!process_->running());
  launch();
}

void ZooKeeperServer::start() {
  start_without_waiting();
  wait_until_it_serves();
}

void ZooKeeperServer::restart() {
  kill();
  start();
}

std::string ZooKeeperServer::mode() const {
  // ruok is answered before the data is loaded; srvr names the mode only once requests are served.
  const std::string answer = ask(port_, "srvr");
  const std::string key = "Mode: ";
  const std::size_t at = answer.find(key);
  if (at == std::string::npos) return {};
  const std::size_t from = at + key.size();
  return answer.substr(from, answer.find('\n', from) - from);
}

std::string ZooKeeperServer::log() const { return process_->log(); }

std::string ZooKeeperServer::shell(const std::vector<std::string>& line) const {
  TemporaryDirectory directory;
  std::vector<std::string> arguments = {"java",
                                        "-Xshare:auto",
                                        "-XX:TieredStopAtLevel=1",
                                        "-cp",
                                        std::string{kJar} + ":" + kLogJar,
                                        "org.apache.zookeeper.ZooKeeperMain",
                                        "-server",
                                        hosts()};
  arguments.insert(arguments.end(), line.begin(), line.end());
  Process shell{Process::Options{.arguments = std::move(arguments),
                                 .log_file = directory.path() / "log",
                                 .working_directory = directory.path()}};
  CHECK(shell.wait(std::chrono::seconds{60}).has_value());
  return shell.log();
}

ZooKeeperEnsemble::ZooKeeperEnsemble(int members, ZooKeeperOptions options) {
  std::string quorum = "quorumListenOnAllIPs=false\n";
  for (int id = 1; id <= members; ++id) {
    quorum += "server." + std::to_string(id) + "=127.0.0.1:" + std::to_string(free_port()) + ":" +
              std::to_string(free_port()) + "\n";
  }
  for (int id = 1; id <= members; ++id) {
    servers_.emplace_back(
        new ZooKeeperServer(options, free_port(), ZooKeeperServer::Member{id, quorum}));
  }
  for (const auto& server : servers_) server->wait_until_it_serves();
}

std::string ZooKeeperEnsemble::hosts() const {
  std::string all;
  for (const auto& server : servers_) all += (all.empty() ? "" : ",") + server->hosts();
  return all;
}

std::optional<int> ZooKeeperEnsemble::leader() const {
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (servers_[i]->mode() == "leader") return static_cast<int>(i);
  }
  return std::nullopt;
}

}  // namespace failoverd::harness
