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
// What is not the nameserver's may need somebody who mends it.
constexpr auto kPatience = std::chrono::seconds{30};

struct Keeps {
  bool is_nameservers = false;  // Its ops may take long.
  std::string text;             // Empty: nothing keeps failoverd from acting.
};

Keeps of_switch(const json::object& status) {
  const json::value* ours = status.if_contains("auto_failover");
  const json::value* value =
      ours && ours->is_object() ? ours->get_object().if_contains("value") : nullptr;
  if (value && *value == json::value(false)) return {false, "failoverd's auto_failover is off"};
  return {};
}

// What keeps failoverd from acting. None: not told, or by a standby.
std::optional<Keeps> what_keeps(const Answer& answer) {
  boost::system::error_code error;
  const json::value value = json::parse(answer.body, error);
  if (answer.status != 200 || error || !value.is_object()) return std::nullopt;
  const json::object& status = value.get_object();
  const json::value* acts = status.if_contains("active");
  const json::value* reasons = status.if_contains("stands_back");
  if (!acts || *acts != json::value(true) || !reasons || !reasons->is_array()) return std::nullopt;
  for (const json::value& one : reasons->get_array()) {
    if (!one.is_object()) continue;
    const json::value* reason = one.get_object().if_contains("reason");
    const json::value* text = one.get_object().if_contains("text");
    if (!reason || !reason->is_string() || !text || !text->is_string()) continue;
    const bool is_nameservers = std::string_view{reason->get_string()}.starts_with("nameserver");
    return Keeps{is_nameservers, std::string{text->get_string()}};
  }
  return of_switch(status);
}

}  // namespace

int follow_takeover(Servers& servers) {
  std::string shown;
  auto shown_since = std::chrono::steady_clock::now();
  for (int failures = 0; failures < kMostFailures;) {
    const auto answer = servers.get("/api/v1/status");
    const auto keeps = answer ? what_keeps(*answer) : std::nullopt;
    if (!keeps) {
      ++failures;
      servers.choose_anew();
    } else if (keeps->text.empty()) {
      return print("failoverd acts\n");
    } else if (keeps->text != shown) {
      shown = keeps->text;
      shown_since = std::chrono::steady_clock::now();
      std::fprintf(stderr, "%s\n", printable(shown).c_str());
    } else if (!keeps->is_nameservers &&
               std::chrono::steady_clock::now() - shown_since > kPatience) {
      return fail("failoverd does not act: " + shown);
    }
    // Nothing tells of the end over HTTP, and an answer comes at once: it would be asked in a loop.
    std::this_thread::sleep_for(kBetween);
  }
  return fail("no daemon that acts tells how far it is: see failoverctl status");
}

}  // namespace failoverd::ctl
