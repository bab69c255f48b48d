#include "daemon/ctl/steering.h"

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "daemon/ctl/output.h"
#include "daemon/ctl/table.h"

namespace failoverd::ctl {
namespace {

namespace json = boost::json;

constexpr auto kBetween = std::chrono::milliseconds{200};
constexpr int kMostFailures = 50;

// What of the nameserver's keeps failoverd from acting; empty: nothing. None: not told.
std::optional<std::string> what_keeps(const Answer& answer) {
  boost::system::error_code error;
  const json::value value = json::parse(answer.body, error);
  if (answer.status != 200 || error || !value.is_object()) return std::nullopt;
  const json::value* reasons = value.get_object().if_contains("stands_back");
  if (!reasons || !reasons->is_array()) return std::nullopt;
  for (const json::value& one : reasons->get_array()) {
    if (!one.is_object()) continue;
    const json::value* reason = one.get_object().if_contains("reason");
    const json::value* text = one.get_object().if_contains("text");
    if (!reason || !reason->is_string() || !text || !text->is_string()) continue;
    if (std::string_view{reason->get_string()}.starts_with("nameserver")) {
      return std::string{text->get_string()};
    }
  }
  return "";
}

}  // namespace

int follow_takeover(Servers& servers) {
  std::string shown;
  for (int failures = 0; failures < kMostFailures;) {
    const auto answer = servers.get("/api/v1/status");
    const auto keeps = answer ? what_keeps(*answer) : std::nullopt;
    if (!keeps) {
      ++failures;
      servers.choose_anew();
    } else if (keeps->empty()) {
      return print("failoverd acts\n");
    } else if (*keeps != shown) {
      shown = *keeps;
      std::fprintf(stderr, "%s\n", printable(shown).c_str());
    }
    // Nothing tells of the end over HTTP, and an answer comes at once: it would be asked in a loop.
    std::this_thread::sleep_for(kBetween);
  }
  return fail("no daemon tells how far it is: see failoverctl status");
}

}  // namespace failoverd::ctl
