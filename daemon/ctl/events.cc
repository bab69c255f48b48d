#include "daemon/ctl/events.h"

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <optional>
#include <thread>

#include "daemon/ctl/format.h"
#include "daemon/ctl/table.h"
#include "lib/base/utf8.h"

namespace failoverd::ctl {
namespace {

namespace json = boost::json;

constexpr Duration kSilence = std::chrono::seconds(45);  // The daemon beats every 15 s.
constexpr int kTriesUntold = 20;
constexpr auto kBetweenTries = std::chrono::milliseconds(500);

std::string to_line(const json::object& event) {
  std::string line = std::to_string(event.at("id").to_number<std::uint64_t>()) + "  " +
                     readable_time(event.at("time").to_number<std::int64_t>()) + "  " +
                     std::string(event.at("severity").as_string()) + "  " +
                     std::string(event.at("text").as_string());
  for (const auto& [key, value] : event.at("fields").as_object()) {
    line += "  " + std::string(key) + "=" + std::string(value.as_string());
  }
  return printable(line);
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void tell(const std::string& line) { std::fprintf(stderr, "%s\n", printable(line).c_str()); }

class Printer {
 public:
  explicit Printer(const Options& options) : json_(options.json) {}

  void event(const json::value& value) const {
    print((json_ ? json_shown_safely(json::serialize(value)) : to_line(value.as_object())) + "\n");
  }

 private:
  const bool json_;
};

Failure not_understood(const std::exception& error) {
  return Failure{std::string("the daemon's answer is not understood: ") + error.what()};
}

// Cuts a text/event-stream into events and prints them.
class StreamReader {
 public:
  explicit StreamReader(const Printer& printer) : printer_(printer) {}

  // `last` becomes the id of the last event. False: what came is not understood.
  bool take(std::string_view piece, std::uint64_t& last) {
    rest_ += piece;
    try {
      for (auto end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n')) {
        if (rest_.starts_with("data: ")) {
          const json::value event = json::parse(rest_.substr(6, end - 6));
          printer_.event(event);
          last = event.at("id").to_number<std::uint64_t>();
        }
        rest_.erase(0, end + 1);
      }
    } catch (const std::exception& error) {
      failure_ = not_understood(error);
    }
    return !failure_;
  }
  const std::optional<Failure>& failure() const { return failure_; }

 private:
  const Printer& printer_;
  std::string rest_;
  std::optional<Failure> failure_;
};

std::string reason(const Answer& answer) {
  boost::system::error_code error;
  const json::value value = json::parse(answer.body, error);
  if (!error && value.is_object() && value.get_object().contains("error")) {
    return std::string(value.at("error").as_string());
  }
  return "HTTP status " + std::to_string(answer.status);
}

// One connection of --follow, for as long as it lasted.
struct Followed {
  Failure failure;       // Why it is over.
  bool came = false;     // Something was received.
  bool refused = false;  // There was an answer, and it was no.
  bool final = false;    // Trying again will not help.
};

// Follows the active daemon, whoever that is, for as long as this program runs: each time a stream
// ends it looks anew who is active. The reader is told, and has nothing to do.
class Follower {
 public:
  Follower(const Servers& servers, const Options& options)
      : servers_(servers), since_(options.since.value_or(0)), printer_(options) {}

  // Returns only when nobody lets it follow to begin with, or when what comes is not understood.
  Result<void> run() {
    bool begun = false;
    for (int failed = 0;; ++failed) {
      const auto daemon = servers_.find_active();
      const Followed followed = daemon ? follow(*daemon) : Followed{daemon.error(), false, true};
      if (followed.final || (followed.refused && !begun)) return followed.failure;
      begun = true;
      if (followed.came) failed = 0;
      if (failed == kTriesUntold) tell(followed.failure.text + "; goes on trying");
      // There is nothing else to do meanwhile, and without a pause a daemon that is away, or ends
      // every stream at once, would be asked without end.
      std::this_thread::sleep_for(kBetweenTries);
    }
  }

 private:
  Followed follow(const Answer& daemon) {
    StreamReader reader(printer_);
    Followed followed;
    const Call call{
        "GET", "/api/v1/events/stream", "", {{"Last-Event-ID", std::to_string(last_of(daemon))}}};
    const auto take = [&](const Answer& stream, std::string_view piece) {
      // Its role has changed, or it was started again, since it was chosen.
      if (stream.role != daemon.role || stream.process != daemon.process) return false;
      if (!std::exchange(followed.came, true)) introduce(daemon);
      return reader.take(piece, last_of(daemon));
    };
    const auto answer = http_stream(daemon.from, call, kDeadline, kSilence, take);
    if (!answer) {
      followed.failure = answer.error();
    } else if (reader.failure()) {
      followed.failure = *reader.failure();
      followed.final = true;
    } else {
      followed.failure = {"cannot follow the events of " + daemon.from.address() + ": " +
                          (answer->status == 200 ? "its role has changed" : reason(*answer))};
      followed.refused = answer->status != 200;
    }
    return followed;
  }

  static std::string process_of(const Answer& daemon) {
    return daemon.process.empty() ? daemon.from.address() : daemon.process;
  }
  // --since is an id of the first one's.
  std::uint64_t& last_of(const Answer& daemon) {
    return last_.try_emplace(process_of(daemon), last_.empty() ? since_ : 0).first->second;
  }

  // Ids count anew with each process, so the reader is told where another one's events begin.
  void introduce(const Answer& daemon) {
    const std::string before = std::exchange(process_, process_of(daemon));
    if (!before.empty() && before != process_) tell("now follows " + daemon.from.address());
    const std::string view = standbys_view(daemon);
    if (std::exchange(view_, view) != view && !view.empty()) tell(view);
  }

  const Servers& servers_;
  const std::uint64_t since_;
  const Printer printer_;

  std::string process_;  // Followed now, or last.
  std::string view_;
  std::map<std::string, std::uint64_t> last_;  // By process: the id of its last event seen.
};

// Everything that is kept, page by page.
Result<void> read_kept(const Url& url, std::uint64_t since,
                       const std::function<void(const json::value&)>& take) {
  for (std::string path = "/api/v1/events?since=" + std::to_string(since); !path.empty();) {
    const auto answer = http_call(url, {"GET", path, "", {}}, kDeadline);
    if (!answer) return answer.error();
    if (answer->status != 200) {
      return Failure{"cannot get the events of " + url.address() + ": " + reason(*answer)};
    }
    const json::value page = json::parse(answer->body);
    for (const json::value& event : page.as_array()) take(event);
    path = answer->next;
  }
  return {};
}

Result<void> print_list(const Url& url, std::uint64_t since) {
  std::string list;
  auto read = read_kept(url, since, [&](const json::value& event) {
    list += (list.empty() ? "\n  " : ",\n  ") + json_shown_safely(json::serialize(event));
  });
  if (read) print("[" + list + (list.empty() ? "]\n" : "\n]\n"));
  return read;
}

}  // namespace

Result<std::string> event_line(const std::string& text) {
  try {
    return {boost::system::in_place_value, to_line(json::parse(text).as_object())};
  } catch (const std::exception& error) {
    return not_understood(error);
  }
}

Result<void> show_events(const Servers& servers, const Options& options) {
  if (options.follow) return Follower(servers, options).run();
  const auto daemon = servers.find_active();
  if (!daemon) return daemon.error();
  if (const std::string view = standbys_view(*daemon); !view.empty()) tell(view);
  const std::uint64_t since = options.since.value_or(0);
  try {
    if (options.json) return print_list(daemon->from, since);
    const Printer printer(options);
    return read_kept(daemon->from, since, [&](const auto& event) { printer.event(event); });
  } catch (const std::exception& error) {
    return not_understood(error);
  }
}

}  // namespace failoverd::ctl
