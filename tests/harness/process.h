// A child process of a test: started with arguments, environment and a log file, signalled and
// awaited by its own pid, and ended when this object or the test itself ends, however that ends.
// Owned by the test; used from one thread, the one that started it (the child is told to die with
// that thread).
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/time.h"

namespace failoverd::harness {

class Process {
 public:
  struct Options {
    std::vector<std::string> arguments;  // The first is the program, looked up in PATH.
    std::vector<std::pair<std::string, std::string>> environment = {};  // Added to our own.
    std::filesystem::path log_file = {};           // stdout and stderr, appended; empty: ours.
    std::filesystem::path working_directory = {};  // Empty: ours.
  };

  // Starts it. Throws std::runtime_error when the program cannot be run.
  explicit Process(Options options);
  ~Process();  // SIGKILL if it still runs, then waits for it.
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;

  pid_t pid() const { return pid_; }
  bool running();

  // Sends a signal; nothing once it has ended, so that a reused pid is never hit.
  void kill(int signal);
  void pause();   // SIGSTOP, and returns when it has stopped.
  void resume();  // SIGCONT.

  // Waits for its end: the exit status, or 128 + the signal that ended it; nothing if it still runs
  // when the deadline has passed.
  std::optional<int> wait(Duration deadline);
  // SIGTERM, then SIGKILL if it has not ended by the deadline.
  int stop(Duration deadline = std::chrono::seconds{10});

  // What it has written to its log file so far.
  std::string log() const;

 private:
  void end_now();
  bool reap(bool block);

  Options options_;
  pid_t pid_ = -1;
  int pidfd_ = -1;  // Becomes readable when it ends: waiting needs no polling.
  std::optional<int> status_;
};

}  // namespace failoverd::harness
