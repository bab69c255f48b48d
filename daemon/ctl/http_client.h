// HTTP calls to failoverd: one at a time or to several daemons at once, each with a deadline; and
// event streams. Blocks the caller, who is a person waiting for an answer. A failure is one line
// that names the address. Beast stays in http_client.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/result.h"
#include "lib/base/time.h"

namespace failoverd::ctl {

// http://host:port without a path; the scheme may be left out. Or unix:/path, a unix socket.
struct Url {
  std::string host;  // "localhost" of a socket.
  std::string port;
  std::string socket = {};  // The path; empty: none.

  std::string address() const;  // "host:port", or "unix:/path".
  bool operator==(const Url&) const = default;
};

Result<Url> parse_url(const std::string& text);

struct Call {
  std::string method = "GET";
  std::string path;  // With query, encoded.
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

struct Answer {
  unsigned status = 0;
  std::string body;
  std::string role;         // Failoverd-Role: active or standby; empty if it did not say.
  std::string active;       // Failoverd-Active: the active one's address; may be empty.
  std::string active_name;  // Failoverd-Active-Name: the same for its name, HOST:PORT.
  std::string next;         // Of a list that was cut: the path that goes on, from its Link.
  bool is_busy = false;     // 503 with Retry-After: it may be asked again.
  std::string process;      // Failoverd-Process: whose event ids these are; may be empty.
  Url from;
};

// A daemon that is too busy (Answer::is_busy) is asked again each second, five times in all; each
// time has the whole deadline. The last answer is given.
Result<Answer> http_call(const Url& url, const Call& call, Duration deadline);

// In the order of the urls. Once an answer `is_enough` the others are not waited for.
std::vector<Result<Answer>> http_call_all(const std::vector<Url>& urls, const Call& call,
                                          Duration deadline,
                                          const std::function<bool(const Answer&)>& is_enough = {});

// Gives what comes, piece by piece, with the answer's head, until the other side ends it, nothing
// came for `silence`, or `take` returns false, which alone is no failure. An answer other than 200
// is returned whole.
using Take = std::function<bool(const Answer&, std::string_view)>;
Result<Answer> http_stream(const Url& url, const Call& call, Duration deadline, Duration silence,
                           const Take& take);

}  // namespace failoverd::ctl
