// The cluster's znodes for tests and tools: one ZooKeeper session whose calls wait for their
// answer, running the caller's loop meanwhile. Throws std::runtime_error where a tool could only
// give up. Owns the session; used from one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/zookeeper/session.h"
#include "proto/table_info.pb.h"
#include "tests/minitablet/generation.h"

namespace failoverd::testkit {

// Where tables lie, below the root.
inline constexpr const char* kTableParents[] = {"table/table_data", "table/db_table_data"};

class Znodes {
 public:
  // Connects; throws when there is no ZooKeeper within 10 s. root: the cluster's, "/rtidb_cluster".
  // generation: whose numbers tables have, and have to get. identity: user:password, or none.
  Znodes(boost::asio::io_context& io, const std::string& hosts, std::string root,
         const minitablet::Generation& generation = minitablet::rtidb(),
         const std::string& identity = {});

  struct Value {
    std::string bytes;
    std::int32_t version = 0;
    std::int64_t ephemeral_owner = 0;
  };
  // Paths are below the root, without a leading slash: "table/term"; "" is the root itself.
  std::optional<Value> get(const std::string& path);
  std::vector<std::string> children(const std::string& path);  // None if it is not there.
  // Creates it with its missing parents; an existing one stays as it is.
  void create(const std::string& path, const std::string& value);
  void set(const std::string& path, const std::string& value, std::int32_t version = -1);
  void remove(const std::string& path);
  // kOk, or the first failing op's code. Paths in ops are whole ones: see path().
  zookeeper::Code multi(std::vector<zookeeper::Op> ops);

  // Every table: those of table/table_data by name, then those in a database by tid.
  std::vector<fedb::TableInfo> tables();
  std::optional<fedb::TableInfo> table(const std::string& name);
  // The endpoints of nodes/, sorted.
  std::vector<std::string> tablets();

  // With use_name: what map/names says, all of it, and of one server; another one is its own
  // address.
  std::map<std::string, std::string> addresses();
  std::string address_of(const std::string& server);

  std::string path(const std::string& below) const {
    return below.empty() ? root_ : root_ + "/" + below;
  }
  const std::string& root() const { return root_; }
  const minitablet::Generation& generation() const { return generation_; }
  zookeeper::Session& session() { return session_; }
  boost::asio::io_context& io() { return io_; }

 private:
  std::optional<fedb::TableInfo> read_table(const std::string& path);

  boost::asio::io_context& io_;
  const std::string root_;
  const minitablet::Generation& generation_;
  zookeeper::Session session_;
};

}  // namespace failoverd::testkit
