#include "tests/scenarios/scenario.h"

#include <sstream>
#include <stdexcept>

#include "lib/fedb/wire/partition_text.h"
#include "tests/simulation/daemon.h"

namespace failoverd::scenarios {

using namespace simulation;  // NOLINT: the world's words are this file's words.

Scenario::Scenario() : world_(1, fixed_timing()), printer_(world_), ledger_(world_) {
  add_publish_checkers(world_, ledger_, checkers_);
  add_act_checkers(world_, ledger_, checkers_);
  add_row_checkers(world_, ledger_, checkers_);
  add_loss_checkers(world_, ledger_, checkers_);
  add_stranger_checkers(world_, ledger_, checkers_);
  add_left_alone_checkers(world_, ledger_, checkers_);
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

namespace {

// As JSON, which the daemon's own code reads.
std::string json_of(const core::PartitionShape& p) {
  const auto flag = [](bool is) { return is ? "true" : "false"; };
  std::string rows;
  for (const core::Row& row : p.rows) {
    rows.append(rows.empty() ? "" : ",").append(R"({"endpoint":")").append(row.endpoint);
    rows.append(R"(","is_leader":)").append(flag(row.is_leader));
    rows.append(R"(,"is_alive":)").append(flag(row.is_alive)).append("}");
  }
  std::string terms;
  for (const core::TermPair& t : p.terms) {
    terms.append(terms.empty() ? "" : ",").append(R"({"term":)").append(std::to_string(t.term));
    terms.append(R"(,"offset":)").append(std::to_string(t.offset)).append("}");
  }
  return R"({"pid":)" + std::to_string(p.pid) + R"(,"partition_meta":[)" + rows +
         R"(],"term_offset":[)" + terms + "]}";
}

}  // namespace

// Rows such as A=L+ and B=F-, a history such as 1@0 3@5 (none: as it is); `old`: an earlier version
// was read.
core::operators::SetTablePartition Scenario::edit_by_hand(const Words& w) {
  core::operators::SetTablePartition edit;
  edit.table.name = w.at(1).substr(0, w.at(1).find('/'));
  const core::TableShape table = table_named(edit.table.name);
  edit.version = table.version;
  const auto pid = static_cast<std::uint32_t>(std::stoul(w.at(1).substr(w.at(1).find('/') + 1)));
  core::PartitionShape p{pid, {}, {}};
  for (const std::string& word : w) {
    if (word == "old") --edit.version;
    const auto at = word.find_first_of("=@");
    if (at == std::string::npos) continue;
    if (word[at] == '@') {
      p.terms.push_back({std::stoull(word), std::stoull(word.substr(at + 1))});
    } else {
      p.rows.push_back({anybody_named(word.substr(0, at)), word.find("=L") != std::string::npos,
                        word.ends_with('+')});
    }
  }
  const bool is_there = pid < table.partitions.size();
  if (is_there && p.terms.empty()) p.terms = table.partitions[pid].terms;
  const auto parsed = fedb::parse_partition(json_of(p));
  if (!parsed) throw std::invalid_argument(parsed.error().text);
  edit.partition = parsed->shape;
  edit.message = parsed->message;
  if (!is_there || p != table.partitions[pid]) {
    edit.what_changes = {"it becomes what ann has written"};
  }
  return edit;
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
