// A question to a nameserver, as what keeps metadata through one asks it. The daemon asks over a
// real connection; the simulation's nameserver is asked in memory.
#pragma once

#include <cstdint>
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

// What it carries: false: it was not answered, or with something else.
template <class Response>
bool read(const NameserverReply& reply, Response& response) {
  return reply.answered && response.ParsePartialFromString(reply.payload) &&
         response.IsInitialized();
}

// Codes that it answers.
inline constexpr std::int32_t kNotLeader = 300;
inline constexpr std::int32_t kAutoFailoverIsOn = 301;
inline constexpr std::int32_t kNotWritten = 304;

// "nameserver N:1 answers 301 auto_failover is enabled", what it said or else what the code means.
inline std::string code_text(const std::string& endpoint, std::int32_t code,
                             const std::string& said) {
  const char* meaning = code == kNotLeader          ? "it does not lead"
                        : code == kAutoFailoverIsOn ? "its auto_failover is on"
                        : code == kNotWritten       ? "it could not write the table's znode"
                                                    : "";
  const std::string what = said.empty() ? meaning : said;
  return "nameserver " + endpoint + " answers " + std::to_string(code) +
         (what.empty() ? "" : ": " + what);
}

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
