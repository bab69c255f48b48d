// The clients of a chaos run: a testkit writer for each table, so that every partition is written
// to all the time, at its leader as the metadata names it. Runs on the caller's loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/chaos/ledger.h"
#include "tests/minitablet/testkit/writer.h"

namespace failoverd::chaos {

class Writers {
 public:
  // Starts them. zookeeper: "127.0.0.1:2181".
  Writers(boost::asio::io_context& io, const std::string& zookeeper,
          const minitablet::Generation& generation);

  // From now on gaps are measured, and rows are new.
  void begin();
  // Which partitions have not acknowledged a new row since begin(), and the last error of each;
  // empty: all have.
  std::string without_new_rows() const;
  // The same, counted from here on; gaps go on.
  void expect_new_rows();

  // Ends all; wait until idle() for those that are under way.
  void stop();
  bool idle() const;

  std::vector<testkit::Writer::Partition> partitions() const;
  std::vector<testkit::AckedRow> acked() const;

 private:
  std::vector<std::unique_ptr<testkit::Writer>> writers_;
  std::map<PartitionId, std::uint64_t> before_;  // Rows that are not new.
};

}  // namespace failoverd::chaos
