// A part of the brain that asks tablets, or sets timers: whatever comes back is passed on to it.
#pragma once

#include "lib/core/api/event.h"
#include "lib/core/api/outbox.h"

namespace failoverd::core {

class Asker {
 public:
  virtual ~Asker() = default;
  virtual void answered(const ReplyTo&, const Answer&) {}
  virtual void timer(const ReplyTo&) {}
};

}  // namespace failoverd::core
