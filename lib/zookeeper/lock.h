// Leader election among daemons: an ephemeral sequential znode below `directory`, the lowest holds
// the lock. Each name carries a GUID, so that a create whose answer was lost is found again instead
// of made twice. While not held it watches its predecessor (and the holder, for holder()); its own
// znode always, because people delete znodes by hand. It never opens or closes the session. Used
// from one thread; owned beside the client, which outlives it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "lib/base/loop.h"
#include "lib/zookeeper/client.h"

namespace failoverd::zookeeper {

class Lock {
 public:
  // value: what others may read in the znode (our name and address).
  Lock(Loop& loop, Client& client, std::string directory, std::string value);
  ~Lock();  // Leaves our znode to the end of the session; on_lost is not called.
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  // Call from Client::on_state with every state: enters at kConnected, is lost at kExpired. In
  // between, while kConnecting, the lock is still held as far as anyone knows; whoever holds it
  // must judge by the age of its own contact (SAFETY 14).
  void session_changed(SessionState state, bool new_session);
  // Deletes our znode (before Client::close, so that a successor acts at once), then calls done.
  // No longer held at once, without on_lost; this Lock never enters again.
  void release(std::function<void()> done);

  // Both come from the loop. Lost means that another may hold it by now: the session expired,
  // or our znode was deleted, after which it queues up again by itself.
  std::function<void()> on_gained;
  std::function<void()> on_lost;

  // Asked before anything is created: where it says no, this Lock waits for try_again().
  Client::MayCreate may_create = [] { return true; };
  void try_again();

  // Told of the answer to each look at a path, or attempt to write there; says how long to wait
  // before the next one, where that was no answer or a refusal.
  std::function<Duration(const std::string& path, Code, bool writes)> answered;
  // One line about a znode of the queue that is nobody's. Called once for each.
  std::function<void(const std::string& line)> on_warning = [](const std::string&) {};

  bool held() const;
  // Value of the lowest znode as last seen; empty if none. Kept fresh while we wait.
  const std::string& holder() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace failoverd::zookeeper
