// A client that watches one table's znode and reads it whenever it changes, until it is as wanted.
// Owned by a measurement; the cluster's loop runs it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "tests/bench/figures.h"
#include "tests/minitablet/testkit/znodes.h"

namespace failoverd::bench {

class TableWatch {
 public:
  using Wanted = std::function<bool(const fedb::TableInfo&)>;

  TableWatch(testkit::Znodes& znodes, const std::string& table, Wanted wanted)
      : znodes_{znodes},
        path_{znodes.path("table/table_data/") + table},
        wanted_{std::move(wanted)} {
    read();
  }

  bool done() const { return done_.has_value(); }
  Clock::time_point when() const { return *done_; }

 private:
  void read() {
    znodes_.session().get(
        path_,
        [this](zookeeper::Code code, const std::string& bytes, const zookeeper::Stat&) {
          fedb::TableInfo table;
          if (code != zookeeper::Code::kOk || !table.ParseFromString(bytes)) return;
          if (!done_ && wanted_(table)) done_ = Clock::now();
        },
        [this] {
          if (!done_) read();
        });
  }

  testkit::Znodes& znodes_;
  const std::string path_;
  const Wanted wanted_;
  std::optional<Clock::time_point> done_;
};

}  // namespace failoverd::bench
