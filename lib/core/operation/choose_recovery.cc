#include "lib/core/operation/choose_recovery.h"

#include <algorithm>

#include "lib/core/cluster/history.h"

namespace failoverd::core {
namespace {

std::string text(std::uint64_t n) { return std::to_string(n); }

// FEDB.md 4.3 to the letter; but what was kept has its say, too: a replica's own term may be its
// leader's since it was fenced or added once (SAFETY 10).
RecoveryPlan by_the_letter(const Findings& f, const std::vector<TermPair>& history) {
  bool fits = matches(f.term, f.offset, history) && f.offset >= f.manifest_offset;
  if (f.followed) {
    const auto end = end_of_term(*f.followed, history);
    fits = fits && *f.followed != 0 && (!end || f.offset < *end);
  }
  std::string why = "(" + text(f.term) + ", " + text(f.offset) + ") " +
                    (fits ? "lies" : "does not lie") +
                    " on the history that the leader still holds";
  if (f.was_in_memory) {
    return {fits ? OpType::kReAddReplicaSimplifyOP : OpType::kReAddReplicaWithDropOP, std::nullopt,
            std::move(why)};
  }
  return {fits ? OpType::kReAddReplicaNoSendOP : OpType::kReAddReplicaOP, std::nullopt,
          std::move(why)};
}

}  // namespace

bool matches(Term term, Offset offset, const std::vector<TermPair>& history) {
  if (history.empty()) return false;
  const auto found = std::find_if(history.begin(), history.end(),
                                  [&](const TermPair& t) { return t.term == term; });
  if (found == history.end()) return false;
  if (offset < found->offset) {
    // Nothing of its own term has reached it yet.
    return offset + 1 == history.back().offset;
  }
  const auto end = end_of_term(term, history);
  return !end || offset < *end;
}

RecoveryPlan choose_recovery(const Findings& f, const std::vector<TermPair>& history) {
  if (f.nothing_on_disk) {
    return {OpType::kReAddReplicaOP, std::nullopt, "it has nothing to load: everything is copied"};
  }
  if (f.had > 0) {
    return {OpType::kReAddReplicaWithDropOP, 0,
            "it came up with nothing, and had offset " + text(f.had) + ": everything is copied"};
  }
  if (!f.binlog_kept) return by_the_letter(f, history);
  const Term followed = f.term_above ? 0 : f.followed.value_or(0);
  if (followed == 0) {
    return {OpType::kReAddReplicaWithDropOP, std::nullopt,
            "nobody knows whom it followed last: everything is copied"};
  }
  const Offset end = end_of_term(followed, history).value_or(f.leader_offset + 1);
  if (f.offset >= end) {
    const std::string until =
        "it followed term " + text(followed) + " to offset " + text(f.offset) + ", and ";
    if (end == 0) {
      return {OpType::kReAddReplicaWithDropOP, std::nullopt,
              until + "nobody knows where the next term began: everything is copied"};
    }
    if (f.or_later) {
      return {OpType::kReAddReplicaWithDropOP, std::nullopt,
              until + "the next term began at " + text(end) +
                  ", unpublished, and it may have followed that: everything is copied"};
    }
    const std::uint64_t lost = f.offset - (end - 1);
    return {OpType::kReAddReplicaWithDropOP, lost,
            until + "the next term began at " + text(end) + ": its log holds " + text(lost) +
                " entries that the partition does not"};
  }
  if (f.offset < f.manifest_offset) {
    return {OpType::kReAddReplicaWithDropOP, 0,
            "it is at offset " + text(f.offset) + ", and the leader's binlog begins behind " +
                text(f.manifest_offset) + ": everything is copied"};
  }
  return {f.was_in_memory ? OpType::kReAddReplicaSimplifyOP : OpType::kReAddReplicaNoSendOP, 0,
          "it followed term " + text(followed) + " to offset " + text(f.offset) +
              ", where the partition goes on: its leader sends what it lacks"};
}

}  // namespace failoverd::core
