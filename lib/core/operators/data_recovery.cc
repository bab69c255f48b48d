#include "lib/core/operators/data_recovery.h"

#include <algorithm>
#include <utility>

#include "lib/core/cluster/standing.h"
#include "lib/core/repair/states.h"

namespace failoverd::core {
namespace {

// What nothing can be done about is given up after so long: tablets may be about to answer.
constexpr Duration kHopelessFor = std::chrono::seconds{5};
// And what stays as it is, with nothing at work on it, after so long.
constexpr Duration kStuckFor = std::chrono::seconds{60};
constexpr Duration kLookAgain = std::chrono::milliseconds{200};

std::string number(std::uint64_t n) { return std::to_string(n); }

std::string replica_text(const Tablet& tablet, const Replica& r) {
  std::string text = tablet.endpoint + " (" + (r.is_leader ? "leader" : "follower") + " row, " +
                     (r.is_alive ? "alive" : "dead") + "): ";
  if (!is_there(tablet)) {
    text += "is not there";
  } else if (!r.report.held) {
    text += "has not loaded it";
  } else {
    text += std::string{r.report.mode == Mode::kLeader ? "leads" : "follows"} + " at offset " +
            number(r.report.offset);
  }
  return text;
}

}  // namespace

std::string DataRecovery::plan(PartitionKey at, const Partition& p) const {
  std::string text =
      model_.name_of(at) + ": " + p.diagnosis.text() + "; term " + number(p.published_term());
  for (const Replica& r : p.replicas) text += ", " + replica_text(model_.tablet(r.tablet), r);
  const StateRow& row = core::state(p.diagnosis.condition);
  if (const auto lie = rows_that_lie(model_, at, p); !lie.empty()) {
    text += ". Set alive:";
    for (const TabletIndex tablet : lie) text += " " + model_.tablet(tablet).endpoint;
    return text + ". The replicas are loaded as followers, and who holds most leads";
  }
  const bool alive = std::any_of(p.replicas.begin(), p.replicas.end(),
                                 [](const Replica& r) { return r.is_alive; });
  if (!alive && p.replicas.size() > 1) {
    return text +
           ". Several rows say that they led, and nobody knows which did last: it is left. "
           "updatetablealive sets that one alive, then it is recovered";
  }
  if (p.unfinished_term) return text + ". Its election is finished";
  if (row.would != nullptr) return text + ". It will " + row.would;
  return text + ". Waits for " + (*row.waits_for != '\0' ? row.waits_for : "what is at work on it");
}

void DataRecovery::begin(const std::string& by, const std::set<PartitionKey>& all,
                         const std::set<PartitionKey>& prepared) {
  const std::uint64_t next = state_.number + 1;
  stop();
  state_.number = next;
  state_.by = by;
  state_.partitions = state_.still = all.size();
  for (const PartitionKey at : all) {
    care_[at].since = outbox_.now;
    prepared.contains(at) ? automation_.prepare(at) : automation_.take_care(at);
    changed.insert(at);
  }
  outbox_.note(Severity::kWarning, "operator",
               by + " has the data recovered: " + number(all.size()) + " partitions", {{"by", by}});
}

void DataRecovery::stop() {
  for (const auto& [at, care] : care_) automation_.release(at);
  care_.clear();
  state_ = {};
  look_at_ = {};
  pace_.stop();
}

// `why`: it is not healthy, and is left.
bool DataRecovery::is_over(PartitionKey at, Care& care, std::string* why) {
  const Partition* p = model_.partition(at);
  if (!p) return true;
  if (automation_.is_prepared(at)) {
    if (orders_.any_of(at)) return false;
    if (!rows_that_lie(model_, at, *p).empty()) {
      *why = model_.name_of(at) + ": its rows could not be set alive: " + p->diagnosis.text();
      return true;
    }
    automation_.take_care(at);
    changed.insert(at);
  }
  const Condition now = p->diagnosis.condition;
  if (now == Condition::kHealthy && p->op == 0 && !p->unfinished_term) return true;
  if (now != care.seen || p->op != 0 || copies_.waits(at)) {
    care.seen = now;
    care.since = outbox_.now;
    return false;
  }
  const bool is_offline = p->diagnosis.waits_for.starts_with("the end of hold");
  const bool hopeless = now == Condition::kNoCandidate || now == Condition::kDegraded ||
                        now == Condition::kQuarantined || is_offline;
  if (outbox_.now - care.since < (hopeless ? kHopelessFor : kStuckFor)) return false;
  *why = model_.name_of(at) + ": " + p->diagnosis.text();
  return true;
}

void DataRecovery::look() {
  if (care_.empty() || outbox_.now < look_at_) return;
  look_at_ = outbox_.now + kLookAgain;
  for (auto entry = care_.begin(); entry != care_.end();) {
    const PartitionKey at = entry->first;
    std::string why;
    if (!is_over(at, entry->second, &why)) {
      ++entry;
      continue;
    }
    automation_.release(at);
    --state_.still;
    if (why.empty()) {
      ++state_.healthy;
    } else {
      state_.left.push_back(std::move(why));
    }
    entry = care_.erase(entry);
  }
  if (!care_.empty()) return pace_.look_at(look_at_);
  outbox_.note(state_.left.empty() ? Severity::kInfo : Severity::kWarning, "operator",
               "recoverdata has ended: " + number(state_.healthy) + " of " +
                   number(state_.partitions) + " partitions are healthy, " +
                   number(state_.left.size()) + " left as they are",
               {{"by", state_.by}});
}

}  // namespace failoverd::core
