#include "tests/bench/returning.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include "proto/tablet.pb.h"
#include "tests/e2e/recovery.h"

namespace failoverd::bench {
namespace {

constexpr std::size_t kPutsAtOnce = 8;  // More are refused (FEDB.md 3.2).
constexpr std::chrono::seconds kPatience{120};

// Puts rows into the partitions that one tablet leads, in turn.
class Putter {
 public:
  Putter(testkit::Client& client, std::uint32_t tid, std::vector<std::uint32_t> pids,
         std::uint64_t from, std::uint32_t rows, std::uint32_t value_bytes)
      : client_{client},
        tid_{tid},
        pids_{std::move(pids)},
        from_{from},
        wanted_{rows * pids_.size()},
        value_(value_bytes, '.') {
    for (std::size_t i = 0; i < kPutsAtOnce; ++i) put();
  }

  bool done() const { return failed_ || answered_ == wanted_; }
  bool failed() const { return failed_; }

 private:
  void put() {
    if (failed_ || next_ == wanted_) return;
    const std::uint64_t row = from_ + next_ / pids_.size();
    fedb::PutRequest request;
    request.set_tid(tid_);
    request.set_pid(pids_[next_++ % pids_.size()]);
    request.set_pk("row-" + std::to_string(row));
    request.set_time(static_cast<std::int64_t>(row));
    request.set_value(value_);
    client_.ask_async<fedb::PutResponse>("Put", request, [this](const auto& answer) {
      ++answered_;
      if (!answer || answer->code() != 0) failed_ = true;
      put();
    });
  }

