// A client that puts rows into every partition all the time, as a site's clients do: it finds the
// leaders in the TableInfo znodes, reads them again when table/notify changes, and knows each row
// that was acknowledged. It measures how long each partition took no put. Never repeats a row.
//
// Runs on the caller's loop, one thread. Owned by a test or tool.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/time.h"
#include "tests/minitablet/generation.h"

namespace failoverd::testkit {

// A row that a tablet has acknowledged.
struct AckedRow {
  std::uint32_t tid = 0;
  std::uint32_t pid = 0;
  std::string key;
  std::uint64_t ts = 0;
  std::string value;
  // Who acknowledged it, the last term that the metadata named then, and when it was sent and
  // acknowledged. Not in acked_file.
  std::string tablet = {};
  std::uint64_t term = 0;
  Instant sent{};
  Instant acked{};
};

class Writer {
 public:
  struct Options {
    std::string zookeeper;      // "host:port,..."
    std::string identity = {};  // user:password, shown to ZooKeeper; empty: none.
    std::string root = "/rtidb_cluster";
    const minitablet::Generation* generation = &minitablet::rtidb();
    std::vector<std::string> tables;  // Empty: all.
    double rate = 50;                 // Puts a second and partition.
    std::size_t value_bytes = 16;
    std::chrono::milliseconds put_timeout{1000};
    // After a put that failed; the next goes out then, or when the metadata names another leader.
    std::chrono::milliseconds retry_pause{50};
    std::filesystem::path acked_file;  // One row a line as they are acknowledged; empty: none.
    bool keep_acked = true;            // For acked().
  };

  struct Partition {
    std::string table;
    std::uint32_t tid = 0;
    std::uint32_t pid = 0;
    std::uint64_t acks = 0;
    std::uint64_t errors = 0;
    // Between two acknowledgements, or from the first try or to the end; and when it began, since
    // start().
    std::chrono::microseconds longest_gap{0};
    std::chrono::microseconds gap_began{0};
    std::string last_error;
  };
  struct Summary {
    std::uint64_t acks = 0;
    std::uint64_t errors = 0;
    std::chrono::microseconds longest_gap{0};
    std::vector<Partition> partitions;
    std::string to_json(bool with_partitions) const;  // One line.
  };

  Writer(boost::asio::io_context& io, Options options);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void start();
  // No new puts; those under way are still counted when they are answered, see idle().
  void stop();
  bool idle() const;

  Summary summary() const;
  // Forgets the gaps so far, so that the next summary tells of what follows.
  void forget_gaps();
  const std::vector<AckedRow>& acked() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// What Writer wrote into acked_file; throws std::runtime_error if it cannot be read.
std::vector<AckedRow> read_acked(const std::filesystem::path& file);

}  // namespace failoverd::testkit
