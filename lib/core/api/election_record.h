// What a daemon leaves in ZooKeeper about the elections it has begun, so that its successor can
// finish them (SAFETY 3, 5, 8): one znode per failover, below <root>/failoverd/elections/.
#pragma once

#include <string>
#include <vector>

#include "lib/core/api/types.h"

namespace failoverd::core {

// A replica that was told to lead, or may have been, with a term that is not published.
struct MayLead {
  Endpoint endpoint;
  Term term = 0;
  Offset offset = 0;  // Its last offset before that term; the term's first entry is offset + 1.
  bool operator==(const MayLead&) const = default;
};

struct BegunElection {
  PartitionKey at;
  Term probe_term = 0;  // Replicas that were probed have it; their old leader is fenced.
  std::vector<MayLead> may_lead;
  bool restart = false;  // Its candidates had to be loaded: SAFETY 6 says whom to wait for.
  bool operator==(const BegunElection&) const = default;
};

struct ElectionRecord {
  std::string name;  // znode name; unique per failover: "<epoch>-<n>".
  std::vector<BegunElection> elections;
  bool operator==(const ElectionRecord&) const = default;
};

std::string to_text(const ElectionRecord&);

}  // namespace failoverd::core
