// Runs failoverctl, the program itself, or another one, and takes what it prints. failoverctl lies
// beside this test's own program.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace failoverd::admin {

struct Ran {
  int status = -1;  // Exit status; -1: it had to be killed.
  std::string out;
  std::string err;
};

// A program that runs; killed by its pid if it still does at the end.
class RunningProgram {
 public:
  // `in`: its standard input, such as a terminal; without it there is nothing to read.
  explicit RunningProgram(const std::vector<std::string>& arguments,
                          const std::map<std::string, std::string>& environment = {}, int in = -1)
      : RunningProgram(
            Program{std::filesystem::read_symlink("/proc/self/exe").parent_path() / "failoverctl"},
            arguments, environment, in) {}
  struct Program {
    std::string path;
  };
  RunningProgram(const Program& program, const std::vector<std::string>& arguments,
                 const std::map<std::string, std::string>& environment, int in) {
    std::array<int, 2> out{};
    std::array<int, 2> err{};
    if (::pipe2(out.data(), O_CLOEXEC) != 0 || ::pipe2(err.data(), O_CLOEXEC) != 0) {
      throw std::runtime_error("pipe");
    }
    std::vector<std::string> words = {program.path};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<std::string> settings = {"TZ=UTC"};
    for (const auto& [name, value] : environment) settings.push_back(name + "=" + value);
    auto argv = pointers(words);
    auto envp = pointers(settings);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(in >= 0 ? in : ::open("/dev/null", O_RDONLY), 0);
      ::dup2(out[1], 1);
      ::dup2(err[1], 2);
      ::execve(words[0].c_str(), argv.data(), envp.data());
      ::_exit(127);
    }
    ::close(out[1]);
    ::close(err[1]);
    out_ = out[0];
    err_ = err[0];
  }
  ~RunningProgram() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(out_);
    ::close(err_);
  }
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;

  // False if the text has not come when the program ended or a long time has passed.
  bool read_until(const std::string& text) { return read_until(ran_.out, text); }
  bool read_error_until(const std::string& text) { return read_until(ran_.err, text); }
  void signal(int number) const { ::kill(pid_, number); }
  const std::string& out() const { return ran_.out; }
  const std::string& err() const { return ran_.err; }

  Ran wait() {
    while (read_some()) {
    }
    if (late_) ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    if (WIFEXITED(status)) ran_.status = WEXITSTATUS(status);
    return ran_;
  }

 private:
  bool read_until(const std::string& stream, const std::string& text) {
    while (stream.find(text) == std::string::npos && read_some()) {
    }
    return stream.find(text) != std::string::npos;
  }
  static std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> all;
    for (std::string& word : words) all.push_back(word.data());
    all.push_back(nullptr);
    return all;
  }
  bool read_some() {
    std::array<pollfd, 2> ready{pollfd{out_open_ ? out_ : -1, POLLIN, 0},
                                pollfd{err_open_ ? err_ : -1, POLLIN, 0}};
    if (!out_open_ && !err_open_) return false;
    if (::poll(ready.data(), ready.size(), 60'000) <= 0) {
      late_ = true;
      return false;
    }
    if (ready[0].revents != 0) out_open_ = take(out_, ran_.out);
    if (ready[1].revents != 0) err_open_ = take(err_, ran_.err);
    return true;
  }
  static bool take(int fd, std::string& into) {
    std::array<char, 65536> piece;
    const auto size = ::read(fd, piece.data(), piece.size());
    if (size > 0) into.append(piece.data(), static_cast<std::size_t>(size));
    return size > 0;
  }

  pid_t pid_ = -1;
  int out_ = -1;
  int err_ = -1;
  bool out_open_ = true;
  bool err_open_ = true;
  bool late_ = false;
  Ran ran_;
};

inline Ran failoverctl(const std::vector<std::string>& arguments,
                       const std::map<std::string, std::string>& environment = {}) {
  return RunningProgram(arguments, environment).wait();
}

inline Ran run_program(const std::string& path, const std::vector<std::string>& arguments) {
  return RunningProgram(RunningProgram::Program{path}, arguments, {}, -1).wait();
}

}  // namespace failoverd::admin
