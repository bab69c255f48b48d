// The nameserver's side of ZooKeeper: its session, its znodes of the lock, and reading and writing
// below the cluster's root. Every write is with version -1, and every znode of the lock stays until
// its session ends: each connection adds one, and it leads while the lowest of all is one of its
// own. Owned by the Nameserver.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/zookeeper/session.h"
#include "tests/nameserver/options.h"

namespace failoverd::mininameserver {

// Znodes below the root that have one name. They are named once and not where they are written:
// gcc 12 may destroy twice what is a temporary of a co_await.
namespace znodes {
inline const std::string kAutoFailover = "config/auto_failover";
inline const std::string kNodes = "nodes";
inline const std::string kNotify = "table/notify";
inline const std::string kTableIndex = "table/table_index";
inline const std::string kTerm = "table/term";
inline const std::string kOpIndex = "op/op_index";
inline const std::string kOps = "op/op_data";
inline const std::string kDatabases = "db";
inline const std::string kNames = "map/names";
}  // namespace znodes

class Keeper {
 public:
  Keeper(boost::asio::io_context& io, const Options& options);

  void start();
  // Ends the session for good, so that its znodes go at once.
  void close();
  // Ends it at once, as an expiry would. stay_lost: until restore(); else another one begins.
  void lose_session(bool stay_lost);
  void restore();

  bool leads() const { return leads_; }
  std::function<void()> on_gained;
  std::function<void()> on_lost;

  // Paths are below the root, without a leading slash.
  boost::asio::awaitable<zookeeper::Code> set(const std::string& path, const std::string& value);
  // One that exists is set.
  boost::asio::awaitable<zookeeper::Code> put(const std::string& path, const std::string& value);
  // Persistent, with its parents; one that exists stays as it is: kOk.
  boost::asio::awaitable<zookeeper::Code> make(const std::string& path, const std::string& value);
  boost::asio::awaitable<zookeeper::Code> remove(const std::string& path);
  // Nothing: it could not be read, or is not there.
  boost::asio::awaitable<std::optional<std::string>> get(const std::string& path);
  // kNoNode has no children. With a watch as Client has it, or none.
  boost::asio::awaitable<std::optional<std::vector<std::string>>> children(
      const std::string& path, const zookeeper::Client::Watch& watch);
  boost::asio::awaitable<std::optional<std::vector<std::string>>> children(
      const std::string& path) {
    return children(path, no_watch_);
  }
  // Adds 1 to a decimal counter, as it stands there.
  boost::asio::awaitable<bool> bump(const std::string& path);

 private:
  std::string whole(const std::string& path) const { return options_.zk_root_path + "/" + path; }
  void open();
  void write_name();
  void queue_up();
  void look_at_queue();
  void change(bool leads);

  boost::asio::io_context& io_;
  const Options& options_;
  std::unique_ptr<zookeeper::Session> session_;
  std::set<std::string> mine_;  // Our znodes of the lock, of this session.
  bool leads_ = false;
  const zookeeper::Client::Watch no_watch_;
};

}  // namespace failoverd::mininameserver
