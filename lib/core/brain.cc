#include "lib/core/brain.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "lib/base/check.h"
#include "lib/core/cluster/standing.h"
#include "lib/core/parts.h"

namespace failoverd::core {
namespace {

// What one part decides may be news for another. So many rounds are never needed: whatever goes on
// for longer goes in circles.
constexpr int kMostRounds = 100;

// What nobody but a person can mend. A replica whose disk is lost counts where nobody else serves
// its partition: else it is copied.
void add_stuck(const Model& model, std::vector<Hold>& all) {
  for (const auto& [tid, table] : model.tables()) {
    for (const auto& [pid, p] : table.partitions) {
      const Replica* leader = p.leader();
      const bool is_served = leader && standing(model, *leader) == Standing::kServes;
      for (const Replica& r : p.replicas) {
        if (!r.stuck || (is_served && r.stuck->reason == kLostDisk)) continue;
        Hold& hold = all.emplace_back();
        hold.reason = r.stuck->reason;
        hold.at = {tid, pid};
        hold.since = r.stuck->since;
        hold.text = r.stuck->text;
        hold.lifted_by = "somebody who mends that tablet's disk and restarts it";
        if (r.stuck->reason == kLostDisk) {
          hold.lifted_by += ", or failoverctl changeleader --accept-loss";
        }
      }
    }
  }
}

}  // namespace

Brain::Brain(const Policy& policy) : parts_(std::make_unique<Parts>(policy)) {}
Brain::~Brain() = default;

std::vector<Command> Brain::step(Instant now, const Event& event) {
  Parts& parts = *parts_;
  CHECK(parts.outbox.out.empty());
  CHECK(now >= parts.outbox.now);
  parts.outbox.now = now;
  parts.take(event);
  parts.settle();
  return std::exchange(parts.outbox.out, {});
}

const Model& Brain::model() const { return parts_->model; }
const OpHistory& Brain::ops() const { return parts_->ops; }
bool Brain::active() const { return parts_->stand_back.active(); }
std::int64_t Brain::epoch() const { return parts_->stand_back.epoch(); }
bool Brain::auto_failover() const { return parts_->stand_back.auto_failover(); }
bool Brain::switch_read() const { return parts_->stand_back.switch_read(); }
const std::string& Brain::switched_by() const { return parts_->stand_back.switched_by(); }
bool Brain::cluster_read() const { return parts_->stand_back.cluster_read(); }
const std::vector<std::string>& Brain::nameservers() const {
  return parts_->stand_back.nameservers();
}
std::uint64_t Brain::needless_verdicts() const { return parts_->monitor.needless_verdicts(); }
std::vector<Hold> Brain::holds() const {
  std::vector<Hold> all = parts_->elections.holds();
  if (active()) add_stuck(parts_->model, all);
  return all;
}

std::vector<OperatorHold> Brain::operator_holds() const { return parts_->holds.all(); }
const DataLookState& Brain::data_look() const { return parts_->data_look.state(); }
const DataRecoveryState& Brain::data_recovery() const { return parts_->data_recovery.state(); }

// A partition whose terms are damaged is quarantined, and elects nobody.
Term Brain::highest_term() const {
  Term highest = parts_->terms.highest_taken();
  for (const auto& [tid, table] : parts_->model.tables()) {
    for (const auto& [pid, p] : table.partitions) {
      if (p.highest_term() <= kHighestTerm) highest = std::max(highest, p.highest_term());
    }
  }
  return highest;
}

std::vector<StandsBack> Brain::stands_back(Instant now) const {
  return parts_->stand_back.reasons(now);
}

const std::map<std::string, std::string>& Brain::obstacles() const {
  return parts_->stand_back.obstacles();
}

const Shadow* Brain::shadow() const { return parts_->shadow.is_on() ? &parts_->shadow : nullptr; }

std::vector<WouldDo> Brain::would_do() const { return parts_->states.would_do(); }

// --- What follows --------------------------------------------------------------------------------

void Brain::Parts::settle() {
  reserving.look();
  stand_back.note();
  const bool can = stand_back.may_change();
  if (can && !could_change_) states.mark_troubled();
  could_change_ = can;
  operations.may_change(can);
  takeover.recall_elections();
  if (can) takeover.resume_ops();
  int round = 0;
  do {
    if (++round > kMostRounds) {
      give_up_settling();
      break;
    }
    monitor.judge_all();
    for (TabletAnswered& e : std::exchange(outbox.withheld, {})) tablet_answered(std::move(e));
    if (stand_back.has_lease()) holds.look();
    if (std::exchange(holds.changed, false)) states.mark_troubled();
    collect();
    orders.look();
    operators.look();
    data_look.look();
    data_recovery.look();
    states.look();
    copies.look();
    publisher.flush(elections.promoting() ? Publisher::ElectionProgress::kAboutToEnd
                    : elections.any()     ? Publisher::ElectionProgress::kUnderWay
                                          : Publisher::ElectionProgress::kNone);
  } while (!is_settled());
  // A trial changes nothing, and a nameserver that has come up must not keep a finished election
  // from being published (SAFETY 3).
  if (stand_back.has_lease()) refusals.look();
  records.flush();
  journal.flush();
  reserving.look();
}

// SAFETY 16: no partition's data may end every daemon in turn. What goes in circles goes on with
// the next event; the simulation takes this for a fault.
void Brain::Parts::give_up_settling() {
  const std::string where = states.name_of_first();
  outbox.note(Severity::kError, "settle",
              "decisions about " + where + " went in circles for " + std::to_string(kMostRounds) +
                  " rounds; they go on with the next event",
              {{"partition", where}});
}

// Where the parts say which partitions are worth another look.
std::array<std::set<PartitionKey>*, 12> Brain::Parts::news() {
  return {&tables.changed,   &takeover.changed,  &monitor.changed,       &publisher.changed,
          &refusals.changed, &cleanup.changed,   &copies.changed,        &reconciliation.changed,
          &orders.changed,   &handovers.changed, &data_recovery.changed, &edits.changed};
}

void Brain::Parts::collect() {
  for (std::set<PartitionKey>* changed : news()) states.mark(std::exchange(*changed, {}));
  for (const PartitionKey at : std::exchange(elections.ended, {})) states.mark(at);
  for (const PartitionKey at : std::exchange(elections.holds_changed, {})) states.mark(at);
  for (const Operations::Ended& ended : std::exchange(operations.ended, {})) {
    states.mark(ended.at);
    treatments.op_ended(ended);
  }
}

bool Brain::Parts::is_settled() {
  const auto parts = news();
  return !states.any_marked() &&
         std::all_of(parts.begin(), parts.end(), [](const auto* p) { return p->empty(); }) &&
         elections.ended.empty() && elections.holds_changed.empty() && operations.ended.empty() &&
         outbox.withheld.empty();
}

}  // namespace failoverd::core
