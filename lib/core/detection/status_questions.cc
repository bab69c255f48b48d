#include "lib/core/detection/status_questions.h"

#include <algorithm>
#include <utility>

#include "lib/core/api/timing.h"

namespace failoverd::core {
namespace {

// A tablet is asked at most this many times as often as it is polled, whoever wants to see it.
constexpr int kTimesPolling = 20;

}  // namespace

void StatusQuestions::stop() {
  running_ = false;
  questions_.clear();
  for (const auto& [id, waiting] : std::exchange(waiting_, {})) show(id);
}

void StatusQuestions::asked(const StatusAsked& e) {
  // Only the active daemon asks tablets.
  std::set<TabletIndex> tablets = running_ ? tablets_with(e.tids) : std::set<TabletIndex>{};
  if (tablets.empty()) return show(e.id);
  waiting_[e.id] = {++last_serial_, tablets};
  outbox_.timer({ReplyTo::Owner::kStatus, e.id, kShowTimer, 0, {}}, outbox_.now + kShowAtMost);
  for (const TabletIndex i : tablets) ask(i);
}

// A dead tablet would only refuse or hold everybody up; a port that belongs to something else is
// left in peace.
bool StatusQuestions::is_worth_asking(TabletIndex i) const {
  const Tablet& t = model_.tablet(i);
  return !t.verdict.dead() && !t.evidence.nowhere && t.evidence.came_instead.empty();
}

std::set<TabletIndex> StatusQuestions::tablets_with(const std::vector<std::uint32_t>& tids) const {
  std::set<TabletIndex> tablets;
  for (const std::uint32_t tid : tids) {
    const Table* table = model_.table(tid);
    if (!table) continue;
    for (const auto& [pid, p] : table->partitions) {
      for (const Replica& r : p.replicas) {
        if (is_worth_asking(r.tablet)) tablets.insert(r.tablet);
      }
    }
  }
  return tablets;
}

bool StatusQuestions::is_waited_for(TabletIndex i) const {
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [&](const auto& w) { return w.second.for_tablets.contains(i); });
}

// At once if that may be, else when the open question is answered or its turn has come.
void StatusQuestions::ask(TabletIndex i) {
  Question& q = questions_[i];
  if (q.open || q.timer_set) return;
  const Instant turn = q.at ? *q.at + monitor_.poll_interval() / kTimesPolling : outbox_.now;
  if (turn > outbox_.now) {
    q.timer_set = true;
    outbox_.timer({ReplyTo::Owner::kStatus, i, kAskTimer, i, {}}, turn);
    return;
  }
  q = {true, false, last_serial_, outbox_.now};
  monitor_.is_asked(i);
  outbox_.call({ReplyTo::Owner::kStatus, i, kQuestion, i, {}}, model_.tablet(i).endpoint,
               GetTableStatus{}, kPollDeadline);
}

void StatusQuestions::answered(const ReplyTo& reply_to, const Answer& answer) {
  const auto i = static_cast<TabletIndex>(reply_to.key);
  // The monitor hears of a connection that broke by itself, and counts how often its own questions
  // meet one: ours would make it give up looking sooner.
  const bool is_broken =
      answer.transport == Transport::kBroken || answer.transport == Transport::kGarbled;
  if (!is_broken) monitor_.said(i, answer, reply_to.asked_at);
  Question& q = questions_[i];
  q.open = false;
  std::vector<RequestId> have_all;
  for (auto& [id, waiting] : waiting_) {
    if (waiting.serial > q.serial) continue;  // Asked after the question was sent.
    waiting.for_tablets.erase(i);
    if (waiting.for_tablets.empty()) have_all.push_back(id);
  }
  for (const RequestId id : have_all) show(id);
  if (is_waited_for(i)) ask(i);
}

void StatusQuestions::timer(const ReplyTo& reply_to) {
  if (reply_to.what == kShowTimer) {
    if (waiting_.contains(reply_to.key)) show(reply_to.key);
    return;
  }
  const auto i = static_cast<TabletIndex>(reply_to.key);
  questions_[i].timer_set = false;
  if (is_waited_for(i)) ask(i);
}

void StatusQuestions::show(RequestId id) {
  waiting_.erase(id);
  outbox_.out.emplace_back(ShowStatus{id});
}

}  // namespace failoverd::core
