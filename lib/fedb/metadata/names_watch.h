// Reads map/names, where the servers of a cluster with use_name write their addresses, and watches
// it. Whoever has to know a name waits until all of it has been read. Never writes. Owned by
// ZookeeperSide; one thread.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "lib/base/lifetime.h"
#include "lib/base/loop.h"
#include "lib/fedb/leadership/obstacles.h"
#include "lib/fedb/metadata/server_names.h"
#include "lib/fedb/wire/paths.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

class NamesWatch {
 public:
  // What is read goes into `names`.
  NamesWatch(Loop& loop, zookeeper::Client& session, const Paths& paths, ServerNames& names,
             Obstacles& obstacles);
  NamesWatch(const NamesWatch&) = delete;
  NamesWatch& operator=(const NamesWatch&) = delete;

  // A reading has ended, so that is_read() is true again. Must be set.
  std::function<void()> on_read;
  // One line about a name whose value is no address: once, and again when it is another one.
  std::function<void(const std::string&)> on_warning = [](const std::string&) {};

  // Call from Client::on_state at every kConnected, before anybody reads who names servers.
  void connected(bool new_session);
  // It was read, and nothing is known that would have to be read again.
  bool is_read() const { return was_read_ && !reading_; }

 private:
  void read();
  zookeeper::Client::Watch list_watch();
  void listed(const std::vector<std::string>& names);
  void wait_for_the_first();
  void take(const std::string& name, const std::string& address);
  void one_read();
  void not_read(zookeeper::Code code, Duration pause);
  void ended();

  zookeeper::Client& session_;
  const std::string path_;
  ServerNames& names_;
  Obstacles& obstacles_;
  Timer later_;
  bool was_read_ = false;
  bool reading_ = false;
  bool again_ = false;             // Something has changed since the reading began.
  bool list_watched_ = false;      // The watch of this session is set, and has not fired.
  std::set<std::string> watched_;  // Children, the same.
  std::size_t open_ = 0;           // Answers that are still to come.
  bool failed_ = false;            // One of them was none.
  std::set<std::string> complained_;
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
