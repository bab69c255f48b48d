// When the next write of one kind may go: after one that failed not at once, and what is gathered
// when its time has come. A timer's step flushes, like every step. Owned by whoever writes.
#pragma once

#include <optional>

#include "lib/core/api/outbox.h"
#include "lib/core/api/timing.h"

namespace failoverd::core {

class WritePace {
 public:
  WritePace(Outbox& outbox, ReplyTo::Owner owner) : outbox_(outbox), owner_(owner) {}

  void stop() {
    not_before_.reset();
    armed_for_.reset();
  }
  bool may_write() const { return !not_before_ || outbox_.now >= *not_before_; }
  // The last one failed, or its answer was lost: asked again at once, a connection that is down
  // would be asked without end.
  void failed(Duration pause = kWriteAgain) {
    not_before_ = outbox_.now + pause;
    outbox_.timer({owner_, 0, 0, 0, {}}, *not_before_);
  }
  // There is to be a step then.
  void look_at(Instant when) {
    const bool armed = armed_for_ && outbox_.now < *armed_for_ && *armed_for_ <= when;
    if (armed) return;
    armed_for_ = when;
    outbox_.timer({owner_, 0, 0, 0, {}}, when);
  }

 private:
  Outbox& outbox_;
  const ReplyTo::Owner owner_;
  std::optional<Instant> not_before_;
  std::optional<Instant> armed_for_;  // The next timer of look_at().
};

}  // namespace failoverd::core
