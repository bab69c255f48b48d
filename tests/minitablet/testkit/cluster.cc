#include "tests/minitablet/testkit/cluster.h"

#include <csignal>
#include <stdexcept>
#include <utility>

#include "tests/harness/ports.h"
#include "tests/harness/wait_until.h"

namespace failoverd::testkit {

namespace {
constexpr std::chrono::seconds kPatience{30};
}

std::filesystem::path program(const std::string& name) {
  return std::filesystem::path{FAILOVERD_PROGRAMS} / name;
}

Cluster::Cluster(Options options)
    : options_{std::move(options)},
      zookeeper_{options_.zookeeper},
      znodes_{std::make_unique<Znodes>(io_, zookeeper_.hosts(), options_.root)} {
  for (std::size_t i = 0; i < options_.tablets; ++i) {
    tablets_.emplace_back().endpoint = "127.0.0.1:" + std::to_string(harness::free_port());
    start_process(i);
  }
  for (std::size_t i = 0; i < options_.tablets; ++i) {
    if (!harness::wait_until(
            io_, [&] { return registered(i); }, kPatience, endpoint(i) + " is registered")) {
      throw std::runtime_error(endpoint(i) + " does not register: " + log(i));
    }
  }
}

std::vector<std::string> Cluster::endpoints() const {
  std::vector<std::string> all;
  for (const Tablet& tablet : tablets_) all.push_back(tablet.endpoint);
  return all;
}

std::filesystem::path Cluster::directory(std::size_t tablet) const {
  return directory_.path() / ("tablet" + std::to_string(tablet));
}

std::string Cluster::log(std::size_t tablet) const {
  const auto& process = tablets_.at(tablet).process;
  return process ? process->log() : "";
}

Client& Cluster::client(std::size_t tablet) {
  Tablet& mine = tablets_.at(tablet);
  if (!mine.client) mine.client = std::make_unique<Client>(io_, mine.endpoint);
  return *mine.client;
}

void Cluster::kill(std::size_t tablet) {
  process(tablet).kill(SIGKILL);
  process(tablet).wait(kPatience);
  tablets_.at(tablet).client.reset();
}

void Cluster::start_process(std::size_t tablet) {
  harness::Process::Options process;
  process.arguments = {
      program("minitablet"),
      "--endpoint=" + endpoint(tablet),
      "--zk_cluster=" + zookeeper_.hosts(),
      "--zk_root_path=" + options_.root,
      "--zk_session_timeout=" +
          std::to_string(
              std::chrono::duration_cast<std::chrono::milliseconds>(options_.session_timeout)
                  .count()),
      "--db_root_path=" + directory(tablet).string(),
  };
  for (const std::string& flag : options_.tablet_flags) process.arguments.push_back(flag);
  process.log_file = directory_.path() / ("tablet" + std::to_string(tablet) + ".log");
  const auto znode = znodes_->get("nodes/" + endpoint(tablet));
  tablets_.at(tablet).old_owner = znode ? znode->ephemeral_owner : 0;
  tablets_.at(tablet).process.emplace(std::move(process));
  tablets_.at(tablet).client.reset();
}

void Cluster::start(std::size_t tablet) {
  start_process(tablet);
  const bool there = harness::wait_until(
      io_,
      [&] {
        if (!process(tablet).running()) {
          start_process(tablet);
          return false;
        }
        return registered(tablet);
      },
      kPatience, endpoint(tablet) + " is registered again");
  if (!there) throw std::runtime_error(endpoint(tablet) + " does not register: " + log(tablet));
}

// A znode of the last incarnation's does not count: then this one is about to exit.
bool Cluster::registered(std::size_t tablet) {
  const auto znode = znodes_->get("nodes/" + endpoint(tablet));
  return znode && znode->ephemeral_owner != tablets_.at(tablet).old_owner &&
         process(tablet).running();
}

}  // namespace failoverd::testkit
