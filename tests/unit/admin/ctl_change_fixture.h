// failoverctl, run against the real HTTP server in front of a made-up daemon, which keeps what it
// is told.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/admin/fake_source.h"
#include "tests/unit/admin/run_program.h"

namespace failoverd::admin {

using Words = std::vector<std::string>;
using Arguments = std::map<std::string, std::string>;

class CtlChangeTest : public testing::Test {
 protected:
  // Answers with this plan, and with these ops unless only the plan is asked for.
  void begins(std::vector<std::uint64_t> ops, std::vector<std::string> plan = {}) {
    served_.source.on_command = [ops, plan](const CommandRequest& request, const auto& done) {
      CommandResult result;
      result.message = request.name + " ok";
      result.plan = plan;
      if (!request.args.contains("plan")) result.ops = ops;
      done(result);
    };
  }
  OpRow op(std::uint64_t id, const std::string& type, const std::string& status) {
    OpRow row;
    row.op_id = id;
    row.op_type = type;
    row.name = "flow";
    row.endpoint = "A";
    row.status = status;
    return row;
  }
  void lists(std::vector<OpRow> rows) {
    served_.on_loop([&] { served_.source.op_rows = std::move(rows); });
  }
  Words line(Words words) const {
    words.insert(words.begin(), {"--server", served_.address()});
    return words;
  }
  Ran run(Words words) { return failoverctl(line(std::move(words))); }
  std::vector<CommandRequest> commands() {
    return served_.on_loop([&] { return std::exchange(served_.source.commands, {}); });
  }

  ServedSource served_;
};

// A terminal that somebody types at.
class Terminal {
 public:
  Terminal() : keyboard_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    ::grantpt(keyboard_);
    ::unlockpt(keyboard_);
    std::array<char, 100> name{};
    ::ptsname_r(keyboard_, name.data(), name.size());
    end_ = ::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  }
  ~Terminal() {
    ::close(keyboard_);
    ::close(end_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  int end() const { return end_; }
  void type(const std::string& line) const {
    EXPECT_EQ(::write(keyboard_, line.data(), line.size()), static_cast<ssize_t>(line.size()));
  }

 private:
  const int keyboard_;
  int end_ = -1;
};

}  // namespace failoverd::admin
