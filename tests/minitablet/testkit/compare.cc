#include "tests/minitablet/testkit/compare.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include "tests/harness/wait_until.h"
#include "tests/minitablet/testkit/client.h"

namespace failoverd::testkit {

using minitablet::control::DumpedRow;
using minitablet::control::DumpRequest;
using minitablet::control::DumpResponse;

namespace {

constexpr std::size_t kLinesPerReplica = 5;

// What makes a row the same row on two replicas.
using RowKey = std::tuple<std::uint64_t, std::uint64_t, std::uint32_t, std::string, std::uint64_t,
                          std::string>;

RowKey key_of(const DumpedRow& row) {
  return {row.index(), row.term(), row.idx(), row.pk(), row.ts(), row.value()};
}

std::string text_of(const RowKey& row) {
  return "index " + std::to_string(std::get<0>(row)) + " term " + std::to_string(std::get<1>(row)) +
         " key " + std::get<3>(row) + " ts " + std::to_string(std::get<4>(row));
}

class Comparer {
 public:
  Comparer(Znodes& znodes, const CompareWish& wish) : znodes_{znodes}, wish_{wish} {
    for (const AckedRow& row : wish.acked) acked_[{row.tid, row.pid}].push_back(&row);
  }

  Comparison run() {
    result_ = Comparison{};
    result_.acked_rows = wish_.acked.size();
    for (const fedb::TableInfo& table : znodes_.tables()) {
      const bool wanted = wish_.tables.empty() ||
                          std::count(wish_.tables.begin(), wish_.tables.end(), table.name()) > 0;
      if (!wanted) continue;
      for (const fedb::TablePartition& partition : table.table_partition()) {
        compare(table, partition);
      }
    }
    return std::move(result_);
  }

 private:
  struct Replica {
    std::string endpoint;
    std::string name;  // For people.
    DumpResponse digest;
    std::optional<std::vector<RowKey>> rows;
  };

  void compare(const fedb::TableInfo& table, const fedb::TablePartition& partition);
  bool read_digest(const fedb::TableInfo& table, std::uint32_t pid, bool leads, Replica& replica);
  const std::vector<RowKey>& rows_of(std::uint32_t tid, std::uint32_t pid, Replica& replica);
  void compare_rows(const std::vector<RowKey>& rows, const std::vector<RowKey>& others,
                    const Replica& replica, const Replica& other);
  void look_for_acked(std::uint32_t tid, std::uint32_t pid, Replica& replica);
  void differ(std::string line) { result_.differences.push_back(std::move(line)); }

  Client& client(const std::string& endpoint) {
    auto& client = clients_[endpoint];
    if (!client) client = std::make_unique<Client>(znodes_.io(), znodes_.address_of(endpoint));
    return *client;
  }

