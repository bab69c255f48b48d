// A ZooKeeper session for tests that ask and wait: each call runs the loop until the answer is
// there. For setting up znodes, playing a tablet's registration, and looking at what a daemon
// wrote. Between calls its loop stands still; let it run with wait_until, or it loses its session.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/zookeeper/session.h"

namespace failoverd::harness {

class ZooKeeperClient {
 public:
  using Code = zookeeper::Code;
  using Stat = zookeeper::Stat;

  struct Answer {
    Code code = Code::kOther;
    std::string value;                         // get.
    Stat stat;                                 // get, children, exists, set.
    std::vector<std::string> names;            // children, sorted.
    std::string path;                          // create.
    std::vector<zookeeper::OpResult> results;  // multi.
    bool ok() const { return code == Code::kOk; }
  };

  // Starts the session; a call waits until it is connected. With `io` the loop is shared with
  // others.
  explicit ZooKeeperClient(zookeeper::Session::Options options, boost::asio::io_context* io = {});
  explicit ZooKeeperClient(const std::string& hosts);

  // Each throws std::runtime_error when there is no answer within 30 s. Those that only read ask
  // again when the connection was lost; a write's kUnknown is the caller's to judge.
  void connect();  // Runs until connected and on_state has said so.
  Answer get(const std::string& path, zookeeper::Session::Watch watch = nullptr);
  Answer children(const std::string& path, zookeeper::Session::Watch watch = nullptr);
  Answer exists(const std::string& path, zookeeper::Session::Watch watch = nullptr);
  Answer create(const std::string& path, std::string value, bool ephemeral = false,
                bool sequential = false);
  Answer set(const std::string& path, std::string value, std::int32_t version = -1);
  Answer remove(const std::string& path, std::int32_t version = -1);
  Answer multi(std::vector<zookeeper::Op> ops);
  Answer ensure_path(const std::string& path);
  Answer sync(const std::string& path);

  // Runs the loop until the predicate holds; see harness::wait_until.
  bool wait_until(const std::function<bool()>& predicate, Duration deadline, std::string_view what);

  zookeeper::Session& session() { return *session_; }
  boost::asio::io_context& io() { return io_; }
  // Every on_state so far: "connected (new)", "connecting", "connected", "expired".
  const std::vector<std::string>& states() const { return states_; }
  const std::vector<std::string>& notes() const { return notes_; }
  // Called after `states` has taken note.
  std::function<void(zookeeper::SessionState, bool new_session)> on_state;

  // Ends the session; later calls answer kExpired.
  void close() { session_->close(); }

 private:
  template <class Ask>
  Answer wait_for(const std::string& what, Ask ask);
  template <class Ask>
  Answer read(const std::string& what, Ask ask);

  std::unique_ptr<boost::asio::io_context> own_io_;
  boost::asio::io_context& io_;
  std::vector<std::string> states_;
  std::vector<std::string> notes_;
  std::unique_ptr<zookeeper::Session> session_;
};

}  // namespace failoverd::harness
