#include "lib/core/cluster/lying_rows.h"

#include <algorithm>

#include "lib/core/cluster/history.h"

namespace failoverd::core {
namespace {

// What recoverdata found on its disk before it was loaded; null: it has not looked, or there was no
// snapshot.
const Found* snapshot_of(const Replica& r) {
  return r.found && !r.found->in_memory && r.found->offset > 0 ? &*r.found : nullptr;
}

// It was sent entries of the term that is published last.
bool has_latest_term(const Partition& p, const Replica& r) {
  const Found* snapshot = snapshot_of(r);
  return snapshot && snapshot->term == p.published_term();
}

// Of all rows, whom each followed last.
class Rows {
 public:
  Rows(const Model& model, PartitionKey at, const Partition& p) : model_(model), at_(at), p_(p) {
    bool any_unknown = false;
    for (const Replica& r : p.replicas) {
      any_alive_ = any_alive_ || r.is_alive;
      somebody_has_latest_ = somebody_has_latest_ || has_latest_term(p, r);
      latest_ = std::max(latest_, followed(r));
      any_unknown = any_unknown || followed(r) == 0;
    }
    if (any_unknown) latest_ = p.published_term();
  }

  LyingRows lying() const {
    LyingRows lying;
    int led = 0;           // Rows of those that may have led last.
    bool all_have = true;  // And each of them is known to hold that term.
    for (const Replica& r : p_.replicas) {
      if (r.is_leader && !is_stale(r)) {
        ++led;
        all_have = all_have && (has_latest_term(p_, r) || followed(r) == p_.published_term());
      }
      const bool is_last_leader = r.is_leader && kept(r) == 0 && !is_stale(r);
      if (!r.is_alive && (any_alive_ ? is_last_leader : !is_stale(r))) {
        lying.set_alive.push_back(r.tablet);
      }
    }
    // The log of one that led before another parts from that one's, and may be longer.
    if (led > 1 && (any_alive_ || !all_have)) {
      lying.set_alive.clear();
      if (!any_alive_) {
        lying.why_left = "several rows say that they led, and nobody knows which did last";
      }
    } else if (!any_alive_) {
      lying.why_left = why_longest_is_doubtful(lying.set_alive);
      if (!lying.why_left.empty()) lying.set_alive.clear();
    }
    return lying;
  }

 private:
  // The published term whose leader it is known to have followed last; 0: not known.
  Term kept(const Replica& r) const {
    const Lineage* kept = model_.kept(at_, model_.tablet(r.tablet).endpoint);
    return kept && !kept->or_later ? kept->followed : 0;
  }
  // The same by what it says itself: one that has not restarted has a term, and no later one.
  Term followed(const Replica& r) const {
    if (const Term known = kept(r)) return known;
    const bool says = r.found && r.found->in_memory && r.found->term < p_.published_term();
    return says ? r.found->term : 0;
  }
  bool is_stale(const Replica& r) const {
    if (followed(r) != 0 && followed(r) < latest_) return true;
    return kept(r) == 0 && somebody_has_latest_ && has_parted(p_, r);
  }

  // The longest log leads. It must not be one of which its own snapshot says that it is not the
  // partition's.
  std::string why_longest_is_doubtful(const std::vector<TabletIndex>& rows) const {
    const Replica* longest = nullptr;
    const Replica* newer = nullptr;
    for (const Replica& r : p_.replicas) {
      if (std::find(rows.begin(), rows.end(), r.tablet) == rows.end()) continue;
      if (!longest || r.report.offset > longest->report.offset) longest = &r;
      if (is_newer_than_rows(p_, r)) newer = &r;
    }
    if (!longest) return "";
    const auto name = [&](const Replica& r) { return model_.tablet(r.tablet).endpoint; };
    if (has_parted(p_, *longest)) {
      return name(*longest) +
             " holds most, and its snapshot is not of the history that the rows name";
    }
    if (newer && !is_newer_than_rows(p_, *longest)) {
      return name(*longest) + " holds most, and the snapshot of " + name(*newer) +
             " is of a later term, which the rows do not know";
    }
    return "";
  }

  const Model& model_;
  const PartitionKey at_;
  const Partition& p_;
  Term latest_ = 0;
  bool any_alive_ = false;
  bool somebody_has_latest_ = false;
};

}  // namespace

namespace {

// The pairs that say where their term began. Others are lower bounds: SAFETY 8.
std::vector<TermPair> exact(const std::vector<TermPair>& history) {
  std::vector<TermPair> pairs;
  for (const TermPair& t : history) {
    const bool is_bound = !pairs.empty() && t.offset <= pairs.back().offset;
    if (!is_bound) pairs.push_back(t);
  }
  return pairs;
}

}  // namespace

bool has_parted(const Partition& p, const Replica& r) {
  const Found* snapshot = snapshot_of(r);
  return snapshot && snapshot->term != 0 &&
         snapshot->term < term_at(snapshot->offset, exact(p.terms));
}

bool is_newer_than_rows(const Partition& p, const Replica& r) {
  const Found* snapshot = snapshot_of(r);
  return snapshot && snapshot->term > p.published_term();
}

LyingRows lying_rows(const Model& model, PartitionKey at, const Partition& p) {
  if (p.replicas.size() < 2 || p.leader()) return {};
  return Rows(model, at, p).lying();
}

}  // namespace failoverd::core