  Znodes& znodes_;
  const CompareWish& wish_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<const AckedRow*>> acked_;
  std::map<std::string, std::unique_ptr<Client>> clients_;
  Comparison result_;
};

void Comparer::compare(const fedb::TableInfo& table, const fedb::TablePartition& partition) {
  const std::string name = table.name() + " " + std::to_string(partition.pid());
  ++result_.partitions;
  std::vector<Replica> replicas;
  std::size_t leaders = 0;
  for (const fedb::PartitionMeta& row : partition.partition_meta()) {
    if (!row.is_alive()) continue;
    if (row.is_leader()) ++leaders;
    Replica replica{row.endpoint(), name + " on " + row.endpoint(), {}, std::nullopt};
    if (!read_digest(table, partition.pid(), row.is_leader(), replica)) continue;
    ++result_.replicas;
    replicas.push_back(std::move(replica));
    if (row.is_leader()) std::swap(replicas.front(), replicas.back());
  }
  if (leaders != 1) differ(name + ": " + std::to_string(leaders) + " alive leaders");
  if (replicas.empty()) return;
  Replica& first = replicas.front();
  result_.rows += first.digest.row_count();
  for (std::size_t i = 1; i < replicas.size(); ++i) {
    if (replicas[i].digest.digest() == first.digest.digest() &&
        replicas[i].digest.row_count() == first.digest.row_count()) {
      continue;
    }
    compare_rows(rows_of(table.tid(), partition.pid(), replicas[i]),
                 rows_of(table.tid(), partition.pid(), first), replicas[i], first);
  }
  for (Replica& replica : replicas) look_for_acked(table.tid(), partition.pid(), replica);
}

bool Comparer::read_digest(const fedb::TableInfo& table, std::uint32_t pid, bool leads,
                           Replica& replica) {
  DumpRequest request;
  request.set_tid(table.tid());
  request.set_pid(pid);
  request.set_max_rows(0);
  const auto answer = client(replica.endpoint).dump(request);
  if (!answer || answer->code() != 0) {
    differ(replica.name + ": " +
           (answer ? answer->msg() : client(replica.endpoint).last_answer().error_text));
    return false;
  }
  replica.digest = *answer;
  if (answer->is_leader() != leads) {
    differ(replica.name + ": the metadata calls it a " + (leads ? "leader" : "follower") +
           ", the tablet does not");
  }
  return true;
}

const std::vector<RowKey>& Comparer::rows_of(std::uint32_t tid, std::uint32_t pid,
                                             Replica& replica) {
  if (replica.rows) return *replica.rows;
  replica.rows.emplace();
  DumpRequest request;
  request.set_tid(tid);
  request.set_pid(pid);
  for (;;) {
    const auto page = client(replica.endpoint).dump(request);
    if (!page || page->code() != 0) break;
    for (const DumpedRow& row : page->rows()) replica.rows->push_back(key_of(row));
    if (!page->more() || page->rows_size() == 0) break;
    request.set_after_index(page->rows(page->rows_size() - 1).index());
  }
  std::sort(replica.rows->begin(), replica.rows->end());
  return *replica.rows;
}

void Comparer::compare_rows(const std::vector<RowKey>& rows, const std::vector<RowKey>& others,
                            const Replica& replica, const Replica& other) {
  std::vector<RowKey> missing;
  std::vector<RowKey> extra;
  std::set_difference(others.begin(), others.end(), rows.begin(), rows.end(),
                      std::back_inserter(missing));
  std::set_difference(rows.begin(), rows.end(), others.begin(), others.end(),
                      std::back_inserter(extra));
  if (missing.empty() && extra.empty()) return;
  differ(replica.name + ": " + std::to_string(missing.size()) + " rows missing and " +
         std::to_string(extra.size()) + " too many against " + other.endpoint);
  for (std::size_t i = 0; i < std::min(missing.size(), kLinesPerReplica); ++i) {
    differ("  missing: " + text_of(missing[i]));
  }
  for (std::size_t i = 0; i < std::min(extra.size(), kLinesPerReplica); ++i) {
    differ("  too many: " + text_of(extra[i]));
  }
}

void Comparer::look_for_acked(std::uint32_t tid, std::uint32_t pid, Replica& replica) {
  const auto wanted = acked_.find({tid, pid});
  if (wanted == acked_.end()) return;
  std::map<std::pair<std::string, std::uint64_t>, std::string> there;
  for (const RowKey& row : rows_of(tid, pid, replica)) {
    there[{std::get<3>(row), std::get<4>(row)}] = std::get<5>(row);
  }
  std::size_t lines = 0;
  for (const AckedRow* row : wanted->second) {
    const auto at = there.find({row->key, row->ts});
    if (at != there.end() && at->second == row->value) continue;
    ++result_.acked_missing;
    if (++lines > kLinesPerReplica) continue;
    differ(replica.name + ": acknowledged row is " + (at == there.end() ? "missing" : "another") +
           ": key " + row->key + " ts " + std::to_string(row->ts));
  }
}

}  // namespace

std::string Comparison::to_text() const {
  std::string text;
  for (const std::string& line : differences) text += line + "\n";
  text += std::to_string(partitions) + " partitions, " + std::to_string(replicas) +
          " alive replicas, " + std::to_string(rows) + " rows";
  if (acked_rows > 0) {
    text += ", " + std::to_string(acked_rows) + " acknowledged rows looked for, " +
            std::to_string(acked_missing) + " times not found";
  }
  return text + (equal() ? ": all equal\n" : ": NOT equal\n");
}

Comparison compare_replicas(Znodes& znodes, const CompareWish& wish) {
  const auto end = std::chrono::steady_clock::now() + wish.within;
  for (;;) {
    Comparison comparison = Comparer{znodes, wish}.run();
    const auto now = std::chrono::steady_clock::now();
    if (comparison.equal() || now >= end) return comparison;
    // Not at once again: replication needs the time more than we do.
    const auto pause = now + std::chrono::milliseconds{50};
    harness::wait_until(
        znodes.io(), [&] { return std::chrono::steady_clock::now() >= pause; },
        std::chrono::seconds{1}, "a moment has passed");
  }
}

}  // namespace failoverd::testkit
