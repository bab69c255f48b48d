// A nameserver of the made-up world: it stands in the queue of leader/, reads everything when it
// leads, and from then on trusts its memory: it never looks at a table's znode again and writes
// with version -1 (FEDB.md 1, 5). It does nothing by itself but what hands tell it to. Owned by the
// world, also when its process is gone.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/core/api/types.h"
#include "proto/table_info.pb.h"
#include "tests/simulation/fake_zookeeper_client.h"
#include "tests/simulation/nameserver_link.h"
#include "tests/simulation/random.h"
#include "tests/simulation/schedule.h"

namespace failoverd::simulation {

class World;

class Nameserver {
 public:
  Nameserver(World& world, std::string endpoint, std::uint64_t seed);
  Nameserver(const Nameserver&) = delete;
  Nameserver& operator=(const Nameserver&) = delete;

  // What a nameserver's first start makes, which the made-up ZooKeeper has not.
  static void make_znodes(World&, bool auto_failover);

  const std::string& endpoint() const { return endpoint_; }

  // --- Its process
  void start();
  void kill();   // Its session lives on until it expires.
  void pause();  // Nothing comes of it, its session neither.
  void resume();
  void lose_connection();  // To ZooKeeper; it connects again by itself.
  bool running() const { return client_ != nullptr; }
  bool paused() const { return paused_; }
  std::uint64_t process() const { return process_; }
  void when_it_ends(Work what) { ends_.push_back(std::move(what)); }
  // Not before it has been reading for so long it answers otherwise than with 300.
  Range reads_for;
  // It looks every 2 s whether a task is done, and does the next then (FEDB.md 6); two of them lie
  // between its ChangeRole and what it writes of that.
  Range looks_at_tasks{Duration{0}, std::chrono::seconds{4}};

  // --- What it knows
  bool serves() const { return serves_; }  // It leads, as it believes, and has read everything.
  bool auto_failover() const { return auto_failover_; }
  // Values of znodes, by their names below the root.
  const std::map<std::string, std::string>& tables() const { return tables_; }
  std::optional<core::TableShape> table(const std::string& znode) const;

  // --- Its services: done when the process comes to it; `reply` is called then or later, or never.
  using Reply = std::function<void(const std::string& payload)>;
  void take(const NameserverCall&, Reply reply);
  double breaks = 0;  // So often the connection ends instead of an answer.

  // --- Its own hands: what somebody orders there. Nothing happens unless it serves and does not
  // steer.
  void set_alive(core::PartitionKey, const core::Endpoint&, bool is_alive);
  void write_again(const std::string& znode);  // As it is in memory.
  // Where ops of its own run.
  std::set<core::PartitionKey> works_on() const;
  // Its own kChangeLeaderOP, step by step; it goes on wherever it was stopped.
  void change_leader(core::PartitionKey);
  void switch_auto_failover(bool on);
  void touch_table(const std::string& znode);
  void drop_table(const std::string& znode);

  // Whose word the write is that ZooKeeper has just carried out. None: its own.
  struct For {
    std::string daemon;
    std::int64_t epoch = 0;
    std::uint32_t pid = 0;
  };
  std::optional<For> written(const std::string& znode);

 private:
  using Code = zookeeper::Code;
  using Then = std::function<void(bool ok)>;
  struct Write {
    std::uint64_t id = 0;
    std::string znode;
    std::optional<For> by;
    bool is_done = false;
  };
  struct Change;
  using ChangePtr = std::shared_ptr<Change>;

  // Done here, later if it is stopped, never if this process is gone.
  void run(std::uint64_t process, const Work& work);
  Work in_process(Work work);
  void later(Duration, Work);
  std::string path(const std::string& znode) const;

  // --- nameserver.cc: when it leads
  void session_changed(zookeeper::SessionState, bool new_session);
  void queue_up();
  void look_at_queue();
  void leads(bool);
  void read_everything(std::uint64_t reign);
  void read_tables(std::uint64_t reign, const std::vector<std::string>& names);
  void has_read(std::uint64_t reign);
  // The table as it is in memory, and table/notify behind it.
  void write(const std::string& znode, const std::optional<For>& by, const Then& then);
  void bump(const Then& then);
  void unblock();

  // --- nameserver_calls.cc
  void answer(const NameserverCall&, const Reply&);
  void show_tables(const Reply&);
  void show_ops(const std::string& request, const Reply&);
  void conf_get(const Reply&);
  void conf_set(const std::string& request, const Reply&);
  void get_partition(const std::string& request, const Reply&);
  void set_partition(const NameserverCall&, const Reply&);
  std::string znode_of(const std::string& table) const;

  // --- nameserver_hands.cc
  bool may_be_told() const { return running() && !paused_ && serves_ && !auto_failover_; }
  std::string znode_of(core::PartitionKey) const;
  const core::PartitionShape* partition(core::PartitionKey, core::TableShape& table) const;
  bool change_partition(core::PartitionKey,
                        const std::function<void(fedb::TablePartition&)>& change);
  void begin(const ChangePtr&);
  void probe(const ChangePtr&);
  void probed(const ChangePtr&, const core::Endpoint&, const core::Answer&);
  void promote(const ChangePtr&);
  void promoted(const ChangePtr&);
  void end(const ChangePtr&, bool done);
  void tell(const core::Endpoint&, const core::Call&, std::function<void(const core::Answer&)>);

  World& world_;
  const std::string endpoint_;
  Random random_;
  std::shared_ptr<FakeClient> client_;  // None: it does not run.
  bool paused_ = false;
  std::uint64_t process_ = 0;
  std::vector<Work> inbox_;  // What came while it was stopped.
  std::vector<Work> ends_;
  std::vector<std::string> locks_;  // Its znodes below leader/.
  bool leads_ = false;
  std::uint64_t reign_ = 0;

  bool serves_ = false;
  bool auto_failover_ = false;
  std::uint64_t term_ = 0;
  std::uint64_t op_index_ = 0;
  std::map<std::string, std::string> tables_;
  std::map<std::uint64_t, fedb::OPInfo> ops_;             // That run.
  std::map<std::uint64_t, core::PartitionKey> works_on_;  // Those whose znodes are there.
  std::size_t unread_ = 0;

  std::vector<Write> writes_;  // In the order of sending.
  std::deque<Work> blocked_;   // Calls that wait for them.
  std::uint64_t last_write_ = 0;
};

}  // namespace failoverd::simulation
