#include "lib/core/repair/shadow.h"

#include <algorithm>
#include <utility>

#include "lib/core/cluster/standing.h"
#include "lib/core/repair/states.h"
#include "lib/core/repair/treatments.h"

namespace failoverd::core {
namespace {

// The row that led: alone alive as leader, or dead since.
const Replica* led(const Partition& p) {
  if (const Replica* leader = p.leader()) return leader;
  const auto row = std::ranges::find_if(p.replicas, &Replica::is_leader);
  return row == p.replicas.end() ? nullptr : &*row;
}

std::optional<std::uint64_t> beyond(std::optional<Offset> leader, std::optional<Offset> follower) {
  if (!leader || !follower) return std::nullopt;
  return *leader > *follower ? *leader - *follower : 0;
}

}  // namespace

void Shadow::look(PartitionKey at, const Partition& p) {
  const Condition condition = p.diagnosis.condition;
  const auto open = open_.find(at);
  if (elects(condition)) {
    if (open == open_.end()) begins(at, p);
    return;
  }
  // What is not known for sure is neither lost nor led.
  const bool is_clear = condition != Condition::kUncertain && condition != Condition::kNoCandidate;
  if (open != open_.end() && is_clear && p.leader()) {
    ends(at, p, open->second);
    open_.erase(open);
  }
  const char* what = would_do(condition);
  std::string text = what ? std::string{what} + " of " + model_.name_of(at) : "";
  if (std::exchange(said_[at], text) == text || text.empty()) return;
  outbox_.note(Severity::kInfo, "shadow", "would " + text + ": " + p.diagnosis.text());
}

void Shadow::begins(PartitionKey at, const Partition& p) {
  ShadowFailover one;
  one.number = ++last_number_;
  one.at = at;
  one.partition = model_.name_of(at);
  one.why = p.diagnosis.text();
  one.decided = outbox_.now;
  one.lost = outbox_.now;
  Open open{one.number, std::nullopt};
  const Replica* leader = led(p);
  if (leader) {
    const Tablet& tablet = model_.tablet(leader->tablet);
    one.leader = tablet.endpoint;
    if (tablet.first_sign) one.lost = std::min(*tablet.first_sign, outbox_.now);
    open.leader_offset = model_.known_offset(at, *leader);
  }
  std::optional<Offset> best;
  for (const Replica& r : p.replicas) {
    if (&r == leader || !r.is_alive || model_.tablet(r.tablet).verdict.dead()) continue;
    const auto offset = model_.known_offset(at, r);
    if (!one.candidate.empty() && offset <= best) continue;
    best = offset;
    one.candidate = model_.tablet(r.tablet).endpoint;
  }
  one.would_lose = beyond(open.leader_offset, best);
  outbox_.note(Severity::kWarning, "shadow",
               "would begin an election of " + one.partition +
                   (one.candidate.empty() ? ", which nobody could win yet"
                                          : ", in which " + one.candidate + " holds most") +
                   ": " + one.why,
               {{"partition", one.partition}});
  open_[at] = open;
  failovers_.push_back(std::move(one));
  if (failovers_.size() > kKept) failovers_.pop_front();
}

void Shadow::ends(PartitionKey at, const Partition& p, const Open& open) {
  ShadowFailover* one = find(open.number);
  if (!one) return;
  one->led = outbox_.now;
  one->led_by = model_.tablet(p.leader()->tablet).endpoint;
  one->term = p.published_term();
  const bool is_another = one->led_by != one->leader;
  if (is_another && !p.terms.empty()) {
    const Offset first = p.terms.back().offset;
    one->lost_entries = beyond(open.leader_offset, first > 0 ? first - 1 : 0);
  } else if (!is_another) {
    one->lost_entries = 0;
  }
  outbox_.note(Severity::kInfo, "shadow",
               model_.name_of(at) + " is led by " + one->led_by + " again, " +
                   std::to_string((*one->led - one->decided).count() / 1000) +
                   " ms after failoverd would have begun",
               {{"partition", one->partition}});
}

ShadowFailover* Shadow::find(std::uint64_t number) {
  const auto found = std::ranges::find(failovers_, number, &ShadowFailover::number);
  return found == failovers_.end() ? nullptr : &*found;
}

}  // namespace failoverd::core
