// What predecessors left: the elections that they began and did not publish.
#include <algorithm>

#include "lib/core/rooms.h"

namespace failoverd::core {

// What predecessors began and did not publish (SAFETY 3, 5). A partition that is not there is known
// to be gone only when every table has been read: until then its record stays, and waits.
void Brain::Rooms::recall() {
  if (!cluster_read) return;
  std::vector<PartitionKey> settled;
  std::erase_if(recalled_, [&](const BegunElection& begun) {
    Partition* p = model.partition(begun.at);
    if (!p && !model.unreadable().empty()) return false;
    if (!p || !remember(*p, begun)) settled.push_back(begun.at);
    dirty_.insert(begun.at);
    return true;
  });
  for (const PartitionKey at : settled) {
    const Partition* p = model.partition(at);
    if (!p || !p->begun_term) records.done(at);  // Another record may tell of a later election.
  }
}

// False: it has been published, nothing of it is left to be done.
bool Brain::Rooms::remember(Partition& p, const BegunElection& begun) {
  const bool published = std::any_of(p.terms.begin(), p.terms.end(),
                                     [&](const TermPair& t) { return t.term >= begun.probe_term; });
  if (published || p.replicas.size() == 1) return false;  // An only replica fences nobody.
  p.begun_term = std::max(p.begun_term.value_or(0), begun.probe_term);
  p.begun_restart = p.begun_restart || begun.restart;
  p.saw(begun.probe_term);
  for (const MayLead& m : begun.may_lead) {
    p.saw(m.term);
    const auto tablet = model.find_tablet(m.endpoint);
    if (Replica* r = tablet ? p.on(*tablet) : nullptr) {
      r->may_lead_term = m.term;
      r->may_lead_offset = m.offset;
    }
  }
  return true;
}

}  // namespace failoverd::core
