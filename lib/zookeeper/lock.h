// Leader election among daemons: an ephemeral sequential znode below `directory`, the lowest holds the
// lock. Each name carries a GUID, so that a create whose answer was lost is found again instead of
// made twice. While not held it watches only its predecessor. One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "lib/zookeeper/session.h"

namespace failoverd::zookeeper {

class Lock {
 public:
  // value: what others may read in the znode (our name and address).
  Lock(boost::asio::io_context& io, Session& session, std::string directory, std::string value);
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  // Call from Session::on_state with every state: enters at kConnected, is lost at kExpired.
  void session_changed(SessionState state, bool new_session);
  // Deletes our znode (before Session::close, so that a successor acts at once), then calls done.
  void release(std::function<void()> done);

  std::function<void()> on_gained;
  std::function<void()> on_lost;

  bool held() const;
  // Value of the lowest znode as last seen; empty if none. Kept fresh while we wait.
  const std::string& holder() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace failoverd::zookeeper
