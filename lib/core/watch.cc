#include "lib/core/watch.h"

#include <algorithm>

#include "lib/base/check.h"
#include "lib/core/diagnosis.h"

namespace failoverd::core {
namespace {

constexpr Duration kPollEvery = std::chrono::seconds{1};
constexpr std::size_t kReplicasPerPoll = 30'000;  // More than these, and the interval grows.
constexpr Duration kPollDeadline = std::chrono::seconds{3};
constexpr Duration kCheckDeadline = std::chrono::seconds{1};
constexpr Duration kLookAgain = std::chrono::milliseconds{200};
// A znode that is there so long after an early verdict was not waiting for its session to end.
constexpr Duration kNoSessionIsLonger = std::chrono::seconds{60};

}  // namespace

Duration Watch::poll_interval() const {
  std::size_t replicas = 0;
  for (const auto& [tid, table] : model_.tables()) {
    for (const auto& [pid, p] : table.partitions) replicas += p.replicas.size();
  }
  if (replicas <= kReplicasPerPoll) return kPollEvery;
  return kPollEvery *
         static_cast<std::int64_t>((replicas + kReplicasPerPoll - 1) / kReplicasPerPoll);
}

Watch::Asking& Watch::asking(TabletIndex i) {
  if (asking_.size() <= i) asking_.resize(i + 1);
  return asking_[i];
}

// Nobody else is a tablet of this cluster, whatever it was before: it is not asked.
bool Watch::has_znode_or_row(TabletIndex i) const {
  const Tablet& t = model_.tablet(i);
  return t.evidence.registered || !t.hosts.empty();
}

void Watch::start() {
  running_ = true;
  asking_.clear();
  for (TabletIndex i = 0; i < model_.tablet_count(); ++i) {
    Tablet& t = model_.tablet(i);
    const bool registered = t.evidence.registered;
    t.evidence = Evidence{};
    t.evidence.registered = registered;
    t.word_fresh = false;
    t.early = false;
    t.verdict = {TabletState::kUnknown, "it has not been asked yet", {}};
    t.since = desk_.now;
    t.first_sign.reset();
    t.dead_since.reset();
    // Nobody has watched it meanwhile (SAFETY 6).
    for (const PartitionKey key : t.hosts) {
      if (Replica* r = model_.partition(key)->on(i)) r->word.held_since.reset();
    }
  }
  tables_changed();
}

void Watch::stop() {
  running_ = false;
  asking_.clear();
  to_judge_.clear();
  changed.clear();
}

void Watch::tables_changed() {
  if (!running_) return;
  for (TabletIndex i = 0; i < model_.tablet_count(); ++i) {
    if (has_znode_or_row(i) && !asking(i).timer_set) poll(i);
  }
}

void Watch::listed(const TabletsListed& list) {
  std::set<TabletIndex> there;
  for (const TabletsListed::Child& child : list.children) {
    const TabletIndex i = model_.tablet_index(child.endpoint);
    there.insert(i);
    Tablet& t = model_.tablet(i);
    const bool new_process = t.incarnation != child.incarnation && child.startup;
    if (t.incarnation != child.incarnation || !t.evidence.registered) {
      to_judge_.insert(i);
      mark_partitions(i);  // What a znode says counts beside the verdict (SAFETY 1).
      if (new_process) t.word_fresh = false;
      if (running_) check(i);
    }
    t.evidence.registered = true;
    t.incarnation = child.incarnation;
    t.startup = child.startup;
    t.early = false;
  }
  for (TabletIndex i = 0; i < model_.tablet_count(); ++i) {
    Tablet& t = model_.tablet(i);
    if (!t.evidence.registered || there.contains(i)) continue;
    t.evidence.registered = false;
    t.early = false;
    if (!t.first_sign) t.first_sign = desk_.now;
    to_judge_.insert(i);
    mark_partitions(i);
    if (running_) check(i);
  }
  tables_changed();
}

void Watch::connection_lost(const Endpoint& endpoint) {
  const auto i = model_.find_tablet(endpoint);
  if (!i || !running_) return;
  Tablet& t = model_.tablet(*i);
  t.word_fresh = false;
  if (!t.first_sign) t.first_sign = desk_.now;
  // What is held without a gap is not known any more (SAFETY 6).
  for (const PartitionKey key : t.hosts) {
    if (Replica* r = model_.partition(key)->on(*i)) r->word.held_since.reset();
  }
  if (asking(*i).broken >= kQuickLooks) return;
  asking(*i).check_again = asking(*i).check_open;
  check(*i);
}

void Watch::stalled() {
  for (TabletIndex i = 0; i < model_.tablet_count(); ++i) {
    Evidence& e = model_.tablet(i).evidence;
    if (e.unanswered_since) e.unanswered_since = desk_.now;
    if (e.last_answer) e.last_answer = desk_.now;
    e.refused_first.reset();
    e.refused_last.reset();
    if (running_) check(i);
  }
}

void Watch::poll(TabletIndex i) {
  Asking& a = asking(i);
  if (!a.timer_set) {
    a.timer_set = true;
    desk_.timer({Route::Owner::kWatch, i, kPollTimer, i, {}}, desk_.now + poll_interval());
  }
  Tablet& t = model_.tablet(i);
  // Or is it only the connection? One that was closed is made anew anyway.
  if (t.verdict.state == TabletState::kSuspect && a.broken == 0) check(i);
  if (a.poll_open) return;
  a.poll_open = true;
  is_asked(i);
  desk_.call({Route::Owner::kWatch, i, kPoll, i, {}}, t.endpoint, GetTableStatus{}, kPollDeadline);
}

void Watch::is_asked(TabletIndex i) {
  Evidence& e = model_.tablet(i).evidence;
  if (!e.unanswered_since) e.unanswered_since = desk_.now;
  to_judge_.insert(i);
}

void Watch::check(TabletIndex i) {
  Asking& a = asking(i);
  if (a.check_open || !has_znode_or_row(i)) return;
  a.check_open = true;
  is_asked(i);
  desk_.call({Route::Owner::kWatch, i, kCheck, i, {}}, model_.tablet(i).endpoint, GetTableStatus{},
             kCheckDeadline, /*fresh=*/true);
}

void Watch::check_later(TabletIndex i, Duration after) {
  Asking& a = asking(i);
  if (a.check_timer_set) return;
  a.check_timer_set = true;
  desk_.timer({Route::Owner::kWatch, i, kCheckTimer, i, {}}, desk_.now + after);
}

void Watch::timer(const Route& route) {
  if (!running_) return;
  const auto i = static_cast<TabletIndex>(route.key);
  switch (route.what) {
    case kPollTimer: {
      asking(i).timer_set = false;
      const Tablet& t = model_.tablet(i);
      to_judge_.insert(i);
      if (has_znode_or_row(i)) poll(i);
      if (t.early && t.dead_since && desk_.now - *t.dead_since > kNoSessionIsLonger) {
        verdict_was_wrong(i, "its znode outlived its session");
      }
      break;
    }
    case kCheckTimer:
      asking(i).check_timer_set = false;
      check(i);
      break;
    default:
      if (asking(i).judge_at && *asking(i).judge_at <= desk_.now) asking(i).judge_at.reset();
      to_judge_.insert(i);
  }
}

void Watch::answered(const Route& route, const Answer& answer) {
  if (!running_) return;
  const auto i = static_cast<TabletIndex>(route.key);  // The upper half: which set of witnesses.
  if (route.what == kWitness) {
    if (route.key >> 32 == asking(i).witnesses.set) witness_answered(i, route, answer);
    return;
  }
  if (route.what == kPoll) asking(i).poll_open = false;
  if (route.what == kCheck) {
    asking(i).check_open = false;
    if (std::exchange(asking(i).check_again, false)) check(i);
  }
  said(i, answer, route.asked_at);
  // Silence on an odd tablet: keep a question open, so that its first word is heard at once.
  if (route.what == kCheck && answer.transport == Transport::kSilent) check_later(i, kLookAgain);
}

void Watch::said(TabletIndex i, const Answer& answer, Instant asked_at) {
  if (!running_ || !has_znode_or_row(i)) return;
  if (answer.ok()) take_words(i, answer, asked_at);
  look_at_what_came(i, answer, asked_at);
}

void Watch::heard(TabletIndex i, const Answer& answer) {
  if (!running_ || !has_znode_or_row(i)) return;
  if (answer.answered()) lived(i);
  if (answer.transport == Transport::kRefused) refused(i);
}

void Watch::lived(TabletIndex i) {
  Tablet& t = model_.tablet(i);
  Evidence& e = t.evidence;
  const bool odd =
      e.refused_first || !e.ever_answered || (t.verdict.state != TabletState::kHealthy);
  e.ever_answered = true;
  e.last_answer = desk_.now;
  e.unanswered_since.reset();
  forget_refusals(i);
  if (odd) to_judge_.insert(i);
}

void Watch::forget_refusals(TabletIndex i) {
  Evidence& e = model_.tablet(i).evidence;
  e.refused_first.reset();
  e.refused_last.reset();
  e.follower_moves = false;
  e.witnesses_asked = true;
  asking(i).witnesses = {};
}

void Watch::refused(TabletIndex i) {
  Tablet& t = model_.tablet(i);
  Evidence& e = t.evidence;
  to_judge_.insert(i);
  if (!t.first_sign) t.first_sign = desk_.now;
  if (!e.refused_first) {
    e.refused_first = desk_.now;
    choose_witnesses(i);
  }
  e.refused_last = desk_.now;
  const bool again = *e.refused_last - *e.refused_first >= kSecondRefusalAfter;
  if (asking(i).witnesses.round == 0 || again) ask_witnesses(i);
  if (!again) {
    check_later(i, *e.refused_first + kSecondRefusalAfter - desk_.now);
  } else if (e.follower_moves) {
    check_later(i, kSecondRefusalAfter);
  }
}

void Watch::take_words(TabletIndex i, const Answer& answer, Instant asked_at) {
  Tablet& t = model_.tablet(i);
  std::vector<const ReplicaStatus*> said;
  said.reserve(answer.replicas.size());
  for (const ReplicaStatus& r : answer.replicas) said.push_back(&r);
  std::sort(said.begin(), said.end(), [](const auto* a, const auto* b) { return a->at < b->at; });
  for (const PartitionKey key : t.hosts) {
    const auto found = std::lower_bound(said.begin(), said.end(), key,
                                        [](const auto* a, PartitionKey k) { return a->at < k; });
    const bool held = found != said.end() && (*found)->at == key;
    set_word(i, key, held ? *found : nullptr, asked_at);
  }
  if (!t.word_fresh) mark_partitions(i);
  t.word_fresh = true;
  const bool well = t.verdict.state == TabletState::kHealthy && t.evidence.registered;
  if (well) t.first_sign.reset();  // It was only the connection.
  const bool lacks = lacks_everything(t, i);
  if (lacks != t.evidence.lacks_what_it_held) {
    t.evidence.lacks_what_it_held = lacks;
    to_judge_.insert(i);
  }
  const bool holds = std::any_of(t.hosts.begin(), t.hosts.end(), [&](PartitionKey key) {
    const Replica* r = model_.partition(key)->on(i);
    return r && r->word.held;
  });
  if (holds) verdict_was_wrong(i, "the same process answers");
}

void Watch::set_word(TabletIndex i, PartitionKey key, const ReplicaStatus* said, Instant asked_at) {
  Partition* p = model_.partition(key);
  Replica* r = p ? p->on(i) : nullptr;
  if (!r || (r->word.asked_at && *r->word.asked_at > asked_at)) return;
  Word& word = r->word;
  const bool news = !word.asked_at || word.held != (said != nullptr) ||
                    (said && (word.mode != said->mode || word.state != said->state)) ||
                    *word.asked_at <= r->row_seen_at;
  if (said) {
    word.mode = said->mode;
    word.state = said->state;
    // While it loads it says 0: what is known of it stays.
    const bool loading = !is_loaded(said->state);
    if (loading) {
      word.held_since.reset();
    } else if (!word.held || !word.held_since) {
      word.held_since = desk_.now;
    }
    if (!loading) {
      if (word.offset != said->offset || !word.asked_at) word.moved_at = desk_.now;
      word.offset = said->offset;
      word.heard_at = asked_at;
      word.said_at = desk_.now;
    }
    word.record_cnt = said->record_cnt;
    word.record_bytes = said->record_bytes;
    if (said->mode == Mode::kLeader) word.led_until = desk_.now;
  } else {
    word.held_since.reset();
  }
  word.asked_at = asked_at;
  word.held = said != nullptr;
  const Replica* leader = p->leader();
  const bool still = leader && leader != r && r->is_alive && stands_still(*leader, *r);
  if (news || still || p->diagnosis.condition != Condition::kHealthy) changed.insert(key);
}

bool Watch::lacks_everything(const Tablet& t, TabletIndex i) const {
  bool any = false;
  for (const PartitionKey key : t.hosts) {
    const Partition* p = model_.partition(key);
    const Replica* r = p ? p->on(i) : nullptr;
    if (!r || !r->word.asked_at || *r->word.asked_at <= r->row_seen_at) continue;
    if (r->word.held) return false;
    any = true;
  }
  // No word since its rows changed: what was known of it still is.
  return any || (t.evidence.lacks_what_it_held && !t.hosts.empty());
}

// SAFETY 15: not for ten minutes after a wrong verdict; and when more tablets than
// guards.max_lost_tablets go at once, the cause may be on our side: wait for the znodes.
bool Watch::early_allowed(const Tablet& of) const {
  if (of.no_early_until && desk_.now < *of.no_early_until) return false;
  int known = 0;
  int lost = 0;
  for (TabletIndex i = 0; i < model_.tablet_count(); ++i) {
    const Tablet& t = model_.tablet(i);
    if (has_znode_or_row(i)) ++known;
    const bool recently = t.dead_since && desk_.now - *t.dead_since <= desk_.policy.guards.window;
    if (&t == &of || (t.verdict.dead() && recently)) ++lost;
  }
  return lost <= desk_.policy.guards.max_lost_tablets.value_or(std::max(2, known / 2));
}

void Watch::judge_all() {
  if (!running_) {
    to_judge_.clear();
    return;
  }
  const std::set<TabletIndex> now = std::exchange(to_judge_, {});
  for (const TabletIndex i : now) judge_one(i);
}

void Watch::judge_one(TabletIndex i) {
  if (!has_znode_or_row(i)) return let_go(i);
  Tablet& t = model_.tablet(i);
  if (!t.verdict.dead()) t.evidence.early_allowed = early_allowed(t);
  Verdict verdict = judge(t.evidence, desk_.policy.detection, desk_.now);
  // One timer at a time: every question asks for one, and every one that fires judges again.
  Asking& a = asking(i);
  if (verdict.look_again && (!a.judge_at || *verdict.look_again < *a.judge_at)) {
    a.judge_at = verdict.look_again;
    desk_.timer({Route::Owner::kWatch, i, kJudgeTimer, i, {}}, *verdict.look_again);
  }
  // A crash that was seen stays seen until the tablet answers; only its reason may improve, and its
  // text says what is seen now.
  const TabletState was = t.verdict.state;
  const bool answers = !t.evidence.unanswered_since && !t.evidence.refused_first;
  if (t.verdict.dead() && !answers && verdict.state != TabletState::kCrashed) {
    const bool is_seen = verdict.dead() || verdict.state == TabletState::kSuspect;
    if (is_seen) t.verdict.why = std::move(verdict.why);
    return;
  }
  if (verdict.state == was) {
    t.verdict = std::move(verdict);
    return;
  }
  t.verdict = std::move(verdict);
  t.since = desk_.now;
  const bool dead = t.verdict.dead();
  if (dead) {
    t.early = t.evidence.registered;
    t.word_fresh = false;
    if (!t.dead_since) t.dead_since = desk_.now;
  } else {
    t.dead_since.reset();
    if (t.verdict.state == TabletState::kHealthy) t.first_sign.reset();
  }
  if (was != TabletState::kUnknown || t.verdict.state != TabletState::kHealthy) {
    desk_.note(dead ? Severity::kError : Severity::kInfo, "tablet",
               "tablet " + t.endpoint + " is " + to_text(t.verdict.state) + ": " + t.verdict.why,
               {{"tablet", t.endpoint}, {"state", to_text(t.verdict.state)}});
  }
  mark_partitions(i);
}

// Neither znode nor row: nothing that was seen of it counts any more, but for a crash.
void Watch::let_go(TabletIndex i) {
  Tablet& t = model_.tablet(i);
  if (t.verdict.dead() || t.verdict.state == TabletState::kUnknown) return;
  t.evidence = {};
  t.word_fresh = false;
  t.first_sign.reset();
  t.verdict = {TabletState::kUnknown, "it has no znode, and no row names it", {}};
  t.since = desk_.now;
  desk_.note(Severity::kInfo, "tablet", "tablet " + t.endpoint + " is gone: " + t.verdict.why,
             {{"tablet", t.endpoint}});
}

void Watch::verdict_was_wrong(TabletIndex i, const std::string& how) {
  Tablet& t = model_.tablet(i);
  if (!t.early) return;
  t.early = false;
  t.no_early_until = desk_.now + kNoEarlyVerdictFor;
  ++needless_;
  desk_.note(Severity::kWarning, "tablet",
             "the verdict on tablet " + t.endpoint + " was wrong: " + how +
                 "; for 10 minutes a refused port alone does not count there",
             {{"tablet", t.endpoint}});
}

void Watch::mark_partitions(TabletIndex i) {
  const auto& hosts = model_.tablet(i).hosts;
  changed.insert(hosts.begin(), hosts.end());
}

}  // namespace failoverd::core
