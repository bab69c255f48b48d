#include "lib/core/operators/data_recovery.h"

#include <algorithm>
#include <utility>

#include "lib/core/cluster/lying_rows.h"
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

// Its tablet has said that there is nothing to load.
bool has_nothing(const Tablet& tablet, const Replica& r) {
  return is_there(tablet) && r.found && r.found->nothing && !r.report.held;
}

std::string found_text(const Partition& p, const Replica& r) {
  if (!r.found) return "";
  if (r.found->in_memory) {
    return r.found->term == 0 ? "" : " with term " + number(r.found->term);
  }
  if (r.found->offset == 0) return ", without a snapshot";
  std::string text =
      ", its snapshot of term " + number(r.found->term) + " at " + number(r.found->offset);
  if (has_parted(p, r)) text += ", where the history has a later term: it has parted";
  if (is_newer_than_rows(p, r)) text += ", which is later than the history";
  return text;
}

std::string replica_text(const Model& model, PartitionKey at, const Partition& p,
                         const Replica& r) {
  const Tablet& tablet = model.tablet(r.tablet);
  std::string text = tablet.endpoint + " (" + (r.is_leader ? "leader" : "follower") + " row, " +
                     (r.is_alive ? "alive" : "dead") + ") ";
  const auto known = model.known_offset(at, r);
  const std::string last = known ? ", last known at offset " + number(*known) : "";
  if (!is_there(tablet)) return text + "is not there" + last;
  if (has_nothing(tablet, r)) return text + "has nothing to load" + last;
  if (!r.report.held) return text + "has not loaded it" + last;
  return text + (r.report.mode == Mode::kLeader ? "leads" : "follows") + " at offset " +
         number(r.report.offset) + found_text(p, r);
}

}  // namespace

// Which rows say what is not so.
std::string DataRecovery::lies(const Partition& p, const LyingRows& lying) const {
  std::string text;
  const auto add = [&](const Replica& r, const char* what) {
    text += (text.empty() ? ". Rows that lied: " : ", ") + model_.tablet(r.tablet).endpoint + what;
  };
  for (const Replica& r : p.replicas) {
    const auto& set = lying.set_alive;
    if (std::find(set.begin(), set.end(), r.tablet) != set.end()) {
      add(r, " (dead, and may hold what was acknowledged)");
    } else if (r.is_alive && has_nothing(model_.tablet(r.tablet), r)) {
      add(r, " (alive, and holds nothing)");
    } else if (r.is_alive && has_parted(p, r)) {
      add(r, " (alive, and its log has parted from the history)");
    }
  }
  return text;
}

std::string DataRecovery::plan(PartitionKey at, const Partition& p) const {
  std::string text = model_.name_of(at) + ": " + p.diagnosis.text() + ". Found: term " +
                     number(p.published_term()) +
                     (p.terms.empty() ? "" : " from offset " + number(p.terms.back().offset));
  std::string unknown;
  for (const Replica& r : p.replicas) {
    text += "; " + replica_text(model_, at, p, r);
    const Tablet& tablet = model_.tablet(r.tablet);
    if (r.report.held || r.found || !is_there(tablet)) continue;
    unknown += (unknown.empty() ? "" : ", ") + tablet.endpoint;
  }
  if (!unknown.empty()) {
    text += ". How far a log goes is not known before it is loaded: " + unknown;
    // DataLook::replicas_of
    if (model_.is_on_disk(at)) text += " (a table on disk: the ops that follow load it)";
  }
  const StateRow& row = core::state(p.diagnosis.condition);
  const LyingRows lying = lying_rows(model_, at, p);
  text += lies(p, lying);
  if (!lying.set_alive.empty()) {
    text += ". Set alive:";
    for (const TabletIndex tablet : lying.set_alive) text += " " + model_.tablet(tablet).endpoint;
    return text + ". The replicas are loaded as followers, and who holds most leads";
  }
  if (!lying.why_left.empty()) {
    return text + ". It is left: " + lying.why_left +
           ". updatetablealive sets the right one alive, or changeleader with --accept-loss elects "
           "the one that it names";
  }
  if (p.unfinished_term) return text + ". Its election is finished";
  const bool others_are_there = std::any_of(
      p.replicas.begin(), p.replicas.end(),
      [&](const Replica& r) { return !r.is_alive && is_there(model_.tablet(r.tablet)); });
  if (p.diagnosis.condition == Condition::kNoCandidate && others_are_there) {
    return text + ". Waits for " + row.waits_for +
           "; changeleader with --accept-loss elects the best of the others, and gives up what "
           "only "
           "the alive row's replica holds";
  }
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
    if (!lying_rows(model_, at, *p).set_alive.empty()) {
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
