// All that one election knows of one tablet: what it said in this round of probing, and what is
// remembered of it over all rounds. Owned by the election.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "lib/core/cluster/model.h"

namespace failoverd::core {

// What a candidate has said to this round's probe.
enum class Heard : std::uint8_t {
  kNothing,  // Asked, no answer yet, or an answer that counts as none.
  kOffset,   // Answered it.
  kEmpty,    // Holds nothing (100).
  kUnfit,    // Holds less than it did.
};

// Forgotten when the next round begins.
struct Candidacy {
  bool stands = false;  // It is a candidate: its row is alive, and its tablet not gone.
  Heard heard = Heard::kNothing;
  Offset offset = 0;
  bool asked = false;             // A call to it is under way.
  bool not_told = false;          // The latest was not let out, or a stranger may have answered.
  bool dead = false;              // Its tablet, when we last looked.
  bool demoted = false;           // It led until this election told it to follow.
  std::optional<Offset> reading;  // Of its latest probe; it counts when it reads the same again.
  Instant read_at;
  std::optional<Instant> not_before;  // Is not asked again until then.
  bool continuous = false;     // It has followed without a restart since its leader was seen.
  bool checked = false;        // GetTermPair has said that it follows.
  bool loaded = false;         // It had to be loaded, and is.
  bool sent_to = false;        // Whoever was told to lead was told to send to it.
  std::optional<Offset> read;  // Before any probe: what it says that it holds.
};

// A term that somebody led with, or may have, and that is not published.
struct Led {
  Term term = 0;
  std::optional<Offset> before;  // Its last offset before that term, if anybody noted it.
  bool carried_out = false;      // It said so itself.
};

struct Participant : Candidacy {
  TabletIndex tablet = 0;
  std::vector<Led> led;
  // What GetTermPair said before this election probed it: whom it followed.
  std::optional<Term> said;
  std::optional<Instant> answered_at;  // A probe: from then on it is waited for (SAFETY 2).
  bool served = false;                 // Said itself that it led: it had not restarted.
  // SAFETY 6: nobody has followed without a restart, so those that hold nothing load.
  bool had_to_load = false;
  std::optional<Instant> load_told;  // When it said that it loads.
  bool unloadable = false;           // It has nothing to load.
  bool refuses_to_load = false;      // LoadTable's code does not say that there is nothing.
  bool unfit_is_said = false;
  int refused_to_lead = 0;  // Code 105, or no answer.
  // SAFETY 20: it was known to hold what nobody else does, and is waited for since then: once,
  // however often it comes and goes.
  std::optional<Instant> lost_since;

  void begin_round() { static_cast<Candidacy&>(*this) = {}; }
  bool has_led(Term term) const {
    return std::any_of(led.begin(), led.end(), [&](const Led& l) { return l.term == term; });
  }
};

}  // namespace failoverd::core
