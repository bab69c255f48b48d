#include "lib/core/operators/data_look.h"

#include <algorithm>

#include "lib/core/cluster/load_step.h"
#include "lib/core/cluster/standing.h"

namespace failoverd::core {
namespace {

constexpr Duration kAskAgain = std::chrono::milliseconds{100};
// It says that it loads, and then nothing is there: told so often again.
constexpr int kTells = 3;

// It leads by its own word; or it does not answer now, and nobody knows. One that is only silent
// may go on some day, and send from where it was; one whose port refuses will not.
bool may_lead(const Model& model, const Replica& r) {
  const Tablet& tablet = model.tablet(r.tablet);
  const bool led = r.report.mode == Mode::kLeader;
  if (!tablet.verdict.dead()) return (r.report.held && led) || !answers_freshly(model, r);
  return !tablet.evidence.refused_first && (r.is_leader || led);
}

}  // namespace

// SAFETY 19, 10: never beside one that leads, or of whom nobody knows.
bool DataLook::looks_at(PartitionKey at, const Partition& p) const {
  if (p.diagnosis.condition == Condition::kHealthy || p.op != 0) return false;
  if (model_.table(at.tid)->refusal) return false;
  const Replica* leader = p.leader();
  if (leader && standing(model_, *leader) == Standing::kUnclear) return false;
  return std::none_of(p.replicas.begin(), p.replicas.end(),
                      [&](const Replica& r) { return may_lead(model_, r); });
}

// SAFETY 21: what is not in memory has only its tablet's znode to speak for it. A table on disk is
// not seen while it loads, and told twice it is lost: it is loaded by an op that registers it. What
// an operator keeps away, or somebody may still drop or copies, is not loaded either.
std::vector<TabletIndex> DataLook::replicas_of(PartitionKey at, const Partition& p) const {
  std::vector<TabletIndex> all;
  if (!looks_at(at, p)) return all;
  for (const Replica& r : p.replicas) {
    const bool is_in_memory = r.report.held;
    const bool is_others = model_.is_on_disk(at) || automation_.is_offline(r.tablet) ||
                           cleanup_.may_still_drop(at, r.tablet) || copies_.waits(at, r.tablet);
    if (!is_in_memory && is_others) continue;
    if (is_there(model_.tablet(r.tablet)) && may_be_loaded(model_, r)) all.push_back(r.tablet);
  }
  return all;
}

void DataLook::begin(const std::string& by) {
  const std::uint64_t next = state_.number + 1;
  stop();
  state_.number = next;
  state_.by = by;
  std::uint64_t to_be_loaded = 0;
  for (auto& [tid, table] : model_.tables()) {
    for (auto& [pid, p] : table.partitions) {
      for (const TabletIndex tablet : replicas_of({tid, pid}, p)) {
        to_be_loaded += p.on(tablet)->report.held ? 0 : 1;
        ones_[{{tid, pid}, tablet}].since = outbox_.now;
      }
    }
  }
  state_.replicas = state_.still = ones_.size();
  if (ones_.empty()) return;
  outbox_.note(Severity::kInfo, "operator",
               by + " looks at the data: " + std::to_string(state_.replicas) +
                   " replicas are asked, of which " + std::to_string(to_be_loaded) +
                   " are loaded as followers",
               {{"by", by}});
}

void DataLook::stop() {
  ones_.clear();
  state_ = {};
  pace_.stop();
}

bool DataLook::is_seen(const Key& key) const {
  const Replica* r = model_.partition(key.first)->on(key.second);
  return r->report.held && is_loaded(r->report.state);
}

std::string DataLook::why_given_up(const Key& key, const One& one) const {
  const Partition* p = model_.partition(key.first);
  const Replica* r = p ? p->on(key.second) : nullptr;
  if (!r) return "it is no replica any more";
  if (!is_there(model_.tablet(key.second))) return "its tablet is gone";
  if (!looks_at(key.first, *p)) return "somebody leads it by now, or works on it";
  if (one.has_nothing || one.tells > kTells) return one.trouble;
  // One that loads says so all the time, and may take long.
  if (outbox_.now - one.since <= kSilentForGood) return "";
  return one.trouble.empty() ? "its tablet does not answer" : one.trouble;
}

void DataLook::look() {
  if (ones_.empty()) return;
  for (auto it = ones_.begin(); it != ones_.end();) {
    auto& [key, one] = *it;
    const std::string why = why_given_up(key, one);
    if (why.empty() && !(one.loaded && is_seen(key))) {
      ask(key, one);
      ++it;
      continue;
    }
    if (!why.empty()) {
      state_.not_loaded.push_back(model_.name_of(key.first) + " on " +
                                  model_.tablet(key.second).endpoint + ": " + why);
    }
    --state_.still;
    it = ones_.erase(it);
  }
  if (!ones_.empty()) return pace_.look_at(outbox_.now + kAskAgain);
  const std::uint64_t loaded = state_.replicas - state_.not_loaded.size();
  outbox_.note(Severity::kInfo, "operator",
               "the look at the data has ended: " + std::to_string(loaded) + " of " +
                   std::to_string(state_.replicas) + " replicas are in memory",
               {{"by", state_.by}});
}

void DataLook::ask(const Key& key, One& one) {
  if (one.asked || one.loaded || outbox_.now < one.not_before) return;
  const auto& [at, tablet] = key;
  const ReplyTo reply_to{ReplyTo::Owner::kLook, packed(at), one.next, tablet, {}};
  const Endpoint& endpoint = model_.tablet(tablet).endpoint;
  if (one.next == kTermPair) {
    outbox_.call(reply_to, endpoint, GetTermPair{at}, kLookAtMost);
  } else if (one.next == kStatus) {
    outbox_.call(reply_to, endpoint, GetTableStatus{at}, kLookAtMost);
  } else if (stand_back_.may_change()) {
    outbox_.call(reply_to, endpoint, model_.load_call(at, 0, OpType::kReLoadTableOP), kActAtMost);
  } else {
    return;
  }
  one.asked = true;
}

void DataLook::answered(const ReplyTo& reply_to, const Answer& answer) {
  const Key key{unpacked(reply_to.key), reply_to.tablet};
  const auto found = ones_.find(key);
  Partition* p = model_.partition(key.first);
  Replica* r = p ? p->on(key.second) : nullptr;
  if (found == ones_.end() || !r || found->second.next != reply_to.what) return;
  One& one = found->second;
  one.asked = false;
  one.not_before = outbox_.now + kAskAgain;
  if (reply_to.what == kLoad) {
    if (r->found) r->found->nothing = answer.says(kTableDirIsNotExist);
    return load_answered(one, answer);
  }
  const bool empty = reply_to.what == kTermPair && answer.says(kTableIsNotExist);
  if (!answer.ok() && !empty) {
    one.trouble = to_text(answer);
    return;
  }
  one.not_before = outbox_.now;
  if (reply_to.what == kStatus) return status_answered(key, one, answer);
  // One that an earlier look has loaded has no term; what was on its disk is known from then.
  const bool knows_nothing = answer.has_table && answer.term == 0;
  if (!knows_nothing || !r->found) r->found = Found{answer.has_table, answer.term, answer.offset};
  one.next = kStatus;
}

void DataLook::status_answered(const Key& key, One& one, const Answer& answer) {
  switch (next_load_step(answer.status_of(key.first), one.told, outbox_.now)) {
    case LoadStep::kLoaded:
      one.loaded = true;
      one.since = outbox_.now;
      return;
    case LoadStep::kLoads:
      one.since = outbox_.now;
      one.not_before = outbox_.now + kAskAgain;
      return;
    case LoadStep::kTell:
      one.told.reset();
      one.next = kLoad;
  }
}

void DataLook::load_answered(One& one, const Answer& answer) {
  one.next = kStatus;
  if (answer.says(kTableDirIsNotExist)) {
    one.has_nothing = true;
    one.trouble = "nothing is on its disk, or it could not be loaded and is in the recycle bin now";
  } else if (says_it_loads(answer)) {
    ++one.tells;
    one.trouble = "it says that it loads, and nothing is there then";
    one.told = one.since = outbox_.now;
  } else {
    one.trouble = "it was told to load it: " + to_text(answer);
    one.not_before = outbox_.now + kLoadAgain;
  }
}

}  // namespace failoverd::core
