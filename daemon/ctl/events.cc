#include "daemon/ctl/events.h"

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <optional>
#include <thread>

#include "daemon/ctl/format.h"
#include "daemon/ctl/table.h"

namespace failoverd::ctl {
namespace {

namespace json = boost::json;

constexpr Duration kSilence = std::chrono::seconds(45);  // The daemon beats every 15 s.
constexpr int kTries = 20;
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

// Prints events and remembers where it is.
class Printer {
 public:
  explicit Printer(const Options& options)
      : json_(options.json), last_(options.since.value_or(0)) {}

  void event(const json::value& value) {
    const json::object& event = value.as_object();
    last_ = event.at("id").to_number<std::uint64_t>();
    print((json_ ? json::serialize(value) : to_line(event)) + "\n");
  }
  std::uint64_t last() const { return last_; }

 private:
  const bool json_;
  std::uint64_t last_;
};

Failure not_understood(const std::exception& error) {
  return Failure{std::string("the daemon's answer is not understood: ") + error.what()};
}

// Cuts a text/event-stream into events.
class StreamReader {
 public:
  explicit StreamReader(Printer& printer) : printer_(printer) {}

  // False: what came is not understood.
  bool take(std::string_view piece) {
    rest_ += piece;
    try {
      for (auto end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n')) {
        if (rest_.starts_with("data: ")) printer_.event(json::parse(rest_.substr(6, end - 6)));
        rest_.erase(0, end + 1);
      }
    } catch (const std::exception& error) {
      failure_ = not_understood(error);
    }
    return !failure_;
  }
  const std::optional<Failure>& failure() const { return failure_; }

 private:
  Printer& printer_;
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

// One connection of --follow, for as long as it lasts.
struct Followed {
  Failure failure;
  bool came = false;     // Something was received.
  bool refused = false;  // There was an answer, and it was no.
  bool final = false;    // Trying again will not help.
};

Followed follow_once(const Url& url, Printer& printer) {
  StreamReader reader(printer);
  Followed followed;
  const Call call{
      "GET", "/api/v1/events/stream", "", {{"Last-Event-ID", std::to_string(printer.last())}}};
  const auto answer = http_stream(url, call, kDeadline, kSilence, [&](std::string_view piece) {
    followed.came = true;
    return reader.take(piece);
  });
  if (!answer) {
    followed.failure = answer.error();
  } else if (reader.failure()) {
    followed = {*reader.failure(), true, false, true};
  } else {
    followed.failure = {"cannot follow the events of " + url.address() + ": " + reason(*answer)};
    followed.refused = !followed.came;
  }
  return followed;
}

// A daemon that is restarted is back in a moment; a follower should not have to notice, not even
// when that happens just after it has read what is kept. One that says no at first is not asked
// again.
Result<void> follow(const Url& url, Printer& printer) {
  Followed followed = follow_once(url, printer);
  const bool again = !followed.refused;
  for (int tries = 0; again && tries < kTries; ++tries) {
    if (followed.came) tries = 0;
    if (followed.final) break;
    std::this_thread::sleep_for(kBetweenTries);
    followed = follow_once(url, printer);
  }
  return followed.failure;
}

// Everything that is kept, page by page.
Result<void> read_kept(const Url& url, std::uint64_t since,
                       const std::function<void(const json::value&)>& take) {
  constexpr std::size_t kPage = 1000;
  for (;;) {
    const std::string path =
        "/api/v1/events?since=" + std::to_string(since) + "&limit=" + std::to_string(kPage);
    const auto answer = http_call(url, {"GET", path, "", {}}, kDeadline);
    if (!answer) return answer.error();
    if (answer->status != 200) {
      return Failure{"cannot get the events of " + url.address() + ": " + reason(*answer)};
    }
    const json::value page = json::parse(answer->body);
    for (const json::value& event : page.as_array()) {
      since = event.at("id").to_number<std::uint64_t>();
      take(event);
    }
    if (page.as_array().size() < kPage) return {};
  }
}

Result<void> print_list(const Url& url, std::uint64_t since) {
  std::string list;
  auto read = read_kept(url, since, [&](const json::value& event) {
    list += (list.empty() ? "\n  " : ",\n  ") + json::serialize(event);
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

Result<void> show_events(Servers& servers, const Options& options) {
  const auto url = servers.choose();
  if (!url) return url.error();
  const std::uint64_t since = options.since.value_or(0);
  try {
    if (options.json && !options.follow) return print_list(*url, since);
    Printer printer(options);
    auto printed = read_kept(*url, since, [&](const auto& event) { printer.event(event); });
    if (!printed || !options.follow) return printed;
    return follow(*url, printer);
  } catch (const std::exception& error) {
    return not_understood(error);
  }
}

}  // namespace failoverd::ctl
