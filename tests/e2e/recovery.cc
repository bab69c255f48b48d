#include "tests/e2e/recovery.h"

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>

#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

namespace json = boost::json;

// Of one partition: more than any of these tests needs.
constexpr int kManyOps = 60;

std::string text_of(const json::object& row, const char* key) {
  const json::value* value = row.if_contains(key);
  return value && value->is_string() ? std::string{value->as_string()} : std::string{};
}

std::int64_t number_of(const json::object& row, const char* key) {
  const json::value* value = row.if_contains(key);
  return value && value->is_number() ? value->to_number<std::int64_t>() : 0;
}

std::vector<ShownOp> parse(const std::string& text) {
  std::vector<ShownOp> ops;
  boost::system::error_code error;
  const json::value all = json::parse(text, error);
  if (error || !all.is_array()) return ops;
  for (const json::value& value : all.as_array()) {
    const json::object& row = value.as_object();
    ShownOp op;
    op.id = static_cast<std::uint64_t>(number_of(row, "op_id"));
    op.type = text_of(row, "op_type");
    op.table = text_of(row, "name");
    op.pid = static_cast<std::uint32_t>(number_of(row, "pid"));
    op.status = text_of(row, "status");
    op.task = text_of(row, "cur_task");
    op.detail = text_of(row, "detail");
    op.endpoint = text_of(row, "endpoint");
    op.started_ms = number_of(row, "start_time");
    op.ended_ms = number_of(row, "end_time");
    ops.push_back(std::move(op));
  }
  return ops;
}

// Everything that must be true in the end, but for the rows.
std::vector<std::string> all_wrong(Cluster& cluster, Daemon& daemon) {
  std::vector<std::string> lines = unsound(cluster);
  for (std::string& line : left_behind(cluster)) lines.push_back(std::move(line));
  for (const ShownOp& op : shown_ops(daemon)) {
    if (op.runs()) lines.push_back("op " + std::to_string(op.id) + " " + op.type + " runs");
  }
  return lines;
}

}  // namespace

std::vector<ShownOp> shown_ops(Daemon& daemon) {
  return parse(daemon.ctl({"--json", "showopstatus"}).out);
}

std::vector<ShownOp> shown_ops(Daemon& daemon, const std::string& table, std::uint32_t pid) {
  return parse(daemon.ctl({"--json", "showopstatus", table, std::to_string(pid)}).out);
}

std::vector<std::string> done_types(const std::vector<ShownOp>& ops) {
  std::vector<std::string> types;
  for (const ShownOp& op : ops) {
    if (op.status == "kDone") types.push_back(op.type);
  }
  return types;
}

std::string to_text(const std::vector<ShownOp>& ops) {
  std::string text;
  for (const ShownOp& op : ops) {
    text += std::to_string(op.id) + " " + op.type + " " + op.table + "/" + std::to_string(op.pid) +
            " " + op.status + " " + op.task + ": " + op.detail + "\n";
  }
  return text;
}

std::vector<std::string> put_unreplicated(Cluster& cluster, const std::string& table,
                                          std::uint32_t pid, int rows) {
  const int leader = cluster.leader(table, pid);
  for (int i = 0; i < cluster.tablets(); ++i) {
    if (i != leader && cluster.lives(i)) cluster.fail_pid(i, "AppendEntries", pid, -1);
  }
  std::vector<std::string> keys;
  for (int n = 0; n < rows; ++n) {
    keys.push_back("unreplicated-" + std::to_string(pid) + "-" + std::to_string(n) + "-row");
    if (cluster.put(leader, table, pid, keys.back()) != 0) {
      throw std::runtime_error("the leader refused a row");
    }
  }
  return keys;
}

bool knows_offset(Cluster& cluster, Daemon& daemon, int tablet, const std::string& table,
                  std::uint32_t pid, std::uint64_t offset) {
  const auto known = [&] {
    boost::system::error_code error;
    const json::value all = json::parse(daemon.ctl({"--json", "showtable", table}).out, error);
    if (error || !all.is_array()) return false;
    for (const json::value& value : all.as_array()) {
      const json::object& row = value.as_object();
      if (number_of(row, "pid") == pid && text_of(row, "endpoint") == cluster.tablet(tablet)) {
        return number_of(row, "offset") == static_cast<std::int64_t>(offset);
      }
    }
    return false;
  };
  return cluster.wait_until(known, "the daemon knows the offset");
}

bool lies_below(const std::filesystem::path& directory, const std::string& bytes) {
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, error)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    if (text.find(bytes) != std::string::npos) return true;
  }
  return false;
}

int change_role(Cluster& cluster, int tablet, const std::string& table, std::uint32_t pid,
                fedb::TableMode mode, std::uint64_t term) {
  fedb::ChangeRoleRequest request;
  request.set_tid(cluster.znodes().table(table)->tid());
  request.set_pid(pid);
  request.set_mode(mode);
  if (term != 0) request.set_term(term);
  return cluster.client(tablet).ask<fedb::ChangeRoleResponse>("ChangeRole", request)->code();
}

int make_snapshot(Cluster& cluster, int tablet, std::uint32_t pid) {
  fedb::GeneralRequest request;
  request.set_tid(static_cast<std::int32_t>(cluster.znodes().table("flow")->tid()));
  request.set_pid(static_cast<std::int32_t>(pid));
  return cluster.client(tablet).ask<fedb::GeneralResponse>("MakeSnapshot", request)->code();
}

std::vector<std::string> small_binlogs() {
  return {"--make_snapshot_threshold_offset=10", "--binlog_single_file_max_bytes=200",
          "--binlog_delete_interval=100"};
}

void shorten_binlog(Cluster& cluster, int leader) {
  const auto first = cluster.disk(leader, "flow", 0) / "binlog" / "00000000.log";
  ASSERT_TRUE(std::filesystem::exists(first));
  ASSERT_EQ(make_snapshot(cluster, leader, 0), 0);
  ASSERT_TRUE(cluster.wait_until([&] { return !std::filesystem::exists(first); },
                                 "the binlog behind the snapshot is gone"));
}

void expect_all_is_well(Cluster& cluster, Daemon& daemon,
                        const std::vector<testkit::AckedRow>& wanted,
                        std::chrono::milliseconds within) {
  if (!cluster.wait_until([&] { return cluster.everything_is_alive(); },
                          "every replica is alive again", within)) {
    ADD_FAILURE() << to_text(shown_ops(daemon)) << daemon.status();
    return;
  }
  std::vector<std::string> wrong;
  int well = 0;  // Looked at twice: what is only well in passing is not.
  cluster.wait_until(
      [&] {
        wrong = all_wrong(cluster, daemon);
        well = wrong.empty() && cluster.everything_is_alive() ? well + 1 : 0;
        return well >= 2;
      },
      "the cluster is well");
  EXPECT_GE(well, 2) << testing::PrintToString(wrong) << to_text(shown_ops(daemon));
  // Whoever begins the same op again and again does not see what it has done.
  std::map<std::pair<std::string, std::uint32_t>, int> ops;
  for (const ShownOp& op : shown_ops(daemon)) ++ops[{op.table, op.pid}];
  for (const auto& [partition, count] : ops) {
    EXPECT_LE(count, kManyOps) << partition.first << "/" << partition.second;
  }
  const testkit::Comparison c = cluster.compare(wanted);
  EXPECT_TRUE(c.equal()) << c.to_text() << to_text(shown_ops(daemon));
  EXPECT_GT(c.rows, 0u);
}

}  // namespace failoverd::e2e
