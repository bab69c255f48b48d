// One server of the made-up ZooKeeper, as the client that is connected to it sees it: it follows
// the leader a little late, answers reads by what it has, and fires the watches that were set
// there. It can be cut off from the leader: then it goes on answering reads, and knows nothing new.
// Owned by its client.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "lib/base/lifetime.h"
#include "tests/simulation/znodes.h"

namespace failoverd::simulation {

class World;

// What one write, or one multi, has changed.
struct Transaction {
  std::int64_t zxid = 0;
  std::vector<ZnodeState> after;
};

class FakeServer {
 public:
  enum class Of { kData, kChildren };
  enum class Event { kData, kChildren, kDeleted };

  using Fired = std::function<void(Event, const std::string& path)>;
  // Up to date.
  FakeServer(World&, Fired fired);
  // As far as that one, but not behind what its client has seen.
  FakeServer(World&, const FakeServer& as, std::int64_t seen_zxid, Fired fired);
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  const Znodes& znodes() const { return znodes_; }
  std::int64_t zxid() const { return zxid_; }

  // The leader has committed it.
  void committed(std::shared_ptr<const Transaction>);
  // All that the leader has committed.
  void catch_up();
  // From now on it hears nothing from the leader; or hears again, and catches up in a while.
  void cut_off(bool);
  bool is_cut_off() const { return is_cut_off_; }

  void watch(Of, const std::string& path);
  void forget_watches();

 private:
  struct Waiting {
    Instant due;
    std::shared_ptr<const Transaction> transaction;
  };
  void apply(const Transaction&);
  void apply_next();
  void apply_due();
  void apply_later(Instant due);
  void fire(Event, const std::string& path);

  World& world_;
  const Fired fired_;
  Znodes znodes_;
  std::int64_t zxid_ = 0;
  bool is_cut_off_ = false;
  std::deque<Waiting> waiting_;
  std::set<std::string> data_;
  std::set<std::string> children_;
  Lifetime lifetime_;
};

}  // namespace failoverd::simulation
