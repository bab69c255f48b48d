// What an operator may ask in a scenario's script.
#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "lib/fedb/wire/partition_text.h"
#include "tests/scenarios/scenario.h"
#include "tests/simulation/daemon.h"
#include "tests/simulation/table_bytes.h"

namespace failoverd::scenarios {

using namespace simulation;  // NOLINT: the world's words are this file's words.

namespace {

std::vector<std::uint32_t> pids_of(const std::string& partitions) {  // "flow/0,9"
  std::vector<std::uint32_t> all;
  std::istringstream numbers{partitions.substr(partitions.find('/') + 1)};
  for (std::string one; std::getline(numbers, one, ',');) {
    all.push_back(static_cast<std::uint32_t>(std::stoul(one)));
  }
  return all;
}

}  // namespace

void Scenario::ask_operator(const Words& w) {
  namespace o = core::operators;
  Daemon* d = world_.active();
  if (!d) return printer_.line("nobody is active");
  const auto has = [&](const char* word) { return std::find(w.begin(), w.end(), word) != w.end(); };
  const auto table = [&](std::size_t i) {
    return core::TableName{w.at(i).substr(0, w.at(i).find('/')), ""};
  };
  const auto pid = [&](std::size_t i) {
    return static_cast<std::uint32_t>(std::stoul(w.at(i).substr(w.at(i).find('/') + 1)));
  };
  const auto pids = [&](std::size_t i) { return pids_of(w.at(i)); };
  const bool one_by_one = has("one-by-one");
  core::OperatorAsked asked;
  asked.id = ++last_question_;
  asked.by = "ann";
  asked.only_plan = has("plan");
  asked.as_nameserver = has("as-nameserver");
  const std::string& what = w.at(0);
  if (what == "changeleader") {
    const bool named = w.size() > 2 && (w[2] == "auto" || w[2].size() == 1);
    const std::string candidate = !named ? "" : w[2] == "auto" ? w[2] : tablet_named(w[2]);
    asked.what = o::ChangeLeader{table(1), pid(1), candidate, has("accept-loss"), has("force")};
  } else if (what == "offlineendpoint") {
    asked.what = o::OfflineEndpoint{tablet_named(w.at(1)), one_by_one ? 1 : o::kConcurrency};
  } else if (what == "recoverendpoint") {
    asked.what = o::RecoverEndpoint{tablet_named(w.at(1)), has("need-restore"),
                                    one_by_one ? 1 : o::kConcurrency};
  } else if (what == "recovertable") {
    asked.what = o::RecoverTable{table(1), pid(1), tablet_named(w.at(2))};
  } else if (what == "cancelop") {
    asked.what = o::CancelOp{std::stoull(w.at(1))};
  } else if (what == "updatetablealive") {
    asked.what = o::UpdateTableAlive{table(1), pid(1), tablet_named(w.at(2)), w.at(3) == "yes"};
  } else if (what == "makesnapshot") {
    asked.what = o::MakeSnapshot{table(1), pid(1)};
  } else if (what == "migrate") {
    asked.what = o::Migrate{tablet_named(w.at(1)), table(2), pids(2), tablet_named(w.at(3))};
  } else if (what == "addreplica") {
    asked.what = o::AddReplicas{table(1), pids(1), tablet_named(w.at(2))};
  } else if (what == "delreplica") {
    asked.what = o::DelReplicas{table(1), pids(1), tablet_named(w.at(2))};
  } else if (what == "hold") {
    o::AddHold hold;
    hold.everything = w.at(1) == "all";
    if (w.at(1).size() == 1) {
      hold.tablet = tablet_named(w.at(1));
    } else if (!hold.everything) {
      hold.table = table(1);
      if (w.at(1).find('/') != std::string::npos) hold.pid = pid(1);
    }
    hold.reason = "a disk is replaced";
    hold.lasts = duration(w.at(2));
    asked.what = hold;
  } else if (what == "remove-hold") {
    asked.what = o::RemoveHold{std::stoull(w.at(1))};
  } else if (what == "recoverdata") {
    asked.what = o::RecoverData{has("look")};
  } else if (what == "settablepartition") {
    asked.what = edit_by_hand(w);
  } else {
    throw std::invalid_argument("no such command");
  }
  d->tell(asked);
}

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

}  // namespace failoverd::scenarios
