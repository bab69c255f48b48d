// A daemon that only watches: its share of a core and its memory, from /proc.
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/bench/measure.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::bench {
namespace {

// User and system time of a process so far, in seconds.
double cpu_seconds(pid_t pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
  std::string text;
  std::getline(file, text);
  std::istringstream rest{text.substr(text.rfind(')') + 1)};
  std::string skipped;
  for (int i = 0; i < 11; ++i) rest >> skipped;  // State and on, up to utime.
  double user = 0;
  double system = 0;
  if (!(rest >> user >> system)) throw std::runtime_error("/proc/PID/stat is not understood");
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double status_mib(pid_t pid, const std::string& key) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/status"};
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + ":")) return std::stod(line.substr(key.size() + 1)) / 1024;
  }
  throw std::runtime_error("/proc/PID/status has no " + key);
}

}  // namespace

Idle measure_idle(std::uint32_t partitions, std::chrono::seconds time) {
  e2e::Cluster cluster;
  cluster.create_table("flow", partitions, 3);
  e2e::Daemon& daemon = cluster.start_active_daemon({.config = {"log: {level: info}"}});
  cluster.let_pass(std::chrono::seconds{3});
  const pid_t pid = daemon.process().pid();
  const double before = cpu_seconds(pid);
  const auto began = Clock::now();
  cluster.let_pass(time);
  Idle idle;
  idle.cpu_percent = 100'000 * (cpu_seconds(pid) - before) / milliseconds(Clock::now() - began);
  idle.resident_mib = status_mib(pid, "VmRSS");
  idle.peak_mib = status_mib(pid, "VmHWM");
  return idle;
}

}  // namespace failoverd::bench
