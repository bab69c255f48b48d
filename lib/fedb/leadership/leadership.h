// Who acts (SAFETY 14): the lock among the daemons, the epoch that every multi checks, and the
// fresh contact without which nothing that changes is sent. Gained means: the lock is held, a new
// epoch is written, what predecessors left is read. Owned by the driver; one thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "lib/base/lifetime.h"
#include "lib/base/loop.h"
#include "lib/core/api/event.h"
#include "lib/fedb/leadership/obstacles.h"
#include "lib/fedb/wire/paths.h"
#include "lib/zookeeper/client.h"
#include "lib/zookeeper/lock.h"

namespace failoverd::fedb {

class Leadership {
 public:
  using Tell = std::function<void(core::Event)>;

  // me: what others read in our lock znode: "<name> <http address>".
  Leadership(Loop& loop, zookeeper::Client& session, Paths paths, std::string me,
             Obstacles& obstacles, Tell tell);
  ~Leadership();
  Leadership(const Leadership&) = delete;
  Leadership& operator=(const Leadership&) = delete;

  // One line about something of ours in ZooKeeper that cannot be read. Must be set.
  std::function<void(std::string)> on_warning;

  // Asked before anything is created: where it says no, the lock is not asked for until
  // try_again(). Must be set.
  zookeeper::Client::MayCreate may_create;
  void try_again() { lock_.try_again(); }

  void session_changed(zookeeper::SessionState state, bool new_session);
  // Gives the lock back, then calls done.
  void release(std::function<void()> done);
  // A multi's epoch check failed: somebody else acts.
  void epoch_is_not_ours();

  bool gained() const { return gained_; }
  std::int64_t epoch() const { return epoch_; }
  Instant fresh_until() const { return fresh_until_; }
  // Held, and fresh contact right now.
  bool may_change() const;
  // The first op of every multi.
  zookeeper::Op epoch_check() const;
  // A znode's value as predecessors left it, if it has fields that this version does not know: to
  // be kept when it is written again. Else nothing.
  std::string left_by_newer(const std::string& path) const;
  // Value of the holder's lock znode, empty if none is known.
  const std::string& holder() const { return lock_.holder(); }

 private:
  void begin();
  // `done` of the paths that must exist have been made.
  void make_ready(std::uint64_t tenure, std::size_t done);
  void look_at_records(std::uint64_t tenure);
  void raise_epoch(std::uint64_t tenure);
  void write_epoch(std::uint64_t tenure, std::int64_t epoch, std::int32_t version);
  void read_records(std::uint64_t tenure);
  // Takes one znode's value; what is wrong with it, or nothing. `newer`: it has fields that this
  // version does not know.
  using Take = std::string (Leadership::*)(const std::string& name, const std::string& value,
                                           bool* newer);
  void read_below(std::uint64_t tenure, const std::string& parent, Take take);
  void read_one(std::uint64_t tenure, const std::string& parent, const std::string& name,
                Take take);
  std::string election_read(const std::string& name, const std::string& value, bool* newer);
  std::string op_read(const std::string& name, const std::string& value, bool* newer);
  std::string kept_read(const std::string& name, const std::string& value, bool* newer);
  std::string hold_read(const std::string& name, const std::string& value, bool* newer);
  void all_read(std::uint64_t tenure);
  void again(std::uint64_t tenure, Duration pause);
  void forget_obstacles();
  void lose(const std::string& why);
  void keep_contact();
  void look_at_epoch(Instant sent);

  Loop& loop_;
  zookeeper::Client& session_;
  const Paths paths_;
  Obstacles& obstacles_;
  Tell tell_;
  zookeeper::Lock lock_;
  Timer contact_timer_;

  std::uint64_t tenure_ = 0;  // Answers to questions of an earlier one are void.
  bool gained_ = false;
  std::int64_t epoch_ = 0;
  std::int32_t epoch_version_ = -1;
  std::int64_t highest_epoch_ = 0;  // That is known to have been, ours or another's.
  std::string epoch_complaint_;     // The latest: said once, not at every attempt.
  Instant fresh_until_;
  std::size_t reads_open_ = 0;
  core::LockGained left_;  // What has been read so far of what predecessors left.
  std::map<std::string, std::string> left_by_newer_;  // By path.
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
