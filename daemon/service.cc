#include "daemon/service.h"

#include <systemd/sd-daemon.h>

#include <cstdint>
#include <cstdlib>
#include <utility>

#include "lib/base/utf8.h"

namespace failoverd {
namespace {

constexpr auto kLook = std::chrono::milliseconds{200};

// Assignments are lines: a line break inside one would begin another. And it is shown to people.
std::string status(const std::string& line) { return "STATUS=" + shown_safely(line, ' '); }

std::string monotonic_usec() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

}  // namespace

Service::Service(boost::asio::io_context& io, std::function<State()> look)
    : wanted_(std::getenv("NOTIFY_SOCKET") != nullptr),
      look_(std::move(look)),
      looks_(io),
      beats_(io) {
  std::uint64_t usec = 0;
  if (wanted_ && sd_watchdog_enabled(0, &usec) > 0)
    beat_every_ = std::chrono::microseconds{usec / 2};
}

void Service::start() {
  if (!wanted_) return;
  look_again();
  if (beat_every_.count() > 0) beat();
}

// What could not be sent is sent at the next look: without its READY=1 a start would never end.
void Service::look_again() {
  const State now = look_();
  const bool news = now.ready && !told_ready_;
  if ((news || now.line != told_line_) && tell((news ? "READY=1\n" : "") + status(now.line))) {
    told_ready_ |= news;
    told_line_ = now.line;
  }
  looks_.expires_after(kLook);
  looks_.async_wait([this](const boost::system::error_code& e) {
    if (!e) look_again();
  });
}

// At half of what it may take: one beat may be late.
void Service::beat() {
  tell("WATCHDOG=1");
  beats_.expires_after(beat_every_);
  beats_.async_wait([this](const boost::system::error_code& e) {
    if (!e) beat();
  });
}

void Service::reload(const std::function<void()>& work) {
  if (told_ready_) tell("RELOADING=1\nMONOTONIC_USEC=" + monotonic_usec());
  work();
  if (!told_ready_) return;
  told_line_ = look_().line;
  tell("READY=1\n" + status(told_line_));
}

void Service::stopping() {
  looks_.cancel();
  tell("STOPPING=1\n" + status("gives the lock back"));
}

bool Service::tell(const std::string& lines) const {
  return wanted_ && sd_notify(0, lines.c_str()) > 0;
}

}  // namespace failoverd
