// The part of the monitor that takes a tablet's word: whose process it is that answers (SAFETY 21),
// and what it says of each replica.
#include <algorithm>
#include <utility>

#include "lib/core/cluster/standing.h"
#include "lib/core/detection/tablet_monitor.h"

namespace failoverd::core {
namespace {

// Ten times what the fastest cluster has been seen to take into one partition.
constexpr Offset kMostPutsPerSecond = 10'000'000;

}  // namespace

// --- Whose process answers -----------------------------------------------------------------------

// Whoever listens there next may be another one.
void TabletMonitor::lost_sight(TabletIndex i) {
  Tablet& t = model_.tablet(i);
  t.report_fresh = false;
  t.identity = Identity::kUnheard;
  t.named_ours = false;
  if (!t.first_sign) t.first_sign = outbox_.now;
  // What is held without a gap is not known any more (SAFETY 6).
  for (const PartitionKey key : t.hosts) {
    if (Replica* r = model_.partition(key)->on(i)) r->report.held_since.reset();
  }
}

bool TabletMonitor::asked_who_it_is(const ReplyTo& reply_to) {
  return reply_to.owner == ReplyTo::Owner::kStatus ||
         (reply_to.owner == ReplyTo::Owner::kTabletMonitor && reply_to.what != kWitness);
}

// What a connection of its own brought says who listens there now, not who is at the other end of
// ours.
bool TabletMonitor::came_over_our_connection(const ReplyTo& reply_to) {
  return reply_to.owner != ReplyTo::Owner::kTabletMonitor || reply_to.what != kCheck;
}

void TabletMonitor::names_others(TabletIndex i) {
  if (!running_) return;
  model_.tablet(i).identity = Identity::kUnheard;
  to_ask_.insert(i);
}

// Comes before the answer counts as a sign of life, and before any of its words.
void TabletMonitor::identify(TabletIndex i, const ReplyTo& reply_to, const Answer& answer) {
  Tablet& t = model_.tablet(i);
  const Holdings held = holdings_of(model_, answer);
  const bool ours = came_over_our_connection(reply_to);
  t.named_ours = t.named_ours || (ours && held.ours);
  asking(i).names_others = held.others;
  look_at_znode(i, held);
  const Identity was = t.identity;
  const Identity now = t.znode_vouches() ? Identity::kOurs : identity_of(model_, held);
  const std::string stranger = now == Identity::kStranger ? held.text : "";
  if (stranger != t.evidence.stranger) to_judge_.insert(i);
  t.evidence.stranger = stranger;
  if (ours) t.identity = now;
  if (t.identity != was) mark_partitions(i);
}

// A process that dies leaves its znode behind until its session ends, and an address that anybody
// may take. The znode is not the one of a process that lacks all that was held under it, or that
// names other tables and has never named one of ours.
void TabletMonitor::look_at_znode(TabletIndex i, const Holdings& held) {
  Tablet& t = model_.tablet(i);
  if (!t.evidence.registered || t.outlived == t.incarnation) return;
  if (held.ours) t.evidence.stale_since.reset();
  if (t.named_ours) return;
  const bool lost_it = !t.report_fresh && t.held_under == t.incarnation;
  // Of a table that no row names somebody may just have been told; rarely one that lacks its rows.
  const bool names_unknown = held.unknown && !t.hosts.empty() && model_.knows_every_table();
  if (!held.ours && (lost_it || held.others || names_unknown)) znode_may_be_stale(i);
}

void TabletMonitor::znode_may_be_stale(TabletIndex i) {
  Tablet& t = model_.tablet(i);
  if (!t.evidence.registered || t.evidence.stale_since) return;
  t.evidence.stale_since = outbox_.now;
  to_judge_.insert(i);
  mark_partitions(i);
}

// So it is the one of a process that lives, and that process is ours.
void TabletMonitor::znode_outlives_its_session(TabletIndex i) {
  Tablet& t = model_.tablet(i);
  t.evidence.stale_since.reset();
  t.evidence.stranger.clear();
  t.outlived = t.incarnation;
  to_judge_.insert(i);
  mark_partitions(i);
}

// What is said of this replica, if it is ours. A table of another name is not, whatever the znode
// says: its offset and its mode mean nothing here.
const ReplicaStatus* TabletMonitor::ours(TabletIndex i, PartitionKey key, Replica& r,
                                         const ReplicaStatus* said) {
  const Tablet& t = model_.tablet(i);
  const Table& table = *model_.table(key.tid);
  const bool same =
      said && (said->name == table.shape.name || (said->name.empty() && t.znode_vouches()));
  const std::string other = !said || same ? "" : said->name.empty() ? "?" : said->name;
  if (other != r.report.other && !other.empty() && t.znode_vouches()) {
    outbox_.note(Severity::kError, "table",
                 t.endpoint + " holds table \"" + other + "\" under the tid of " +
                     model_.name_of(key) + ": that replica is left alone",
                 {{"tablet", t.endpoint}, {"partition", model_.name_of(key)}});
  }
  r.report.other = other;
  return same && t.evidence.stranger.empty() ? said : nullptr;
}

// --- What it holds -------------------------------------------------------------------------------

void TabletMonitor::take_reports(TabletIndex i, const Answer& answer, Instant asked_at) {
  Tablet& t = model_.tablet(i);
  std::vector<const ReplicaStatus*> said;
  said.reserve(answer.replicas.size());
  for (const ReplicaStatus& r : answer.replicas) said.push_back(&r);
  std::sort(said.begin(), said.end(), [](const auto* a, const auto* b) { return a->at < b->at; });
  for (const PartitionKey key : t.hosts) {
    const auto found = std::lower_bound(said.begin(), said.end(), key,
                                        [](const auto* a, PartitionKey k) { return a->at < k; });
    const bool held = found != said.end() && (*found)->at == key;
    set_report(i, key, held ? *found : nullptr, asked_at);
  }
  const bool first = !std::exchange(t.report_fresh, true);
  if (first) mark_partitions(i);
  const bool well = t.verdict.state == TabletState::kHealthy && t.evidence.registered;
  if (well) t.first_sign.reset();  // It was only the connection.
  const bool lacks = lacks_everything(t, i);
  if (lacks != t.evidence.lacks_what_it_held) {
    t.evidence.lacks_what_it_held = lacks;
    to_judge_.insert(i);
  }
  const bool holds = std::any_of(t.hosts.begin(), t.hosts.end(), [&](PartitionKey key) {
    const Replica* r = model_.partition(key)->on(i);
    return r && r->report.held;
  });
  if (holds && t.evidence.registered) t.held_under = t.incarnation;
  if (!holds && !first) t.held_under = 0;  // It let go of everything while it was watched.
  if (!holds) return;
  verdict_was_wrong(i, "the same process answers");
}

// A log that grows faster than anybody can put: it is said, and looked at by people. What is
// elected by, a probe asks anew.
void TabletMonitor::look_at_jump(TabletIndex i, PartitionKey key, const Replica& r, Offset offset) {
  const ReplicaReport& report = r.report;
  if (!report.heard_at || !report.said_at || offset <= report.offset) return;
  const auto seconds = (outbox_.now - *report.said_at) / std::chrono::seconds{1} + 1;
  const Offset more = offset - report.offset;
  if (more <= kMostPutsPerSecond * static_cast<Offset>(seconds)) return;
  const Tablet& t = model_.tablet(i);
  outbox_.note(Severity::kError, "table",
               t.endpoint + " says offset " + std::to_string(offset) + " of " +
                   model_.name_of(key) + ", and said " + std::to_string(report.offset) + " " +
                   std::to_string(seconds) + " s ago: nobody puts so much",
               {{"tablet", t.endpoint}, {"partition", model_.name_of(key)}});
}

void TabletMonitor::set_report(TabletIndex i, PartitionKey key, const ReplicaStatus* said,
                               Instant asked_at) {
  Partition* p = model_.partition(key);
  Replica* r = p ? p->on(i) : nullptr;
  if (!r) return;
  if (r->report.asked_at && *r->report.asked_at > asked_at) {
    const bool counts = said && model_.tablet(i).evidence.stranger.empty();
    if (counts) model_.remember_offset(key, i, *said, asked_at);
    return;
  }
  said = ours(i, key, *r, said);
  ReplicaReport& report = r->report;
  const auto had = report.had;
  bool news = !report.asked_at || report.held != (said != nullptr) ||
              (said && (report.mode != said->mode || report.state != said->state)) ||
              *report.asked_at <= r->row_since;
  if (said) {
    report.mode = said->mode;
    report.state = said->state;
    // While it loads it says 0: what is known of it stays.
    const bool loading = !is_loaded(said->state);
    if (loading) {
      report.held_since.reset();
    } else if (!report.held || !report.held_since) {
      report.held_since = outbox_.now;
    }
    if (!loading && said->offset <= kHighestOffset) {
      look_at_jump(i, key, *r, said->offset);
      if (report.offset != said->offset || !report.asked_at) report.offset_changed_at = outbox_.now;
      model_.took_offset(key, *r, said->offset);
      report.offset = said->offset;
      report.heard_at = asked_at;
      report.said_at = outbox_.now;
    }
    report.record_cnt = said->record_cnt;
    report.record_bytes = said->record_bytes;
    if (said->mode == Mode::kLeader) report.led_until = outbox_.now;
  } else {
    report.held_since.reset();
  }
  news = news || report.had != had;
  report.asked_at = asked_at;
  report.held = said != nullptr;
  const Replica* leader = p->leader();
  const bool still = leader && leader != r && r->is_alive && stands_still(*leader, *r);
  if (news || still || p->diagnosis.condition != Condition::kHealthy) changed.insert(key);
}

bool TabletMonitor::lacks_everything(const Tablet& t, TabletIndex i) const {
  bool any = false;
  for (const PartitionKey key : t.hosts) {
    const Partition* p = model_.partition(key);
    const Replica* r = p ? p->on(i) : nullptr;
    if (!r || !r->report.asked_at || *r->report.asked_at <= r->row_since) continue;
    if (r->report.held) return false;
    any = true;
  }
  // No word since its rows changed: what was known of it still is.
  return any || (t.evidence.lacks_what_it_held && !t.hosts.empty());
}

}  // namespace failoverd::core
