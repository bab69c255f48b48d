// A question to a nameserver, as what keeps metadata through one asks it. The daemon asks over a
// real connection; the simulation's nameserver is asked in memory.
#pragma once

#include <functional>
#include <string>

#include "lib/base/time.h"

namespace failoverd::fedb {

struct NameserverReply {
  bool answered = false;  // `payload` is the method's response.
  bool sent = false;      // It may have been carried out, answered or not (SAFETY 17).
  std::string payload;
  std::string text;  // Why it was not answered.
};

class NameserverCalls {
 public:
  using Done = std::function<void(const NameserverReply&)>;
  virtual ~NameserverCalls() = default;

  // Asks whoever listens at `endpoint`: many at a time over one connection, carried out in the
  // order of asking. `done` is called once, never before this returns. Nothing is asked again.
  virtual void call(const std::string& endpoint, const std::string& method, std::string request,
                    Duration deadline, Done done) = 0;
};

}  // namespace failoverd::fedb
