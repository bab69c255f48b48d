#include "tests/chaos/writers.h"

#include <algorithm>

#include "tests/chaos/tables.h"

namespace failoverd::chaos {

Writers::Writers(boost::asio::io_context& io, const std::string& zookeeper,
                 const minitablet::Generation& generation) {
  for (const Table& table : kTables) {
    testkit::Writer::Options options;
    options.zookeeper = zookeeper;
    options.generation = &generation;
    options.tables = {table.name};
    options.rate = table.rows_per_second;
    options.value_bytes = 12;
    writers_.push_back(std::make_unique<testkit::Writer>(io, options));
    writers_.back()->start();
  }
}

void Writers::begin() {
  for (const auto& writer : writers_) writer->forget_gaps();
  expect_new_rows();
}

void Writers::expect_new_rows() {
  for (const auto& partition : partitions()) {
    before_[{partition.tid, partition.pid}] = partition.acks;
  }
}

std::string Writers::without_new_rows() const {
  std::size_t wanted = 0;
  for (const Table& table : kTables) wanted += table.partitions;
  const auto all = partitions();
  if (all.size() < wanted) return "not every partition is known";
  std::string text;
  for (const auto& partition : all) {
    const auto before = before_.find({partition.tid, partition.pid});
    if (partition.acks > (before == before_.end() ? 0 : before->second)) continue;
    text += (text.empty() ? "" : ", ") + partition.table + "/" + std::to_string(partition.pid) +
            " (" + partition.last_error + ")";
  }
  return text;
}

void Writers::stop() {
  for (const auto& writer : writers_) writer->stop();
}

bool Writers::idle() const {
  return std::all_of(writers_.begin(), writers_.end(), [](const auto& w) { return w->idle(); });
}

std::vector<testkit::Writer::Partition> Writers::partitions() const {
  std::vector<testkit::Writer::Partition> all;
  for (const auto& writer : writers_) {
    for (auto& partition : writer->summary().partitions) all.push_back(std::move(partition));
  }
  return all;
}

std::vector<testkit::AckedRow> Writers::acked() const {
  std::vector<testkit::AckedRow> all;
  for (const auto& writer : writers_) {
    all.insert(all.end(), writer->acked().begin(), writer->acked().end());
  }
  return all;
}

}  // namespace failoverd::chaos
