#include "daemon/ctl/data_recovery.h"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>

#include "daemon/ctl/interrupt.h"
#include "daemon/ctl/output.h"
#include "daemon/ctl/table.h"
#include "lib/base/utf8.h"

namespace failoverd::ctl {
namespace {

namespace json = boost::json;

constexpr auto kBetween = std::chrono::milliseconds(200);
// Longer than another daemon needs to take over.
constexpr int kTriesUntold = 60;

constexpr char kGoesOn[] =
    "\nrecoverdata goes on: `failoverctl status` shows what is not healthy yet\n";
constexpr char kOnlyLoads[] =
    "\nnothing was begun but loading, which goes on and harms nothing: followers stay followers\n";

// How far the daemon is, by this part of its status; none: it did not say.
std::optional<json::object> progress(Servers& servers, const char* part) {
  const auto answer = servers.get("/api/v1/status");
  if (!answer || answer->status != 200) return std::nullopt;
  boost::system::error_code error;
  const json::value status = json::parse(answer->body, error);
  if (error || !status.is_object()) return std::nullopt;
  const json::value* found = status.get_object().if_contains(part);
  if (!found || !found->is_object()) return std::nullopt;
  return found->get_object();
}

std::uint64_t number(const json::object& object, const char* key) {
  const json::value* found = object.if_contains(key);
  boost::system::error_code error;
  const auto number = found ? found->to_number<std::uint64_t>(error) : 0;
  return error ? 0 : number;
}

std::string summary(const json::object& state) {
  return std::to_string(number(state, "healthy")) + " of " +
         std::to_string(number(state, "partitions")) + " partitions are healthy";
}

// The sentences below `key`, a line each, and how many more there are by `total`.
std::string listed(const json::object& state, const char* key, const char* total,
                   const std::string& before) {
  std::string text;
  const json::value* lines = state.if_contains(key);
  if (!lines || !lines->is_array()) return text;
  for (const json::value& line : lines->get_array()) {
    if (line.is_string()) text += before + printable(std::string(line.get_string())) + "\n";
  }
  const std::uint64_t all = number(state, total);
  const std::uint64_t shown = lines->get_array().size();
  if (all > shown) text += "... and " + std::to_string(all - shown) + " more\n";
  return text;
}

int finish(const json::object& state, bool as_json) {
  const std::string left = listed(state, "left", "left_total", "left: ");
  print(as_json ? json_shown_safely(json::serialize(state)) + "\n" : summary(state) + "\n" + left);
  return left.empty() ? kDone : fail("not every partition is healthy");
}

}  // namespace

int follow_data_look(Servers& servers) {
  explain_ctrl_c(kOnlyLoads);
  std::string shown;
  std::uint64_t ours = 0;  // Its number; not known yet.
  for (int untold = 0; untold < kTriesUntold; ++untold) {
    if (const auto state = progress(servers, "recoverdata_look")) {
      untold = 0;
      if (ours == 0) ours = number(*state, "number");
      if (ours == 0 || number(*state, "number") != ours) {
        return fail(
            "the look at the data is followed no more: another daemon acts, or somebody has begun "
            "another; nothing was begun but loading: run recoverdata again");
      }
      const std::uint64_t all = number(*state, "replicas");
      const std::uint64_t still = number(*state, "still");
      const std::string now = std::to_string(all - std::min(still, all)) + " of " +
                              std::to_string(all) + " replicas have been looked at";
      if (now != shown) std::fprintf(stderr, "%s\n", now.c_str());
      shown = now;
      if (still == 0) {
        const std::string lines =
            listed(*state, "not_loaded", "not_loaded_total", "not in memory: ");
        std::fputs(lines.c_str(), stderr);
        return kDone;
      }
    }
    std::this_thread::sleep_for(kBetween);
  }
  return fail("no daemon tells how far the look at the data is; nothing was begun but loading");
}

int follow_data_recovery(Servers& servers, const Answer& answer, bool as_json) {
  const std::string message = member(answer, "message");
  if (!as_json) print(printable(message) + "\n");
  boost::system::error_code error;
  const json::value told = json::parse(answer.body, error);
  const json::value* plan =
      error || !told.is_object() ? nullptr : told.get_object().if_contains("plan");
  if (!plan || !plan->is_array() || plan->get_array().empty()) {
    return as_json ? print(json_shown_safely(answer.body)) : kDone;
  }
  explain_ctrl_c(kGoesOn);
  std::string shown;
  std::uint64_t ours = 0;  // Its number; not known yet.
  for (int untold = 0; untold < kTriesUntold; ++untold) {
    const auto state = progress(servers, "recoverdata");
    if (state) {
      untold = 0;
      if (ours == 0) ours = number(*state, "number");
      if (ours == 0 || number(*state, "number") != ours) {
        return fail(
            "it is followed no more: another daemon acts, or somebody has begun another "
            "recoverdata; failoverctl status shows what is not healthy: run recoverdata again");
      }
      if (number(*state, "still") == 0) return finish(*state, as_json);
      if (const std::string now = summary(*state); now != shown) {
        std::fprintf(stderr, "%s\n", now.c_str());
        shown = now;
      }
    }
    // Nothing tells of the end over HTTP, and an answer comes at once: it would be asked in a loop.
    std::this_thread::sleep_for(kBetween);
  }
  return fail("no daemon tells how far it is: failoverctl status shows what is not healthy");
}

}  // namespace failoverd::ctl
