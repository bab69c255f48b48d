#include "daemon/ctl/wait.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>

#include "daemon/ctl/interrupt.h"
#include "daemon/ctl/output.h"
#include "daemon/ctl/table.h"

namespace failoverd::ctl {
namespace {

constexpr auto kShortest = std::chrono::milliseconds(50);
constexpr auto kLongest = std::chrono::milliseconds(500);
// Longer than another daemon needs to take over.
constexpr int kTriesUntold = 120;

constexpr char kGoOn[] =
    "\nthe ops go on: `failoverctl showopstatus` shows them, `failoverctl cancelop ID` cancels "
    "one\n";

// Shows lines where the last ones stood.
class Screen {
 public:
  void show(const std::vector<std::string>& lines) {
    std::string out = erased();
    for (const std::string& line : lines) out += line + "\n";
    lines_ = lines.size();
    print(out);
  }
  void clear() { show({}); }

  static bool is_there() { return ::isatty(STDOUT_FILENO) != 0; }
  static std::size_t width() { return size().ws_col; }
  static std::size_t height() { return size().ws_row; }

 private:
  std::string erased() const {
    return lines_ == 0 ? "" : "\r\x1b[" + std::to_string(lines_) + "A\x1b[J";
  }
  static winsize size() {
    winsize found{};
    ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &found);
    if (found.ws_row < 4 || found.ws_col < 20) found = {24, 80, 0, 0};
    return found;
  }

  std::size_t lines_ = 0;
};

// Asks the active daemon, which may change meanwhile.
class Listing {
 public:
  Listing(Servers& servers, std::uint64_t after)
      : servers_(servers), path_("/api/v1/ops?after=" + std::to_string(after)) {}

  // Nothing: nobody tells now, and it is worth asking again.
  Result<std::optional<std::vector<ListedOp>>> ask() {
    const auto answer = servers_.get(path_);
    const std::string trouble = !answer                     ? answer.error().text
                                : answer->status != 200     ? why(*answer)
                                : answer->role == "standby" ? standbys_view(*answer)
                                                            : "";
    if (trouble.empty()) {
      auto listed = listed_ops(answer->body);
      if (!listed) return listed.error();
      untold_ = 0;
      return {boost::system::in_place_value, std::move(*listed)};
    }
    if (++untold_ == kTriesUntold) {
      return Failure{trouble + "; the ops go on: failoverctl showopstatus shows them"};
    }
    if (untold_ == 1) {
      std::fprintf(stderr, "%s\n", printable(trouble + "; goes on trying").c_str());
    }
    servers_.choose_anew();
    return {boost::system::in_place_value, std::nullopt};
  }

 private:
  Servers& servers_;
  const std::string path_;
  int untold_ = 0;
};

void print_lines(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  if (!out.empty()) print(out);
}

}  // namespace

Result<void> wait_for(Servers& servers, WatchedOps& ops, bool quiet) {
  explain_ctrl_c(kGoOn);
  Listing listing(servers, ops.after());
  Screen screen;
  const bool in_place = !quiet && Screen::is_there();
  auto pause = kShortest;
  while (!ops.have_ended()) {
    const auto listed = listing.ask();
    if (!listed) return listed.error();
    if (*listed) {
      ops.take(**listed);
      if (in_place) screen.show(ops.view(Screen::height() - 2, Screen::width() - 1));
      if (!in_place && !quiet) print_lines(ops.news());
      if (ops.have_ended()) break;
    }
    // This program has nothing else to do meanwhile, and the daemon is not to be kept busy.
    std::this_thread::sleep_for(pause);
    pause = *listed ? std::min(2 * pause, kLongest) : kLongest;
  }
  if (in_place) {
    screen.clear();
    print_lines(ops.outcomes());
  }
  return {};
}

}  // namespace failoverd::ctl
