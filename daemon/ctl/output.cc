#include "daemon/ctl/output.h"

#include <boost/json.hpp>
#include <cstdio>

#include "daemon/ctl/table.h"

namespace failoverd::ctl {

namespace json = boost::json;

int fail(const std::string& why, int status) {
  std::fprintf(stderr, "%s\n", printable(why).c_str());
  return status;
}

int print(const std::string& text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  return written && std::fflush(stdout) == 0 ? kDone : fail("cannot write to standard output");
}

std::string member(const Answer& answer, const char* key) {
  boost::system::error_code error;
  const json::value value = json::parse(answer.body, error);
  if (error || !value.is_object()) return "";
  const json::value* found = value.get_object().if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
}

std::string why(const Answer& answer) {
  std::string error = member(answer, "error");
  const std::string hint = member(answer, "hint");
  if (error.empty()) {
    error = answer.from.address() + " answered with HTTP status " + std::to_string(answer.status);
  }
  return hint.empty() ? error : error + ": " + hint;
}

}  // namespace failoverd::ctl
