#include "tests/harness/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "lib/base/boot_clock.h"
#include "lib/base/check.h"

extern char** environ;

namespace failoverd::harness {
namespace {

std::vector<std::string> merged_environment(
    const std::vector<std::pair<std::string, std::string>>& added) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    bool replaced = false;
    for (const auto& [name, value] : added) {
      replaced |= text.starts_with(name) && text.substr(name.size()).starts_with('=');
    }
    if (!replaced) all.emplace_back(text);
  }
  for (const auto& [name, value] : added) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

struct Child {
  char* const* arguments;
  char* const* environment;
  const char* working_directory;  // May be null.
  int log_fd;                     // -1: the parent's.
  int error_fd;                   // Closed by exec; carries errno if that fails.
  pid_t parent;
};

// Between fork and exec: only what is safe there.
[[noreturn]] void become(const Child& child) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const bool orphan = getppid() != child.parent;  // The parent died before prctl.
  if (child.log_fd >= 0) {
    dup2(child.log_fd, STDOUT_FILENO);
    dup2(child.log_fd, STDERR_FILENO);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (!orphan && (child.working_directory == nullptr || chdir(child.working_directory) == 0)) {
    execvpe(child.arguments[0], child.arguments, child.environment);
  }
  const int error = errno;
  [[maybe_unused]] const ssize_t written = write(child.error_fd, &error, sizeof error);
  _exit(127);
}

}  // namespace

Process::Process(Options options) : options_(std::move(options)) {
  CHECK(!options_.arguments.empty());
  std::vector<std::string> arguments = options_.arguments;
  std::vector<std::string> environment = merged_environment(options_.environment);
  const std::vector<char*> argv = pointers(arguments);
  const std::vector<char*> envp = pointers(environment);
  const auto fail = [this](const char* what, int error) {
    throw std::runtime_error(options_.arguments[0] + ": " + what + ": " + strerror(error));
  };

  int log_fd = -1;
  if (!options_.log_file.empty()) {
    log_fd = open(options_.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log_fd < 0) fail(options_.log_file.c_str(), errno);
  }
  int error_pipe[2];
  if (pipe2(error_pipe, O_CLOEXEC) != 0) fail("pipe", errno);

  const std::string& directory = options_.working_directory.native();
  const Child child{argv.data(), envp.data(),   directory.empty() ? nullptr : directory.c_str(),
                    log_fd,      error_pipe[1], getpid()};
  pid_ = fork();
  if (pid_ == 0) become(child);
  const int fork_error = errno;
  close(error_pipe[1]);
  if (log_fd >= 0) close(log_fd);
  int error = 0;
  const ssize_t got = pid_ < 0 ? 0 : read(error_pipe[0], &error, sizeof error);
  close(error_pipe[0]);
  if (pid_ < 0) fail("fork", fork_error);
  if (got == sizeof error) {
    waitpid(pid_, nullptr, 0);
    fail("cannot be run", error);
  }
  // glibc 2.36 declares pidfd_open in a way that C++ cannot link.
  pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (pidfd_ < 0) {
    const int pidfd_error = errno;
    end_now();
    fail("pidfd_open", pidfd_error);
  }
}

Process::~Process() { end_now(); }

Process::Process(Process&& other) noexcept
    : options_(std::move(other.options_)),
      pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::exchange(other.pidfd_, -1)),
      status_(std::exchange(other.status_, std::nullopt)) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    end_now();
    options_ = std::move(other.options_);
    pid_ = std::exchange(other.pid_, -1);
    pidfd_ = std::exchange(other.pidfd_, -1);
    status_ = std::exchange(other.status_, std::nullopt);
  }
  return *this;
}

void Process::end_now() {
  if (pid_ > 0 && !status_) {
    ::kill(pid_, SIGKILL);
    reap(true);
  }
  if (pidfd_ >= 0) close(pidfd_);
  pidfd_ = -1;
}

bool Process::reap(bool block) {
  if (status_ || pid_ <= 0) return true;
  int status = 0;
  pid_t got = 0;
  do {
    got = waitpid(pid_, &status, block ? 0 : WNOHANG);
  } while (got < 0 && errno == EINTR);
  if (got != pid_) return false;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

bool Process::running() { return !reap(false); }

void Process::kill(int signal) {
  if (running()) ::kill(pid_, signal);
}

void Process::pause() {
  if (!running()) return;
  ::kill(pid_, SIGSTOP);
  siginfo_t info{};
  waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WEXITED | WNOWAIT);
}

void Process::resume() { kill(SIGCONT); }

std::optional<int> Process::wait(Duration deadline) {
  const Instant until = boot_now() + deadline;
  while (running()) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - boot_now()).count();
    if (left <= 0) return std::nullopt;
    pollfd ended{pidfd_, POLLIN, 0};
    poll(&ended, 1, static_cast<int>(left));
  }
  return status_;
}

int Process::stop(Duration deadline) {
  kill(SIGTERM);
  if (const std::optional<int> status = wait(deadline)) return *status;
  kill(SIGKILL);
  reap(true);
  return *status_;
}

std::string Process::log() const {
  std::ifstream file{options_.log_file};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace failoverd::harness
