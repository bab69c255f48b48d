// Tries whether ZooKeeper would take a multi, without changing anything: the multi contradicts
// itself at its end, so that all of it is looked at (rights, quotas, versions, its length) and
// nothing of it is ever applied. Over a connection of its own, because a server closes the
// connection on a request that is too long. Owned by ZnodeStore; one thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "lib/base/loop.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

class PublishTrial {
 public:
  enum class Outcome {
    kTaken,           // All of it would have been written, or met another version.
    kRefused,         // ZooKeeper refuses one of its operations.
    kConnectionLost,  // Twice, with nothing else under way; a short request passed after that.
    kUnknown,         // It could not be tried.
  };
  struct Result {
    Outcome outcome = Outcome::kUnknown;
    std::size_t op = 0;           // kRefused: which of them.
    zookeeper::OpResult refused;  // The same: what for.
  };
  using Done = std::function<void(const Result&)>;

  PublishTrial(Loop& loop, zookeeper::OpenClient open);
  ~PublishTrial();  // A trial that is under way is not answered any more.
  PublishTrial(const PublishTrial&) = delete;
  PublishTrial& operator=(const PublishTrial&) = delete;

  // ops: the first checks the version of a znode. An earlier trial that is under way is answered
  // kUnknown.
  void run(std::vector<zookeeper::Op> ops, Done done);

  // Makes the value of one of them, a protobuf message, so much longer that the multi has so many
  // bytes, with a field that nobody knows. Returns how many it has, which are more if it was longer
  // before.
  static std::size_t fill_up(std::vector<zookeeper::Op>& ops, std::size_t which, std::size_t bytes);

 private:
  struct Run;
  void leave(const std::shared_ptr<Run>&);

  Loop& loop_;
  zookeeper::OpenClient open_;
  std::shared_ptr<Run> run_;
  // Those that are over while their server hangs: closing a session waits for it.
  std::vector<std::shared_ptr<Run>> hanging_;
};

}  // namespace failoverd::fedb
