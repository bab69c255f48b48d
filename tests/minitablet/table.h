// The rows of one partition in memory: for every key of every index its rows by time. It knows the
// log entry that each row came from, so that replicas can be compared. Rows never expire here.
// Owned by its Partition.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "proto/tablet.pb.h"

namespace failoverd::minitablet {

struct Row {
  std::uint64_t ts = 0;
  std::uint64_t index = 0;
  std::uint64_t term = 0;
  std::string value;
};

class Table {
 public:
  // segments: what the table was created with (seg_cnt); only shown.
  explicit Table(std::uint32_t segments);

  void apply(const fedb::LogEntry& entry);

  // Rows of a key in the index idx, oldest first; null if it has none.
  const std::vector<Row>* rows(std::uint32_t idx, const std::string& key) const;

  using Visitor = std::function<void(std::uint32_t idx, const std::string& key, const Row&)>;
  void for_each(const Visitor& visit) const;

  std::uint64_t record_count() const { return record_count_; }
  std::uint64_t record_bytes() const { return record_bytes_; }
  std::uint64_t index_bytes() const { return index_bytes_; }
  std::uint64_t key_count() const;
  const std::vector<std::uint64_t>& segment_counts() const { return segment_counts_; }

 private:
  using Keys = std::unordered_map<std::string, std::vector<Row>>;
  void insert(std::uint32_t idx, const std::string& key, Row row);

  std::vector<Keys> indexes_;
  std::uint64_t record_count_ = 0;
  std::uint64_t record_bytes_ = 0;
  std::uint64_t index_bytes_ = 0;
  std::vector<std::uint64_t> segment_counts_;
};

}  // namespace failoverd::minitablet
