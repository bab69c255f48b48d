// What systemd is told of this process: one line of status, when it is ready, reloads or stops, and
// the watchdog's beats. They come from a timer on the loop, so that a loop that hangs is restarted.
// Started by anything else (no NOTIFY_SOCKET in the environment) it says nothing and sets no timer.
// Knows nothing of the cluster: it asks for the line. Owned by main(); one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <string>

namespace failoverd {

class Service {
 public:
  struct State {
    bool ready = false;  // The cluster has been read. Told once: afterwards only the line changes.
    std::string line;    // What it is, or waits for; `systemctl status` shows it.
  };

  // `look` is asked for the state of now, several times a second.
  Service(boost::asio::io_context& io, std::function<State()> look);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  void start();
  // Does the work of a reload, between RELOADING=1 and READY=1. Not told before it is ready:
  // READY=1 then would end a start that has not ended.
  void reload(const std::function<void()>& work);
  // STOPPING=1: the line stays what it says of that.
  void stopping();

 private:
  void look_again();
  void beat();
  bool tell(const std::string& lines) const;

  const bool wanted_;
  const std::function<State()> look_;
  std::chrono::microseconds beat_every_{};  // Zero: no watchdog.
  boost::asio::steady_timer looks_;
  boost::asio::steady_timer beats_;
  bool told_ready_ = false;
  std::string told_line_;
};

}  // namespace failoverd
