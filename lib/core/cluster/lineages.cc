// The model: what is known of replicas beyond their tablets' last word: whom they have followed,
// and how far they were (SAFETY 1, 2, 6).
#include <algorithm>

#include "lib/core/cluster/model.h"

namespace failoverd::core {

std::optional<Offset> Model::known_offset(PartitionKey at, const Replica& r) const {
  const Lineage* of = kept(at, tablet(r.tablet).endpoint);
  std::optional<Offset> known = of ? of->last_offset : std::nullopt;
  if (r.report.heard_at) known = std::max(known.value_or(0), r.report.offset);
  if (r.report.had) known = std::max(known.value_or(0), *r.report.had);
  return known;
}

void Model::took_offset(PartitionKey at, Replica& r, Offset offset) const {
  if (offset > 0) {
    r.report.had.reset();
    if (r.stuck && r.stuck->reason == kLostDisk) r.stuck.reset();
  } else if (const auto known = known_offset(at, r); known && *known > 0) {
    r.report.had = known;
  }
}

std::optional<Offset> Model::came_up_empty(PartitionKey at, TabletIndex tablet) {
  Partition* p = partition(at);
  Replica* r = p ? p->on(tablet) : nullptr;
  if (!r || r->report.offset > 0) return std::nullopt;
  // Whoever led last began behind what all of them held.
  const Offset begun = p->terms.empty() ? 0 : p->terms.back().offset;
  if (!r->report.had && r->is_alive && begun > 1) r->report.had = begun - 1;
  return r->report.had;
}

// An alive row has followed the published leader, or been it; one that may have led otherwise has a
// history of its own.
Lineage Model::lineage_of(PartitionKey at, const Partition& p, const Replica& r) const {
  Lineage of;
  of.endpoint = tablet(r.tablet).endpoint;
  of.followed = p.published_term();
  if (const Lineage* known = r.vouches() ? nullptr : kept(at, of.endpoint)) {
    // It is as it was: its row was alive by an operator's word only. That is kept until it is known
    // whom it follows: through a nameserver what is kept is written before the row.
    of = *known;
  }
  if (r.in_doubt_term || r.diverged) of.followed = 0;
  if (r.report.heard_at) of.last_offset = std::max(r.report.offset, r.report.had.value_or(0));
  return of;
}

// One that followed the leader that was published last, or was it, may lack what came later, and
// holds nothing else. Of one of which nothing is kept that is known only while it leads.
Lineage Model::lineage_by_hand(PartitionKey at, const Partition& p, const Replica& r) const {
  Lineage of;
  of.endpoint = tablet(r.tablet).endpoint;
  bool has_followed = r.is_leader && r.report.held && r.report.mode == Mode::kLeader;
  if (const Lineage* known = kept(at, of.endpoint)) {
    of = *known;
    has_followed = of.followed == p.published_term() && !of.or_later && !of.by_hand;
  }
  of.by_hand = (!has_followed || r.in_doubt_term) && p.replicas.size() > 1;
  return of;
}

void Model::remember_offset(PartitionKey at, TabletIndex tablet, const ReplicaStatus& status,
                            Instant asked_at) {
  Partition* p = partition(at);
  Replica* r = p ? p->on(tablet) : nullptr;
  if (!r || !is_loaded(status.state) || status.offset > kHighestOffset) return;
  if (!status.name.empty() && status.name != table(at.tid)->shape.name) return;  // SAFETY 21.
  // A later question told. A process that was stopped takes them in any order: what it says to an
  // earlier one may be more, and so much it had.
  const bool late = r->report.heard_at && *r->report.heard_at >= asked_at;
  if (late && status.offset <= r->report.offset) return;
  if (r->report.offset != status.offset)
    r->report.offset_changed_at = std::max(r->report.offset_changed_at, asked_at);
  if (!late) took_offset(at, *r, status.offset);
  r->report.offset = status.offset;
  if (!late) r->report.heard_at = asked_at;
  r->report.said_at.reset();
}

void Model::heard_offset(PartitionKey at, TabletIndex tablet, Offset offset, Instant asked_at) {
  Partition* p = partition(at);
  Replica* r = p ? p->on(tablet) : nullptr;
  if (!r || offset <= r->report.offset || offset > kHighestOffset) return;
  r->report.offset_changed_at = asked_at;
  r->report.offset = offset;
  r->report.heard_at = asked_at;
  r->report.said_at.reset();
}

}  // namespace failoverd::core
