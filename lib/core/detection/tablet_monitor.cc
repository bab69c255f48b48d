#include "lib/core/detection/tablet_monitor.h"

#include <algorithm>

#include "lib/core/api/timing.h"
#include "lib/core/detection/detector.h"

namespace failoverd::core {
namespace {

constexpr std::size_t kReplicasPerPoll = 30'000;  // More than these, and the interval grows.

Connection after(ConnectionEnd how) {
  switch (how) {
    case ConnectionEnd::kClosed:
      return Connection::kClosed;
    case ConnectionEnd::kReset:
      return Connection::kReset;
    case ConnectionEnd::kOther:
      break;
  }
  return Connection::kGivenUp;
}

}  // namespace

// Ten thousand znodes that nobody answers for, and no row names, cost little: each is asked less
// and less often.
Duration TabletMonitor::next_poll(TabletIndex i) {
  const Tablet& t = model_.tablet(i);
  int& unheard = asking(i).unheard;
  if (t.evidence.ever_answered || !t.hosts.empty()) {
    unheard = 0;
    return poll_interval();
  }
  const Duration pause = kPollEvery * (1 << std::min(unheard, 6));
  ++unheard;
  return std::max(std::min<Duration>(pause, kPollUnheardAtMost), poll_interval());
}

Duration TabletMonitor::poll_interval() const {
  std::size_t replicas = 0;
  for (const auto& [tid, table] : model_.tables()) {
    for (const auto& [pid, p] : table.partitions) replicas += p.replicas.size();
  }
  if (replicas <= kReplicasPerPoll) return kPollEvery;
  return kPollEvery *
         static_cast<std::int64_t>((replicas + kReplicasPerPoll - 1) / kReplicasPerPoll);
}

TabletMonitor::Asking& TabletMonitor::asking(TabletIndex i) {
  if (asking_.size() <= i) asking_.resize(i + 1);
  return asking_[i];
}

// Nobody else is a tablet of this cluster, whatever it was before: it is not asked.
bool TabletMonitor::is_of_cluster(TabletIndex i) const { return model_.tablet(i).is_of_cluster(); }

void TabletMonitor::start() {
  running_ = true;
  asking_.clear();
  for (TabletIndex i = 0; i < model_.tablet_count(); ++i) {
    Tablet& t = model_.tablet(i);
    Evidence before = std::exchange(t.evidence, {});
    t.evidence.registered = before.registered;
    t.evidence.stale_since = before.stale_since;  // Whoever acts, it is the same znode.
    t.report_fresh = false;
    t.identity = Identity::kUnheard;
    t.named_ours = false;
    t.held_under = t.outlived = 0;
    t.early = false;
    t.verdict = {TabletState::kUnknown, "it has not been asked yet", {}};
    t.since = outbox_.now;
    t.first_sign.reset();
    t.dead_since.reset();
    // Nobody has watched it meanwhile (SAFETY 6).
    for (const PartitionKey key : t.hosts) {
      if (Replica* r = model_.partition(key)->on(i)) r->report.held_since.reset();
    }
  }
  tables_changed();
}

void TabletMonitor::stop() {
  running_ = false;
  asking_.clear();
  to_judge_.clear();
  to_ask_.clear();
  changed.clear();
}

void TabletMonitor::tables_changed() {
  if (!running_) return;
  for (TabletIndex i = 0; i < model_.tablet_count(); ++i) {
    if (is_of_cluster(i) && !asking(i).timer_set) poll(i);
  }
}

// What none of its tablets has said anything about is asked at once: a poll may be a second away.
void TabletMonitor::table_was_read(std::uint32_t tid) {
  tables_changed();
  const Table* table = model_.table(tid);
  if (!running_ || !table) return;
  for (const auto& [pid, p] : table->partitions) {
    for (const Replica& r : p.replicas) {
      if (r.report.asked_at) continue;
      to_ask_.insert(r.tablet);
      if (asking(r.tablet).unheard == 0) continue;
      asking(r.tablet).unheard = 0;
      asking(r.tablet).timer_set = false;
      poll(r.tablet);
    }
  }
}

void TabletMonitor::listed(const TabletsListed& list) {
  std::set<TabletIndex> there;
  for (const TabletsListed::Child& child : list.children) {
    const TabletIndex i = model_.tablet_index(child.endpoint);
    there.insert(i);
    Tablet& t = model_.tablet(i);
    t.misspelled = child.misspelled;
    const bool new_process = t.incarnation != child.incarnation && child.startup;
    bool stranger_is_there = false;
    if (t.incarnation != child.incarnation || !t.evidence.registered) {
      to_judge_.insert(i);
      mark_partitions(i);  // What a znode says counts beside the verdict (SAFETY 1).
      if (new_process) t.report_fresh = false;
      t.listed_at = outbox_.now;
      t.evidence.stale_since.reset();
      // Two cannot listen there: a stranger is gone. But one at the other end of a connection that
      // stands is there still, and the znode is that of a process which died before it.
      stranger_is_there = t.identity == Identity::kStranger;
      if (!stranger_is_there) t.evidence.stranger.clear();
      if (running_) check(i);
    }
    t.evidence.registered = true;
    if (stranger_is_there) znode_may_be_stale(i);
    t.incarnation = child.incarnation;
    t.startup = child.startup;
    t.early = false;
  }
  for (TabletIndex i = 0; i < model_.tablet_count(); ++i) {
    Tablet& t = model_.tablet(i);
    if (!t.evidence.registered || there.contains(i)) continue;
    t.evidence.registered = false;
    t.early = false;
    if (!t.first_sign) t.first_sign = outbox_.now;
    to_judge_.insert(i);
    mark_partitions(i);
    if (running_) check(i);
  }
  tables_changed();
}

void TabletMonitor::connection_lost(const ConnectionLost& lost) {
  const auto i = model_.find_tablet(lost.tablet);
  if (!i || !running_) return;
  lost_sight(*i);
  model_.tablet(*i).evidence.connection = after(lost.how);
  to_judge_.insert(*i);
  if (asking(*i).broken >= kQuickLooks) return;
  asking(*i).check_again = asking(*i).check_open;
  check(*i);
}

void TabletMonitor::stalled() {
  for (TabletIndex i = 0; i < model_.tablet_count(); ++i) {
    Evidence& e = model_.tablet(i).evidence;
    if (e.unanswered_since) e.unanswered_since = outbox_.now;
    if (e.last_answer) e.last_answer = outbox_.now;
    if (running_) check(i);
  }
}

void TabletMonitor::poll(TabletIndex i) {
  Asking& a = asking(i);
  Tablet& t = model_.tablet(i);
  if (!a.timer_set) {
    a.timer_set = true;
    a.poll_at = outbox_.now + next_poll(i);
    outbox_.timer({ReplyTo::Owner::kTabletMonitor, i, kPollTimer, i, {}}, a.poll_at);
  }
  // Or is it only the connection? One that was closed is made anew anyway.
  if (t.verdict.state == TabletState::kSuspect && a.broken == 0) check(i);
  ask_for_all(i);
}

// What a tablet holds that no row names concerns nobody: no list is asked for, however long one it
// would give. Tids count from 1.
GetTableStatus TabletMonitor::question(const Tablet& t) {
  return t.hosts.empty() ? GetTableStatus{PartitionKey{0, 0}} : GetTableStatus{};
}

// Over the connection that stands.
void TabletMonitor::ask_for_all(TabletIndex i) {
  Tablet& t = model_.tablet(i);
  if (std::exchange(asking(i).poll_open, true)) return;
  is_asked(i);
  outbox_.call({ReplyTo::Owner::kTabletMonitor, i, kPoll, i, {}}, t.endpoint, question(t),
               kPollDeadline);
}

void TabletMonitor::is_asked(TabletIndex i) {
  Evidence& e = model_.tablet(i).evidence;
  if (!e.unanswered_since) e.unanswered_since = outbox_.now;
  to_judge_.insert(i);
}

void TabletMonitor::check(TabletIndex i) {
  Asking& a = asking(i);
  if (a.check_open || !is_of_cluster(i)) return;
  a.check_open = true;
  is_asked(i);
  outbox_.call({ReplyTo::Owner::kTabletMonitor, i, kCheck, i, {}}, model_.tablet(i).endpoint,
               question(model_.tablet(i)), kCheckDeadline, /*fresh=*/true);
}

void TabletMonitor::check_later(TabletIndex i, Duration after) {
  Asking& a = asking(i);
  if (a.check_timer_set) return;
  a.check_timer_set = true;
  outbox_.timer({ReplyTo::Owner::kTabletMonitor, i, kCheckTimer, i, {}}, outbox_.now + after);
}

void TabletMonitor::timer(const ReplyTo& reply_to) {
  if (!running_) return;
  const auto i = static_cast<TabletIndex>(reply_to.key);
  switch (reply_to.what) {
    case kPollTimer: {
      if (outbox_.now < asking(i).poll_at) return;  // A row has named it meanwhile: sooner.
      asking(i).timer_set = false;
      const Tablet& t = model_.tablet(i);
      to_judge_.insert(i);
      if (is_of_cluster(i)) poll(i);
      // One that goes on refusing was dead, however long its session is.
      const bool refuses =
          t.evidence.refused_last && outbox_.now - *t.evidence.refused_last < kRefusesStill;
      if (t.early && !refuses && t.dead_since && outbox_.now - *t.dead_since > kNoSessionIsLonger) {
        verdict_was_wrong(i, "its znode outlived its session");
      }
      const Duration outlives = asking(i).names_others ? kNoZnodeIsOlder : kNoSessionIsLonger;
      if (t.evidence.stale_since && outbox_.now - *t.evidence.stale_since > outlives) {
        znode_outlives_its_session(i);
      }
      break;
    }
    case kCheckTimer:
      asking(i).check_timer_set = false;
      check(i);
      break;
    default:
      if (asking(i).judge_at && *asking(i).judge_at <= outbox_.now) asking(i).judge_at.reset();
      to_judge_.insert(i);
  }
}

void TabletMonitor::answered(const ReplyTo& reply_to, const Answer& answer) {
  if (!running_) return;
  const auto i = static_cast<TabletIndex>(reply_to.key);  // The upper half: which set of witnesses.
  if (reply_to.what == kWitness) {
    if (reply_to.key >> 32 == asking(i).witnesses.set) witness_answered(i, reply_to, answer);
    return;
  }
  if (reply_to.what == kPoll) asking(i).poll_open = false;
  if (reply_to.what == kCheck) {
    asking(i).check_open = false;
    if (std::exchange(asking(i).check_again, false)) check(i);
  }
  said(i, answer, reply_to.asked_at);
  // Silence on an odd tablet: keep a question open, so that its first word is heard at once. But a
  // znode that nobody was ever heard behind, and no row names, is polled less and less.
  const Tablet& t = model_.tablet(i);
  const bool concerns_somebody = t.evidence.ever_answered || !t.hosts.empty();
  if (reply_to.what == kCheck && answer.transport == Transport::kSilent && concerns_somebody) {
    check_later(i, kCheckAgain);
  }
  // Its port answers, and who is at the other end of our connection has not said so yet.
  if (reply_to.what == kCheck && answer.ok() && model_.tablet(i).identity == Identity::kUnheard) {
    to_ask_.insert(i);
  }
}

void TabletMonitor::said(TabletIndex i, const Answer& answer, Instant asked_at) {
  if (!running_ || !is_of_cluster(i)) return;
  if (answer.ok()) take_reports(i, answer, asked_at);
  look_at_what_came(i, answer, asked_at);
}

void TabletMonitor::heard(TabletIndex i, const ReplyTo& reply_to, const Answer& answer) {
  if (!running_ || !is_of_cluster(i)) return;
  const bool says_who = asked_who_it_is(reply_to);
  if (says_who && answer.ok()) identify(i, reply_to, answer);
  const Tablet& t = model_.tablet(i);
  // SAFETY 21: a stranger's life is not our tablet's, nor is that of a process without a znode that
  // does not say what it holds.
  const bool may_be_ours =
      t.evidence.stranger.empty() && (t.evidence.registered || !says_who || answer.ok());
  if (answer.answered() && came_over_our_connection(reply_to)) {
    model_.tablet(i).evidence.connection = Connection::kStands;
  }
  if (answer.answered() && may_be_ours) lived(i);
  if (answer.transport == Transport::kRefused) refused(i, reply_to.asked_at);
}

void TabletMonitor::lived(TabletIndex i) {
  Tablet& t = model_.tablet(i);
  Evidence& e = t.evidence;
  const bool odd =
      e.refused_first || !e.ever_answered || (t.verdict.state != TabletState::kHealthy);
  e.ever_answered = true;
  e.last_answer = outbox_.now;
  e.unanswered_since.reset();
  forget_refusals(i);
  if (odd) to_judge_.insert(i);
}

void TabletMonitor::forget_refusals(TabletIndex i) {
  Evidence& e = model_.tablet(i).evidence;
  e.refused_first.reset();
  e.refused_last.reset();
  e.follower_moves = false;
  e.witnesses_asked = true;
  asking(i).witnesses = {};
}

void TabletMonitor::refused(TabletIndex i, Instant asked_at) {
  Tablet& t = model_.tablet(i);
  Evidence& e = t.evidence;
  to_judge_.insert(i);
  e.stranger.clear();
  // Whoever answers there next is another process than the one that made the znode, unless it is
  // found to hold what that held.
  if (asked_at >= t.listed_at) {
    t.outlived = 0;
    znode_may_be_stale(i);
  }
  if (!t.first_sign) t.first_sign = outbox_.now;
  if (!e.refused_first) {
    e.refused_first = outbox_.now;
    choose_witnesses(i);
  }
  e.refused_last = outbox_.now;
  const bool again = refused_again(e, outbox_.policy.detection);
  if (asking(i).witnesses.round == 0 || again) ask_witnesses(i);
  if (!again) {
    const Duration after = refuses_again_after(e, outbox_.policy.detection);
    check_later(i, *e.refused_first + after - outbox_.now);
  } else if (e.follower_moves) {
    check_later(i, kSecondRefusalAfter);
  }
}

// SAFETY 15: not for ten minutes after a wrong verdict; and when more tablets than
// guards.max_lost_tablets go at once, the cause may be on our side: wait for the znodes.
bool TabletMonitor::early_allowed(const Tablet& of) const {
  if (of.no_early_until && outbox_.now < *of.no_early_until) return false;
  int known = 0;
  int lost = 0;
  for (TabletIndex i = 0; i < model_.tablet_count(); ++i) {
    const Tablet& t = model_.tablet(i);
    if (is_of_cluster(i)) ++known;
    const bool recently =
        t.dead_since && outbox_.now - *t.dead_since <= outbox_.policy.guards.window;
    if (&t == &of || (t.verdict.dead() && recently)) ++lost;
  }
  return lost <= outbox_.policy.guards.max_lost_tablets.value_or(std::max(2, known / 2));
}

void TabletMonitor::judge_all() {
  if (!running_) {
    to_judge_.clear();
    to_ask_.clear();
    return;
  }
  const std::set<TabletIndex> now = std::exchange(to_judge_, {});
  for (const TabletIndex i : now) judge_one(i);
  // Not before: an open question would say that it has not answered.
  for (const TabletIndex i : std::exchange(to_ask_, {})) ask_for_all(i);
}

void TabletMonitor::judge_one(TabletIndex i) {
  if (!is_of_cluster(i)) return forget(i);
  Tablet& t = model_.tablet(i);
  if (!t.verdict.dead()) t.evidence.early_allowed = early_allowed(t);
  Verdict verdict = judge(t.evidence, outbox_.policy.detection, outbox_.now);
  // One timer at a time: every question asks for one, and every one that fires judges again.
  Asking& a = asking(i);
  if (verdict.look_again && (!a.judge_at || *verdict.look_again < *a.judge_at)) {
    a.judge_at = verdict.look_again;
    outbox_.timer({ReplyTo::Owner::kTabletMonitor, i, kJudgeTimer, i, {}}, *verdict.look_again);
  }
  // A crash that was seen stays seen until the tablet answers; only its reason may improve, and its
  // text says what is seen now.
  const TabletState was = t.verdict.state;
  const bool answers = !t.evidence.unanswered_since && !t.evidence.refused_first;
  const bool is_news =
      verdict.state == TabletState::kCrashed || verdict.state == TabletState::kStranger;
  if (t.verdict.dead() && !answers && !is_news) {
    const bool is_seen = verdict.dead() || verdict.state == TabletState::kSuspect;
    if (is_seen) t.verdict.why = std::move(verdict.why);
    return;
  }
  if (verdict.state == was) {
    t.verdict = std::move(verdict);
    return;
  }
  t.verdict = std::move(verdict);
  t.since = outbox_.now;
  const bool dead = t.verdict.dead();
  if (dead) {
    t.early = t.evidence.registered;
    t.report_fresh = false;
    if (!t.dead_since) t.dead_since = outbox_.now;
  } else {
    t.dead_since.reset();
    if (t.verdict.state == TabletState::kHealthy) t.first_sign.reset();
  }
  if (was != TabletState::kUnknown || t.verdict.state != TabletState::kHealthy) {
    outbox_.note(dead ? Severity::kError : Severity::kInfo, "tablet",
                 "tablet " + t.endpoint + " is " +
                     (t.verdict.state == TabletState::kStranger ? "a " : "") +
                     to_text(t.verdict.state) + ": " + t.verdict.why,
                 {{"tablet", t.endpoint}, {"state", to_text(t.verdict.state)}});
  }
  mark_partitions(i);
}

// Neither znode nor row: nothing that was seen of it counts any more, but for a crash.
void TabletMonitor::forget(TabletIndex i) {
  Tablet& t = model_.tablet(i);
  if (t.verdict.dead() || t.verdict.state == TabletState::kUnknown) return;
  t.evidence = {};
  t.identity = Identity::kUnheard;
  t.named_ours = false;
  t.report_fresh = false;
  t.first_sign.reset();
  t.verdict = {TabletState::kUnknown, "it has no znode, and no row names it", {}};
  t.since = outbox_.now;
  outbox_.note(Severity::kInfo, "tablet", "tablet " + t.endpoint + " is gone: " + t.verdict.why,
               {{"tablet", t.endpoint}});
}

void TabletMonitor::verdict_was_wrong(TabletIndex i, const std::string& how) {
  Tablet& t = model_.tablet(i);
  if (!t.early) return;
  t.early = false;
  t.no_early_until = outbox_.now + kNoEarlyVerdictFor;
  ++needless_;
  outbox_.note(Severity::kWarning, "tablet",
               "the verdict on tablet " + t.endpoint + " was wrong: " + how +
                   "; for 10 minutes a refused port alone does not count there",
               {{"tablet", t.endpoint}});
}

void TabletMonitor::mark_partitions(TabletIndex i) {
  const auto& hosts = model_.tablet(i).hosts;
  changed.insert(hosts.begin(), hosts.end());
}

}  // namespace failoverd::core
