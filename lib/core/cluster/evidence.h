// What was seen of a tablet, and what it is worth by that: data of the model. TabletMonitor
// collects the evidence, judge() makes the verdict of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lib/core/api/types.h"

namespace failoverd::core {

// To the process that was last heard on the tablet's address.
enum class Connection : std::uint8_t {
  kNone,     // Not made yet.
  kStands,   // An answer has come over it, and it has not ended since.
  kClosed,   // By its side: the process has ended, or has closed it.
  kReset,    // As kClosed, or somebody in between has done it.
  kGivenUp,  // It timed out, or we closed it: nobody has said that it ended.
};

struct Evidence {
  bool registered = false;     // Its znode is there.
  bool ever_answered = false;  // An RPC was answered since this daemon watches it.
  // The latest answer; questions that were asked later and are open since `unanswered_since`.
  std::optional<Instant> last_answer;
  std::optional<Instant> unanswered_since;
  // Its port refused: first and latest time since the last answer, with nothing but refusals
  // between.
  std::optional<Instant> refused_first;
  std::optional<Instant> refused_last;
  Connection connection = Connection::kNone;
  bool follower_moves = false;      // A follower's offset rose after the first refusal: no crash.
  bool witnesses_asked = true;      // The followers have been asked, or there are none to ask.
  bool early_allowed = true;        // SAFETY 15: not after a wrong verdict, not in a mass loss.
  bool lacks_what_it_held = false;  // Answers, and its tables are gone.
  std::string came_instead;         // Of an answer to the latest question, if anything did.
  bool nowhere = false;             // Its name is no endpoint: nobody can be asked.
  // What the process that answers says that it holds, if it is none of this cluster's (SAFETY 21).
  std::string stranger;
  // The znode may be that of a process that is gone, and the one that answers another's: since its
  // port refused, or what it held is gone.
  std::optional<Instant> stale_since;
};

struct Verdict {
  TabletState state = TabletState::kUnknown;
  std::string why;
  std::optional<Instant> look_again;  // Nothing new is needed then but time.

  // Its partitions are to be served by others now.
  bool dead() const {
    return state == TabletState::kCrashed || state == TabletState::kLost ||
           state == TabletState::kStranger;
  }
  bool operator==(const Verdict&) const = default;
};

}  // namespace failoverd::core
