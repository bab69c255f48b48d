#include "tests/minitablet/table.h"

#include <algorithm>

namespace failoverd::minitablet {
namespace {

// What the real tablet reports for one row: the block around a value, and the nodes of its skip
// lists at their lowest (they vary with the drawn height).
constexpr std::uint64_t kBlockBytes = 16;
constexpr std::uint64_t kKeyBytes = 138;
constexpr std::uint64_t kRowBytes = 70;
constexpr std::size_t kMaxIndexes = 64;

}  // namespace

Table::Table(std::uint32_t segments) : indexes_(1), segment_counts_(segments == 0 ? 8 : segments) {}

void Table::insert(std::uint32_t idx, const std::string& key, Row row) {
  if (idx >= kMaxIndexes) return;
  if (idx >= indexes_.size()) indexes_.resize(idx + 1);
  std::vector<Row>& rows = indexes_[idx][key];
  index_bytes_ += kRowBytes + (rows.empty() ? kKeyBytes + key.size() : 0);
  if (idx == 0) ++segment_counts_[std::hash<std::string>{}(key) % segment_counts_.size()];
  const auto at =
      std::upper_bound(rows.begin(), rows.end(), row.ts,
                       [](std::uint64_t ts, const Row& other) { return ts < other.ts; });
  rows.insert(at, std::move(row));
}

void Table::apply(const fedb::LogEntry& entry) {
  if (entry.method_type() == fedb::kDelete && entry.has_method_type()) {
    for (const fedb::Dimension& dimension : entry.dimensions()) {
      if (dimension.idx() < indexes_.size()) indexes_[dimension.idx()].erase(dimension.key());
    }
    return;
  }
  const Row row{entry.ts(), entry.log_index(), entry.term(), entry.value()};
  if (entry.dimensions_size() == 0) {
    insert(0, entry.pk(), row);
  } else {
    for (const fedb::Dimension& dimension : entry.dimensions()) {
      insert(dimension.idx(), dimension.key(), row);
    }
  }
  ++record_count_;
  record_bytes_ += kBlockBytes + entry.value().size();
}

const std::vector<Row>* Table::rows(std::uint32_t idx, const std::string& key) const {
  if (idx >= indexes_.size()) return nullptr;
  const auto at = indexes_[idx].find(key);
  return at == indexes_[idx].end() ? nullptr : &at->second;
}

void Table::for_each(const Visitor& visit) const {
  for (std::uint32_t idx = 0; idx < indexes_.size(); ++idx) {
    for (const auto& [key, rows] : indexes_[idx]) {
      for (const Row& row : rows) visit(idx, key, row);
    }
  }
}

std::uint64_t Table::key_count() const {
  std::uint64_t keys = 0;
  for (const Keys& index : indexes_) keys += index.size();
  return keys;
}

}  // namespace failoverd::minitablet
