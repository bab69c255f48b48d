// A table whose change ZooKeeper does not take, or is not believed to take (SAFETY 22). Plain
// values; who decides by them is refusals.h.
#pragma once

#include <cstdint>
#include <string>

#include "lib/base/time.h"

namespace failoverd::core {

// The label values of failoverd_tables_left_alone{reason}.
enum class RefusalReason : std::uint8_t {
  kTooLarge,  // "too_large": its publish is longer than a request that the servers take.
  kNoAuth,    // "no_auth": its znode's ACL lets us read only.
  kOther,     // "refused": a quota, or whatever else a server says.
};
const char* to_text(RefusalReason);

// ZooKeeper's answer to a change of one table.
struct Refused {
  std::string znode;  // The table's.
  RefusalReason reason{};
  std::string why;  // In ZooKeeper's own word: "no auth"; with whose, if not the table's znode.
  bool is_kept = false;  // It is about what is kept of its replicas (failoverd/replicas/<tid>).
};

// It stands until a trial has shown that ZooKeeper takes the table.
struct Refusal {
  RefusalReason reason{};
  std::string why;
  bool is_kept = false;
  bool is_known = false;  // False: only suspected; a trial that is under way will tell.
  Instant since;
  Instant tried_at;  // The last trial was sent then, if there was one.
};

}  // namespace failoverd::core
