// Whether there is a cluster below its root at all: nodes/ or table/. A root that is mistyped must
// not look like a cluster that is well, and nothing is created there. Owned by ZookeeperSide; one
// thread.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>

#include "lib/base/loop.h"
#include "lib/fedb/leadership/obstacles.h"
#include "lib/fedb/wire/paths.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

class ClusterPresence {
 public:
  ClusterPresence(Loop& loop, zookeeper::Client& session, Paths paths, Obstacles& obstacles);
  ClusterPresence(const ClusterPresence&) = delete;
  ClusterPresence& operator=(const ClusterPresence&) = delete;

  // It has appeared. Must be set.
  std::function<void()> on_there;

  // Looks, and watches from now on.
  void connected(bool new_session);
  // It was there when last looked at; false before the first look.
  bool there() const { return there_; }

 private:
  struct Sign {
    Sign(std::string its_path, Loop& loop) : path(std::move(its_path)), again(loop) {}
    const std::string path;
    std::optional<bool> exists;
    bool watched = false;
    Timer again;
  };
  void look(Sign&);
  void judge();

  zookeeper::Client& session_;
  const Paths paths_;
  Obstacles& obstacles_;
  std::array<Sign, 2> signs_;
  bool there_ = false;
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
