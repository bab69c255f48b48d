// Whose process answers on a tablet's address. An address is not an identity (SAFETY 21): tablets
// die, and what is started on their addresses afterwards may belong to another cluster, which
// counts its tids from 1 just the same. The rule stands here once: every call that changes
// something passes why_not_told() on its way out of the core (Outbox::call), and every answer that
// the core goes by passes counts() on its way in (Brain).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lib/core/api/calls.h"
#include "lib/core/api/types.h"

namespace failoverd::core {

class Model;

// What is known of the process at the other end of the connection to a tablet that stands, by the
// latest GetTableStatus that it answered over it. Whoever listens on that address after the
// connection was lost is another one until it has said so itself.
enum class Identity : std::uint8_t {
  kUnheard,   // It has said nothing yet, or no connection stands.
  kOurs,      // Its znode is there, or it names a table of ours under that table's tid and pid.
  kUntold,    // It has no znode, and names nothing by which it could be known.
  kStranger,  // It has no znode, and what it names is not ours.
};

// What a process says that it holds, set beside our tables. The names are all there is: no
// generation's GetTableStatus says a database (golden/: field 12 is the table's name).
struct Holdings {
  bool ours = false;     // A table of ours: its tid, one of its pids, its name.
  bool others = false;   // Under a tid of ours another name, or a pid that our table does not have.
  bool unknown = false;  // Of a tid that is not ours.
  std::string text;      // What is not ours: "theirs/0 (tid 2, leader), ...".
};
Holdings holdings_of(const Model&, const Answer& status);

// Whose it is, if no znode speaks for it.
Identity identity_of(const Model&, const Holdings&);

// Whether an answer over the connection to this tablet is our replica's word: its offset, its mode,
// that it holds nothing. `at`: what the answer is about; none: the whole tablet.
bool counts(const Model&, const Endpoint& tablet, const std::optional<PartitionKey>& at);

// It has said who it is since its connection was made, and not that it is ours: another process, or
// one that cannot be told from another.
bool is_another(const Model&, const Endpoint& tablet, PartitionKey at);

// Why a call that changes something is not let out to this tablet; none: it is. Whom the call makes
// the tablet send to (AddReplica, SendSnapshot, ChangeRole's replicas) must be ours as well.
std::optional<std::string> why_not_told(const Model&, const Endpoint& tablet, const Call&);

}  // namespace failoverd::core