  testkit::Client& client_;
  const std::uint32_t tid_;
  const std::vector<std::uint32_t> pids_;
  const std::uint64_t from_;
  const std::size_t wanted_;
  const std::string value_;
  std::size_t next_ = 0;
  std::size_t answered_ = 0;
  bool failed_ = false;
};

struct NodeWatch {
  testkit::Znodes& znodes;
  const std::string endpoint;
  std::optional<Clock::time_point> appeared = {};
};

// Reads nodes/ again whenever it changes, until the tablet is there. The last watch may outlive
// whoever waits.
void look(const std::shared_ptr<NodeWatch>& watch) {
  watch->znodes.session().children(
      watch->znodes.path("nodes"),
      [watch](zookeeper::Code, const std::vector<std::string>& names, const zookeeper::Stat&) {
        if (watch->appeared) return;
        if (std::find(names.begin(), names.end(), watch->endpoint) == names.end()) return;
        watch->appeared = Clock::now();
      },
      [watch] {
        if (!watch->appeared) look(watch);
      });
}

void check(bool happened, const std::string& what) {
  if (!happened) throw std::runtime_error("in vain: " + what);
}

}  // namespace

Returning::Returning(const RecoveryCase& what)
    : what_(what),
      cluster_(
          {.tablet_flags = {"--send_file_sleep_ms=1000", "--make_snapshot_threshold_offset=1"}}) {
  cluster_.create_table(kReturningTable, what.partitions, 3);
  daemon_ =
      &cluster_.start_active_daemon({.config = {std::string{"recovery: {reuse_binlog: "} +
                                                    (what.reuse_binlog ? "true" : "false") + "}",
                                                "log: {level: info}"}});
  write(what.rows, what.value_bytes);
  wait_for_rows({0, 1, 2});
  if (what.snapshots) {
    for (const int tablet : {1, 2}) make_snapshot(tablet);
  }
  // Long enough for the daemon to have asked every tablet twice.
  cluster_.let_pass(std::chrono::milliseconds{2500});
  kill();
  if (what.wiped) std::filesystem::remove_all(cluster_.disk(0));
  write(what.missed, what.value_bytes);
  wait_for_rows({1, 2});
}

// Until nothing is left to be done about its death: what comes then is recovery alone.
void Returning::kill() {
  cluster_.kill_tablet(0);
  check(cluster_.is_led_without(0), "a failover");
  const auto settled = [&] {
    const auto names = cluster_.znodes().tablets();
    if (std::find(names.begin(), names.end(), cluster_.tablet(0)) != names.end()) return false;
    const fedb::TableInfo now = table();
    for (const fedb::TablePartition& partition : now.table_partition()) {
      for (const fedb::PartitionMeta& row : partition.partition_meta()) {
        if (row.is_alive() == (row.endpoint() == cluster_.tablet(0))) return false;
      }
    }
    const auto ops = e2e::shown_ops(*daemon_);
    return std::none_of(ops.begin(), ops.end(), [](const auto& op) { return op.runs(); });
  };
  check(cluster_.wait_until(settled, "its rows are dead", kPatience), "its rows' death");
}

void Returning::write(std::uint32_t rows, std::uint32_t value_bytes) {
  if (rows == 0) return;
  const fedb::TableInfo now = table();
  std::map<std::string, std::vector<std::uint32_t>> led;
  for (const fedb::TablePartition& partition : now.table_partition()) {
    for (const fedb::PartitionMeta& row : partition.partition_meta()) {
      if (row.is_leader() && row.is_alive()) led[row.endpoint()].push_back(partition.pid());
    }
  }
  std::vector<std::unique_ptr<Putter>> putters;
  for (int i = 0; i < cluster_.tablets(); ++i) {
    if (!led.contains(cluster_.tablet(i))) continue;
    putters.push_back(std::make_unique<Putter>(
        cluster_.client(i), now.tid(), led.at(cluster_.tablet(i)), rows_, rows, value_bytes));
  }
  const auto done = [&] {
    return std::all_of(putters.begin(), putters.end(), [](const auto& p) { return p->done(); });
  };
  check(cluster_.wait_until(done, "the rows are written", kPatience), "rows");
  for (const auto& putter : putters) check(!putter->failed(), "a put was refused");
  rows_ += rows;
}

void Returning::make_snapshot(int tablet) {
  const std::uint32_t tid = table().tid();
  for (std::uint32_t pid = 0; pid < what_.partitions; ++pid) {
    fedb::GeneralRequest request;
    request.set_tid(static_cast<std::int32_t>(tid));
    request.set_pid(static_cast<std::int32_t>(pid));
    const auto answer = cluster_.client(tablet).ask<fedb::GeneralResponse>("MakeSnapshot", request);
    check(answer && answer->code() == 0, "MakeSnapshot");
    fedb::GetManifestRequest ask;
    ask.set_tid(tid);
    ask.set_pid(pid);
    const auto made = [&] {
      const auto has = cluster_.client(tablet).ask<fedb::GetManifestResponse>("GetManifest", ask);
      return has && has->code() == 0 && has->manifest().offset() == rows_;
    };
    check(cluster_.wait_until(made, "the snapshot is made", kPatience), "a snapshot");
  }
}

bool Returning::has_all_rows(int tablet) {
  const auto answer = cluster_.client(tablet).ask<fedb::GetTableStatusResponse>(
      "GetTableStatus", fedb::GetTableStatusRequest{});
  if (!answer) return false;
  const auto& all = answer->all_table_status();
  return all.size() == static_cast<int>(what_.partitions) &&
         std::all_of(all.begin(), all.end(), [&](const auto& s) { return s.offset() == rows_; });
}

void Returning::wait_for_rows(std::vector<int> tablets) {
  const auto equal = [&] {
    return std::all_of(tablets.begin(), tablets.end(), [&](int i) { return has_all_rows(i); });
  };
  check(cluster_.wait_until(equal, "every replica has every row", kPatience), "equal replicas");
}

void Returning::expect_all_rows() { wait_for_rows({0, 1, 2}); }

Clock::time_point Returning::start_again() {
  const auto watch = std::make_shared<NodeWatch>(NodeWatch{cluster_.znodes(), cluster_.tablet(0)});
  look(watch);
  cluster_.start_tablet(0);
  check(cluster_.wait_until([&] { return watch->appeared.has_value(); }, "its znode appears"),
        "a znode");
  return *watch->appeared;
}

}  // namespace failoverd::bench
