// Which daemon to ask. With several servers the active one is found first; a standby that names the
// active one is left for it, once. Owned by the program's run; blocks like http_client.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/ctl/http_client.h"
#include "lib/base/result.h"
#include "lib/base/time.h"

namespace failoverd::ctl {

constexpr Duration kDeadline = std::chrono::seconds(10);

class Servers {
 public:
  // `token` empty: none.
  Servers(std::vector<Url> urls, std::string token);

  // From the active daemon if it can be found, else from a standby, whose view is a little older. A
  // list comes whole, however many pages it has.
  Result<Answer> get(const std::string& path);

  // From the one server that was given, active or not; with several as get().
  Result<Answer> get_here(const std::string& path);

  // From each server that was given, and from the active one if that is another.
  std::vector<Result<Answer>> get_all(const std::string& path) const;

  // With several servers: the next call looks for the active one anew.
  void choose_anew() { chosen_.reset(); }

  // Only the active one carries commands out; `body` is the JSON object of the arguments.
  Result<Answer> post(const std::string& path, const std::string& body);

  // Whose answers are worth most right now: the active daemon's, else a standby's. Asks anew each
  // time, and waits for no other once one acts; gives its answer to /readyz.
  Result<Answer> find_active() const;

 private:
  Result<Url> choose();
  static Result<Answer> with_all_pages(Answer first);

  const std::vector<Url> urls_;
  const std::string token_;

  std::optional<Url> chosen_;
};

// The rows of another page, behind those of `list`: both are JSON lists.
void append_page(std::string& list, std::string_view page);

// Of an answer that is a standby's, because nothing better was to be had: what to tell the caller,
// one line. Empty: it is the active daemon's.
std::string standbys_view(const Answer& answer);

}  // namespace failoverd::ctl
