#include "tests/e2e/daemon.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <fstream>
#include <map>

#include "tests/e2e/programs.h"
#include "tests/harness/ports.h"

namespace failoverd::e2e {
namespace {

namespace asio = boost::asio;

std::string key_of(const std::string& line) { return line.substr(0, line.find(':')); }

// One request on loopback, and its answer to the end, or only the head.
Daemon::Http http_call(const std::string& address, const std::string& request,
                       bool to_the_end = true) {
  Daemon::Http result;
  asio::io_context io;
  asio::ip::tcp::socket socket(io);
  boost::system::error_code error;
  const auto colon = address.rfind(':');
  const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1)));
  socket.connect({asio::ip::make_address(address.substr(0, colon)), port}, error);
  if (error) return result;
  asio::write(socket, asio::buffer(request), error);
  std::string answer;
  if (to_the_end) {
    asio::read(socket, asio::dynamic_buffer(answer), error);
  } else {
    asio::read_until(socket, asio::dynamic_buffer(answer), "\r\n\r\n", error);
  }
  const auto body = answer.find("\r\n\r\n");
  if (body == std::string::npos) return result;
  result.head = answer.substr(0, body);
  result.body = answer.substr(body + 4);
  result.status = std::atoi(result.head.c_str() + std::string_view{"HTTP/1.1 "}.size());
  return result;
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Runs a program to its end; what it writes to stdout and stderr goes to files of this name.
Daemon::Output run_to_end(Cluster& cluster, std::vector<std::string> arguments) {
  static int runs = 0;
  const auto file = cluster.directory() / ("run" + std::to_string(++runs));
  std::string command = "exec \"$0\" \"$@\" >" + file.string() + ".out 2>" + file.string() + ".err";
  arguments.insert(arguments.begin(), {"/bin/sh", "-c", std::move(command)});
  harness::Process::Options options;
  options.arguments = std::move(arguments);
  harness::Process process(options);
  cluster.wait_until([&] { return !process.running(); }, options.arguments[3] + " ends");
  return {process.wait(std::chrono::seconds{1}).value_or(-1), text_of(file.string() + ".out"),
          text_of(file.string() + ".err")};
}

}  // namespace

Daemon::Daemon(Cluster& cluster, int number, const DaemonOptions& options)
    : cluster_(cluster),
      file_(cluster.directory() / ("failoverd" + std::to_string(number) + ".yaml")),
      log_file_(cluster.directory() / ("failoverd" + std::to_string(number) + ".log")),
      http_("127.0.0.1:" + std::to_string(harness::free_port())),
      cluster_keys_("zookeeper: \"" +
                    (options.zookeeper.empty() ? cluster.zookeeper().hosts() : options.zookeeper) +
                    "\", " + options.cluster),
      listen_keys_("http: \"" + http_ + "\"" +
                   (options.listen.empty() ? "" : ", " + options.listen)),
      environment_(options.environment) {
  configure(options.config);
}

void Daemon::configure(const std::vector<std::string>& lines) {
  std::map<std::string, std::string> keys{{"cluster", "cluster: {" + cluster_keys_ + "}"},
                                          {"listen", "listen: {" + listen_keys_ + "}"},
                                          {"log", "log: {level: debug}"},
                                          {"detection", "detection: {silence: 1s}"}};
  for (const std::string& line : lines) keys[key_of(line)] = line;
  std::string text;
  for (const auto& [key, line] : keys) text += line + "\n";
  write_file(text);
}

void Daemon::write_file(const std::string& text, How how) {
  if (how == How::kInPlace) {
    std::ofstream(file_) << text;
    return;
  }
  const std::filesystem::path next = file_.string() + ".new";
  std::ofstream(next) << text;
  std::filesystem::rename(next, file_);
}

std::string Daemon::read_file() const { return text_of(file_); }

void Daemon::start() {
  harness::Process::Options options;
  options.arguments = {program("failoverd"), "--config", file_.string()};
  options.environment = environment_;
  options.log_file = log_file_;
  process_ = std::make_unique<harness::Process>(options);
}

void Daemon::kill() {
  process_->kill(SIGKILL);
  process_->wait(std::chrono::seconds{10});
}

int Daemon::stop() { return process_->stop(); }

Daemon::Output Daemon::ctl(const std::vector<std::string>& arguments, const std::string& servers) {
  std::vector<std::string> all = {program("failoverctl"), "--server",
                                  servers.empty() ? "http://" + http_ : servers};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return run_to_end(cluster_, std::move(all));
}

Daemon::Output Daemon::run(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {program("failoverd"), "--config", file_.string()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return run_to_end(cluster_, std::move(all));
}

Daemon::Http Daemon::get(const std::string& target) {
  return http_call(http_, request_of("GET", target));
}

Daemon::Http Daemon::get_head(const std::string& target) {
  return http_call(http_, request_of("GET", target), /*to_the_end=*/false);
}

Daemon::Http Daemon::head(const std::string& target) {
  return http_call(http_, request_of("HEAD", target));
}

std::string Daemon::request_of(const std::string& method, const std::string& target) const {
  return method + " " + target + " HTTP/1.1\r\nHost: " + http_ + "\r\nConnection: close\r\n\r\n";
}

Daemon::Http Daemon::post(const std::string& target, const std::string& body) {
  return http_call(http_, "POST " + target + " HTTP/1.1\r\nHost: " + http_ +
                              "\r\nConnection: close\r\nContent-Type: application/json" +
                              "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                              body);
}

std::string Daemon::status() { return get("/api/v1/status").body; }

bool is_publish(std::string_view request) {
  return request.find("table/table_data/") != std::string_view::npos &&
         request.find("table/notify") != std::string_view::npos;
}

bool begins_op(std::string_view request) {
  // Its name is its number; the groups of those that have finished are called otherwise.
  constexpr std::string_view kOps = "failoverd/ops/";
  for (auto at = request.find(kOps); at != request.npos; at = request.find(kOps, at + 1)) {
    const std::string_view name = request.substr(at + kOps.size(), 1);
    if (!name.empty() && name.front() >= '0' && name.front() <= '9') return true;
  }
  return false;
}

bool Daemon::comes_to(const std::string& task) {
  const std::string at = "\"cur_task\":\"" + task + "\"";
  return cluster_.wait_until([&] { return status().find(at) != std::string::npos; },
                             "an op is at " + task);
}

bool Daemon::active() { return metric("failoverd_active") == 1; }

std::optional<double> Daemon::metric(const std::string& series) {
  const std::string text = "\n" + get("/metrics").body;
  const auto at = text.find("\n" + series + " ");
  if (at == std::string::npos) return std::nullopt;
  return std::stod(text.substr(at + series.size() + 2));
}

}  // namespace failoverd::e2e
