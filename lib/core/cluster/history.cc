#include "lib/core/cluster/history.h"

#include <algorithm>

namespace failoverd::core {

std::optional<Offset> end_of_term(Term term, const std::vector<TermPair>& history) {
  std::optional<Offset> end;
  for (const TermPair& t : history) {
    if (t.term > term) end = std::min(end.value_or(t.offset), t.offset);
  }
  return end;
}

Term term_at(Offset offset, const std::vector<TermPair>& history) {
  Term at = 0;
  for (const TermPair& t : history) {
    if (t.offset <= offset) at = std::max(at, t.term);
  }
  return at;
}

std::optional<Offset> agrees_to(const Model& model, PartitionKey at, const Partition& p,
                                TabletIndex tablet, Offset offset) {
  const Lineage* kept = model.kept(at, model.tablet(tablet).endpoint);
  if (!kept || kept->followed == 0) return std::nullopt;
  const auto end = end_of_term(kept->followed, p.terms);
  if (end && *end == 0) return std::nullopt;  // Of a later term nobody knew where it began.
  return end ? std::min(offset, std::max<Offset>(*end, 1) - 1) : offset;
}

}  // namespace failoverd::core
