#include "tests/e2e/daemon.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <fstream>
#include <map>

#include "tests/harness/ports.h"

namespace failoverd::e2e {
namespace {

namespace asio = boost::asio;

std::string key_of(const std::string& line) { return line.substr(0, line.find(':')); }

// The body of a GET on loopback; empty if it cannot be had.
std::string http_get(const std::string& address, const std::string& target) {
  asio::io_context io;
  asio::ip::tcp::socket socket(io);
  boost::system::error_code error;
  const auto colon = address.rfind(':');
  const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1)));
  socket.connect({asio::ip::make_address(address.substr(0, colon)), port}, error);
  if (error) return "";
  const std::string request =
      "GET " + target + " HTTP/1.1\r\nHost: " + address + "\r\nConnection: close\r\n\r\n";
  asio::write(socket, asio::buffer(request), error);
  std::string answer;
  asio::read(socket, asio::dynamic_buffer(answer), error);
  const auto body = answer.find("\r\n\r\n");
  return body == std::string::npos ? "" : answer.substr(body + 4);
}

}  // namespace

Daemon::Daemon(Cluster& cluster, int number, const DaemonOptions& options)
    : cluster_(cluster),
      file_(cluster.directory() / ("failoverd" + std::to_string(number) + ".yaml")),
      log_file_(cluster.directory() / ("failoverd" + std::to_string(number) + ".log")),
      http_("127.0.0.1:" + std::to_string(harness::free_port())),
      zookeeper_(options.zookeeper.empty() ? cluster.zookeeper().hosts() : options.zookeeper) {
  configure(options.config);
}

void Daemon::configure(const std::vector<std::string>& lines) {
  std::map<std::string, std::string> keys{
      {"cluster", "cluster: {zookeeper: \"" + zookeeper_ + "\", session_timeout: 1s}"},
      {"listen", "listen: {http: \"" + http_ + "\"}"},
      {"log", "log: {level: debug}"},
      {"detection", "detection: {silence: 1s}"}};
  for (const std::string& line : lines) keys[key_of(line)] = line;
  const std::filesystem::path next = file_.string() + ".new";
  {
    std::ofstream out(next);
    for (const auto& [key, line] : keys) out << line << "\n";
  }
  std::filesystem::rename(next, file_);
}

void Daemon::start() {
  harness::Process::Options options;
  options.arguments = {std::string{FAILOVERD_BIN_DIR} + "/failoverd", "--config", file_.string()};
  options.log_file = log_file_;
  process_ = std::make_unique<harness::Process>(options);
}

void Daemon::kill() {
  process_->kill(SIGKILL);
  process_->wait(std::chrono::seconds{10});
}

int Daemon::stop() { return process_->stop(); }

Daemon::Output Daemon::ctl(const std::vector<std::string>& arguments) {
  static int calls = 0;
  harness::Process::Options options;
  options.arguments = {std::string{FAILOVERD_BIN_DIR} + "/failoverctl", "--server",
                       "http://" + http_};
  options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
  options.log_file = cluster_.directory() / ("ctl" + std::to_string(++calls) + ".out");
  harness::Process ctl(options);
  cluster_.wait_until([&] { return !ctl.running(); }, "failoverctl ends");
  return {ctl.wait(std::chrono::seconds{1}).value_or(-1), ctl.log()};
}

std::string Daemon::status() { return http_get(http_, "/api/v1/status"); }

bool Daemon::active() { return metric("failoverd_active") == 1; }

std::optional<double> Daemon::metric(const std::string& series) {
  const std::string text = "\n" + http_get(http_, "/metrics");
  const auto at = text.find("\n" + series + " ");
  if (at == std::string::npos) return std::nullopt;
  return std::stod(text.substr(at + series.size() + 2));
}

}  // namespace failoverd::e2e
