#include "tests/scenarios/scenario.h"

#include <sstream>
#include <stdexcept>

#include "tests/simulation/daemon.h"

namespace failoverd::scenarios {

using namespace simulation;  // NOLINT: the world's words are this file's words.

Scenario::Scenario() : world_(1, fixed_timing()), printer_(world_), ledger_(world_) {
  add_publish_checkers(world_, ledger_, checkers_);
  add_act_checkers(world_, ledger_, checkers_);
  add_handover_checkers(world_, ledger_, checkers_);
  add_row_checkers(world_, ledger_, checkers_);
  add_loss_checkers(world_, ledger_, checkers_);
  add_stranger_checkers(world_, ledger_, checkers_);
  add_left_alone_checkers(world_, ledger_, checkers_);
  add_nameserver_checkers(world_, ledger_, checkers_);
  world_.watch(ledger_);
  world_.watch(printer_);
  for (const auto& checker : checkers_) world_.watch(*checker);
  learn_commands();
  // Scripts kill the next one, or the daemon, in the middle of what follows: it comes later so.
  world_.policy.detection.refuses_again = std::chrono::milliseconds{20};
}

Scenario::~Scenario() = default;

std::string Scenario::run(const std::string& text) {
  std::istringstream in{text};
  std::string out;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.starts_with('>')) continue;  // What was seen the last time.
    out += line + '\n';
    std::istringstream parts{line};
    Words words;
    for (std::string word; parts >> word && !word.starts_with('#');) words.push_back(word);
    if (words.empty()) continue;
    try {
      carry_out(words);
    } catch (const std::exception& e) {
      throw std::invalid_argument("line " + std::to_string(number) + " \"" + line +
                                  "\": " + e.what());
    }
    for (const std::string& seen : printer_.take()) out += "> " + seen + '\n';
  }
  return out;
}

void Scenario::carry_out(const Words& words) {
  const auto command = commands_.find(words.front());
  if (command == commands_.end()) throw std::invalid_argument("no such command");
  command->second({words.begin() + 1, words.end()});
}

std::string Scenario::tablet_named(const std::string& word) const {
  const std::string endpoint = word + ":1";
  if (!world_.tablets().contains(endpoint)) throw std::invalid_argument("no tablet " + word);
  return endpoint;
}

std::string Scenario::anybody_named(const std::string& word) const {
  return world_.tablets().contains(word + ":1") ? word + ":1" : word;
}

core::TableShape Scenario::table_named(const std::string& word) const {
  for (const auto& [znode, table] : world_.fake_zookeeper.tables()) {
    if (table.name == word) return table;
  }
  throw std::invalid_argument("no table " + word);
}

core::PartitionKey Scenario::partition_named(const std::string& word) const {
  const auto slash = word.find('/');
  const core::TableShape table = table_named(word.substr(0, slash));
  return {table.tid, static_cast<std::uint32_t>(std::stoul(word.substr(slash + 1)))};
}

Daemon& Scenario::daemon_named(const std::string& word) {
  Daemon* daemon = world_.find_daemon(word);
  if (!daemon) throw std::invalid_argument("no daemon " + word);
  return *daemon;
}

Duration Scenario::duration(const std::string& word) {
  std::size_t end = 0;
  const long n = std::stol(word, &end);
  const std::string unit = word.substr(end);
  if (unit == "ms") return std::chrono::milliseconds{n};
  if (unit == "s") return std::chrono::seconds{n};
  if (unit == "m") return std::chrono::minutes{n};
  throw std::invalid_argument("no duration: " + word);
}

}  // namespace failoverd::scenarios
