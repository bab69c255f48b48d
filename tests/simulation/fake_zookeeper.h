// The made-up ZooKeeper: its leader, who has every znode as bytes, sessions that expire, and writes
// that are all or nothing, in one order. Clients reach it through a server of their own
// (fake_zookeeper_server.h, fake_zookeeper_client.h). What stands in its znodes is told to tests as
// values, too: read from the bytes with the daemon's own code. Owned by the world.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/core/api/election_record.h"
#include "lib/core/api/event.h"
#include "lib/core/api/journal_entry.h"
#include "lib/fedb/wire/generation.h"
#include "lib/fedb/wire/paths.h"
#include "tests/simulation/fake_zookeeper_server.h"
#include "tests/simulation/schedule.h"
#include "tests/simulation/znodes.h"

namespace failoverd::simulation {

using SessionId = std::int64_t;

class FakeZooKeeper {
 public:
  explicit FakeZooKeeper(Schedule& schedule);

  static constexpr const char* kRoot = "/cluster";
  const fedb::Paths& paths() const { return paths_; }

  // --- Sessions
  // `ended` is called when it has expired.
  SessionId open(const std::string& owner, Duration timeout, std::function<void()> ended = nullptr);
  bool alive(SessionId) const;
  void heard(SessionId);   // A ping or a request came: it lives for its timeout from now on.
  void expire(SessionId);  // Its ephemeral znodes go.

  // --- Requests
  struct Written {
    zookeeper::Code code = zookeeper::Code::kOk;
    std::vector<zookeeper::OpResult> results;
  };
  // All of them or none. session 0: somebody's, who is never refused.
  Written write(const std::vector<zookeeper::Op>&, SessionId session, const std::string& by);
  std::vector<zookeeper::Acl> acl_of(const std::string& path) const;
  // What all servers have sooner or later.
  const Znodes& znodes() const { return znodes_; }
  std::int64_t zxid() const { return zxid_; }
  void add(FakeServer& server) { servers_.push_back(&server); }
  void remove(FakeServer& server) { std::erase(servers_, &server); }

  // --- nodes/: the tablets
  struct Node {
    core::Incarnation czxid = 0;
    bool startup = false;
    SessionId session = 0;
    Instant since;
  };
  bool register_tablet(const std::string& endpoint, bool startup, SessionId);
  const std::map<std::string, Node>& nodes() const { return nodes_; }

  // --- Tables: as they were last readable
  fedb::Numbering numbering = fedb::Numbering::kFedb;  // Of all of them.
  const std::map<std::string, core::TableShape>& tables() const { return tables_; }
  const core::TableShape* table(core::PartitionKey) const;
  const core::PartitionShape* partition(core::PartitionKey) const;
  // Somebody else than failoverd writes: the version rises, without compare.
  void write_table(const core::TableShape&, const std::string& by);
  // Somebody changes what failoverd does not look at: this counts how often.
  void touch_table(const std::string& znode);
  std::uint64_t touched(const std::string& znode) const { return touched_.at(znode); }
  void drop_table(const std::string& znode);
  // Somebody writes what does not parse, or what stood there before.
  void poison(const std::string& znode);
  void cure(const std::string& znode);
  const std::map<std::string, std::string>& poisoned() const { return poisoned_; }

  // --- What it refuses (SAFETY 22)
  // It does not take this table, or what is kept of its replicas; nullopt: it does again. An ACL
  // may be seen by whoever reads the table. No watch tells.
  void refuse(const std::string& znode, std::optional<core::Refused> how, bool is_seen = false);
  // Nobody may read this znode, whatever it is of, or whether it is there; or everybody may again.
  void hide(const std::string& path, bool is = true);
  bool hides(const std::string& path) const { return hidden_.contains(path); }
  // A request that is longer costs its sender the connection.
  void set_longest(std::size_t bytes);
  bool takes_length(std::size_t bytes) const { return bytes <= longest_; }
  // This table's publish was impossible within that time.
  bool was_troubled(const std::string& znode, Duration within) const;

  // --- What daemons write
  bool may_write(SessionId, std::int64_t epoch) const;
  const std::map<std::string, core::ElectionRecord>& records() const { return records_; }
  const std::map<core::OpId, core::BegunOp>& begun() const { return begun_; }
  // An op's entry says that it hands the partition over from there (SAFETY 12).
  bool steps_down(core::PartitionKey, const core::PartitionShape&, const core::Endpoint&) const;
  // By their znode: number modulo kFinishedZnodes.
  const std::map<std::string, core::FinishedOps>& finished() const { return finished_; }
  const core::Lineage* kept(core::PartitionKey, const core::Endpoint&) const;
  core::Term term() const { return term_; }
  void set_term(core::Term term);

  // --- The lock of the daemons, and their epoch
  std::optional<SessionId> lock_holder() const;
  std::int64_t epoch() const { return epoch_; }

  // --- leader/ and the switch
  const std::vector<std::string>& nameservers() const { return nameservers_; }
  void set_nameservers(const std::vector<std::string>&);
  core::SwitchRead auto_failover() const { return switch_; }
  void set_auto_failover(bool on, const std::string& by);
  void remove_auto_failover();  // Somebody deletes its znode.

  // --- Told after each change
  std::function<void(const core::TableShape& before, const core::TableShape& after,
                     const std::string& by)>
      table_written;

 private:
  struct Session {
    std::string owner;
    Duration timeout{};
    Instant last_heard;
    std::function<void()> ended;
    bool alive = true;
  };
  void watch_session(SessionId);
  std::optional<zookeeper::OpResult> refusal(const zookeeper::Op&) const;
  void commit(const std::vector<ZnodeState>& before, const std::string& by);
  void set_value(const std::string& path, const std::string& value, const std::string& by);
  void note_trouble();

  // --- The values: fake_zookeeper_values.cc
  void read(const ZnodeState&, const std::string& by);
  void read_table(const std::string& znode, const std::optional<Znode>&, const std::string& by);
  void read_record(const std::string& name, const std::optional<Znode>&);
  void read_op(const std::string& name, const std::optional<Znode>&);
  void read_kept(const std::string& name, const std::optional<Znode>&);
  void read_lock(const std::string& name, const std::optional<Znode>&);
  void read_node(const std::string& name, const std::optional<Znode>&);

  Schedule& schedule_;
  const fedb::Paths paths_{kRoot};
  Znodes znodes_;
  std::int64_t zxid_ = 100;
  std::map<SessionId, Session> sessions_;
  std::vector<FakeServer*> servers_;

  std::map<std::string, std::shared_ptr<const std::string>> readable_;  // By znode: what was last.
  std::map<std::string, std::string> poisoned_;
  std::map<std::string, core::Refused> refuses_;
  std::map<std::string, bool> refusal_is_seen_;
  std::set<std::string> hidden_;
  std::size_t longest_ = zookeeper::kLongestRequest;
  std::map<std::string, Instant> troubled_;  // By znode: last seen so.

  std::map<std::string, Node> nodes_;
  std::map<std::string, core::TableShape> tables_;
  std::map<std::string, std::uint64_t> touched_;
  std::map<std::string, core::ElectionRecord> records_;
  std::map<core::OpId, core::BegunOp> begun_;
  std::map<std::string, core::FinishedOps> finished_;
  std::map<core::PartitionKey, std::map<core::Endpoint, core::Lineage>> kept_;
  std::map<std::int64_t, SessionId> lock_;  // By sequence.
  std::vector<std::string> nameservers_;
  core::Term term_ = 0;
  std::int64_t epoch_ = 0;
  core::SwitchRead switch_;
};

}  // namespace failoverd::simulation
