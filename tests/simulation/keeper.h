// The made-up ZooKeeper: the znodes that failoverd and the tablets use, as typed values, with
// sessions that expire, ephemeral znodes, and multis that are all or nothing. One server, so that
// everybody sees one order; delays, lost answers and watches are the business of those who talk to
// it. Owned by the world.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/core/api/command.h"
#include "lib/core/api/event.h"
#include "tests/simulation/schedule.h"

namespace failoverd::simulation {

using SessionId = std::uint64_t;

class Keeper {
 public:
  explicit Keeper(Schedule& schedule) : schedule_(schedule) {}

  // --- Sessions
  SessionId open(const std::string& owner, Duration timeout);
  bool alive(SessionId) const;
  void heard(SessionId);   // A ping or a request came: it lives for its timeout from now on.
  void expire(SessionId);  // Its ephemeral znodes go.

  // --- nodes/: the tablets
  struct Node {
    core::Incarnation czxid = 0;
    bool startup = false;
    SessionId session = 0;
    Instant since;
  };
  bool register_tablet(const std::string& endpoint, bool startup, SessionId);
  void remove_tablet(const std::string& endpoint);
  const std::map<std::string, Node>& nodes() const { return nodes_; }
  core::TabletsListed list_tablets() const;

  // --- Tables
  const std::map<std::string, core::TableShape>& tables() const { return tables_; }
  const core::TableShape* table(core::PartitionKey) const;
  const core::PartitionShape* partition(core::PartitionKey) const;
  // Somebody else than failoverd writes: the version rises, without compare.
  void write_table(core::TableShape, const std::string& by);
  void drop_table(const std::string& znode);
  // From now on the znode does not parse; nullopt: it does again.
  void poison(const std::string& znode, std::optional<std::string> why);
  const std::map<std::string, std::string>& poisoned() const { return poisoned_; }

  // --- What it refuses (SAFETY 22)
  // It does not take this table, or what is kept of its replicas; nullopt: it does again. An ACL
  // may be seen by whoever reads the table. No watch tells.
  void refuse(const std::string& znode, std::optional<core::Refused> how, std::string acl = {});
  const std::map<std::string, core::Refused>& refuses() const { return refuses_; }
  std::string acl(const std::string& znode) const;
  // A request that is longer costs its sender the connection.
  void set_longest(std::size_t bytes);
  bool takes_length(std::size_t bytes) const { return bytes <= longest_; }
  bool takes_length(const core::Publish&) const;
  // This table's publish was impossible within that time.
  bool was_troubled(const std::string& znode, Duration within) const;
  core::TableTried try_table(SessionId, std::int64_t epoch, const core::TryTable&) const;

  // --- What a daemon changes; each with the epoch check
  bool may_write(SessionId, std::int64_t epoch) const;
  core::Published publish(SessionId, std::int64_t epoch, const core::Publish&,
                          const std::string& by);
  core::TermsReserved reserve(SessionId, std::int64_t epoch, const core::ReserveTerms&);
  core::OpIdsReserved reserve(SessionId, std::int64_t epoch, const core::ReserveOpIds&);
  bool write(SessionId, std::int64_t epoch, const core::ElectionRecord&);
  bool drop(SessionId, std::int64_t epoch, const std::string& record);
  bool write(SessionId, std::int64_t epoch, const core::WriteJournal&);
  // What a new holder of the lock is told, with its new epoch.
  core::LockGained take_over();
  const std::map<std::string, core::ElectionRecord>& records() const { return records_; }
  const std::map<core::OpId, core::BegunOp>& begun() const { return begun_; }
  // By their znode: number modulo kFinishedZnodes.
  const std::map<std::uint64_t, core::FinishedOps>& finished() const { return finished_; }
  const core::Kept* kept(core::PartitionKey, const core::Endpoint&) const;
  core::Term term() const { return term_; }
  void set_term(core::Term term) { term_ = term; }

  // --- The lock of the daemons, and their epoch
  void join_lock(SessionId);
  std::optional<SessionId> lock_holder() const;
  std::int64_t next_epoch() { return ++epoch_; }  // Somebody else's than a daemon's.
  std::int64_t epoch() const { return epoch_; }

  // --- leader/ and the switch
  const std::vector<std::string>& nameservers() const { return nameservers_; }
  void set_nameservers(std::vector<std::string>);
  core::SwitchRead auto_failover() const { return {switch_, switched_by_}; }
  void set_auto_failover(bool on, const std::string& by);

  // --- Told after each change. `what` is one of the k... below, or kTable + the znode.
  static constexpr const char* kNodes = "nodes";
  static constexpr const char* kTables = "tables";
  static constexpr const char* kNameservers = "leader";
  static constexpr const char* kSwitch = "auto_failover";
  static constexpr const char* kTable = "t:";
  std::function<void(const std::string& what)> changed;
  std::function<void()> lock_changed;
  std::function<void(const std::string& owner, SessionId)> expired;
  std::function<void(const core::TableShape& before, const core::TableShape& after,
                     const std::string& by)>
      table_written;

 private:
  struct Session {
    std::string owner;
    Duration timeout{};
    Instant last_heard;
    bool alive = true;
  };
  void watch_session(SessionId);
  static void apply(const core::TableEdit&, core::TableShape&);
  const core::Refused* refused(const core::TableEdit&) const;
  void note_trouble();
  void keep(const core::TableEdit&);

  Schedule& schedule_;
  std::int64_t zxid_ = 100;
  std::map<SessionId, Session> sessions_;
  std::map<std::string, Node> nodes_;
  std::map<std::string, core::TableShape> tables_;
  std::map<std::string, std::string> poisoned_;
  std::map<std::string, core::Refused> refuses_;
  std::map<std::string, std::string> acls_;
  std::size_t longest_ = 0xfffff;
  std::map<std::string, Instant> troubled_;  // By znode: last seen so.
  std::map<std::string, core::ElectionRecord> records_;
  std::map<core::OpId, core::BegunOp> begun_;
  std::map<std::uint64_t, core::FinishedOps> finished_;
  std::map<core::PartitionKey, std::map<core::Endpoint, core::Kept>> kept_;
  std::vector<SessionId> lock_;  // In the order of their sequence numbers.
  std::vector<std::string> nameservers_;
  core::Term term_ = 0;
  core::OpId op_index_ = core::kFirstOpId - 1;
  std::int64_t epoch_ = 0;
  bool switch_ = true;
  std::string switched_by_ = "file";
};

}  // namespace failoverd::simulation
