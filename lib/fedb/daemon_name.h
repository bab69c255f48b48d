// This daemon's name among those of the cluster, <root>/failoverd/daemons/<name>, and whether it is
// its own: whoever lives holds an ephemeral znode `alive` below its name. Of two daemons of one
// name (two hosts called alike, cloned machines) the second waits until the first one's session has
// ended, and says so. Names that no living daemon holds are removed when they are old or many:
// hosts whose names change at every start would leave a znode each. Owned by Switch; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/lifetime.h"
#include "lib/base/loop.h"
#include "lib/fedb/wire/paths.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

class DaemonName {
 public:
  // machine: the same after a restart, and mostly another on another host; empty: not known.
  DaemonName(Loop& loop, zookeeper::Client& session, Paths paths, std::string name,
             std::string machine);
  ~DaemonName();
  DaemonName(const DaemonName&) = delete;
  DaemonName& operator=(const DaemonName&) = delete;

  // Must be set. It is held from now on; and one line for the log.
  std::function<void()> on_held;
  // Whether the cluster is there: where it is not, nothing is made below its root.
  zookeeper::Client::MayCreate may_create = [] { return true; };
  std::function<void(std::string)> on_warning;
  std::function<void(std::string)> on_info;

  void connected(bool new_session);
  // Holds it from now on, in every session, as soon as nobody else does.
  void claim();
  bool held() const { return held_; }
  // Another daemon lives with it.
  bool is_taken() const { return is_taken_; }
  // It was another's before it was held: so is what is remembered there, until settled().
  bool was_anothers() const { return was_anothers_; }
  void settled() { was_anothers_ = false; }

  const std::string& text() const { return name_; }
  const std::string& machine() const { return machine_; }
  // As far as is known.
  bool is_this_machine(const std::string& machine) const;
  std::string path() const { return paths_.daemons() + "/" + name_; }

 private:
  void try_to_hold();
  void look_who_holds_it();
  void found(const std::string& machine, std::int64_t session);
  void now_held();
  void taken();
  void later(std::function<void()> what);

  struct Tidying;
  void tidy();
  void look_at_names(std::int64_t now_ms, const std::vector<std::string>& names);
  void remove_old(Tidying&);

  Loop& loop_;
  zookeeper::Client& session_;
  const Paths paths_;
  const std::string name_;
  const std::string machine_;
  bool wanted_ = false;
  bool is_trying_ = false;
  bool held_ = false;
  bool is_taken_ = false;
  bool was_anothers_ = false;
  std::int64_t holder_ = 0;  // The session that is waited for.
  Timer patience_;
  Timer tidy_timer_;
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
