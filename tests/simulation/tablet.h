// A made-up tablet that behaves as FEDB.md 3.2 and 7 say, warts included: it replicates
// asynchronously from a position that it takes once per follower, a follower skips what it has and
// answers ok, ChangeRole(leader) does not look at the term, a stopped process does later what it
// was told earlier, loading, copying and dropping go on behind an answer that was ok. Its disk
// survives its process. Owned by the world.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/core/api/calls.h"
#include "tests/simulation/fake_zookeeper.h"
#include "tests/simulation/log.h"
#include "tests/simulation/schedule.h"

namespace failoverd::simulation {

class World;

// Names a method by its call's place in core::Call, so that a new one has a name at once.
using Method = std::size_t;
Method method_of(const core::Call&);
std::string name_of(Method);
std::optional<Method> method_named(const std::string&);
using core::partition_of;

// Codes that only the made-up tablet needs to know.
inline constexpr int kAddTaskFailed = -1;
inline constexpr int kTableIsFollower = 103;
inline constexpr int kSnapshotIsNotExist = 111;
inline constexpr int kTableMetaIsInvalid = 129;

class Tablet {
 public:
  // A leader's thread for one follower.
  struct Follower {
    std::string endpoint;
    std::optional<core::Offset> position;  // Taken once; then only counted on.
    std::uint64_t process = 0;             // Of the follower's tablet, when it was taken.
    std::uint64_t attempt = 0;             // Of the request under way; 0: none is.
    Instant attempt_began;
    bool woken = false;  // It will look for new entries by itself.
  };

  // A partition in memory.
  struct Held {
    std::string name;  // The table's, as it was told.
    core::Term term = 0;
    core::Mode mode = core::Mode::kFollower;
    core::TableState state = core::TableState::kNormal;
    std::uint64_t instance = 0;  // Tells one stay in memory from the next.
    std::uint64_t run = 0;       // Changes with the role: older threads have ended.
    std::vector<Follower> followers;
    bool from_disk = false;  // LoadTable made it, and no leader has sent to it since.
    // Its run when somebody else than a daemon told it to lead, and no daemon has since; else 0.
    std::uint64_t by_hand = 0;
    Instant loaded_at;  // When it became kTableNormal.
    // While it waits to be loaded, what is appended goes into a new binlog file that begins at
    // offset 0.
    bool new_file = false;
    core::Offset in_new_file = 0;

    // Until then it answers the offset of what was appended since LoadTable, else 0.
    bool loaded() const {
      return state != core::TableState::kUndefined && state != core::TableState::kLoading;
    }
  };

  // A partition's directory.
  struct Directory {
    core::Storage storage = core::Storage::kMemory;  // Whose rows it has.
    Log log;                       // What LoadTable makes of it: the snapshot, then the binlog.
    core::Offset snapshot = 0;     // The manifest's; 0: there is none.
    core::Term snapshot_term = 0;  // The manifest's.
    core::Offset binlog_from = 0;  // The binlog holds what is above.
    // As the binlog was before a file was begun that nothing has been written to yet.
    std::shared_ptr<const Directory> before_new_file;
    bool binlog_moved = false;  // What is written now goes into a file in the recycle bin.
    bool torn = false;          // Its manifest names another snapshot than the one there.
    core::Offset synced = 0;    // What survives a power cut, for certain.
    Instant next_sync;
  };
  struct Dropped {
    core::PartitionKey at;
    Directory directory;
    Instant when;
  };

  struct Append {
    core::PartitionKey at;
    core::Term term = 0;
    bool probe = false;  // pre_log_index 0 and no entries.
    bool by_leader = false;
    core::Offset pre = 0;
    std::vector<Entry> entries;
  };
  struct Appended {
    int code = 0;
    core::Offset offset = 0;  // As it is answered; 0: nothing is said of it.
    std::uint64_t process = 0;
  };
  // Where generations differ (FEDB.md 8); as RTIDB 1.4.1 is, if nothing else is said.
  struct Generation {
    bool changes_role_when_normal_only = true;  // Else only a table that loads refuses.
    bool takes_gaps = false;                    // AppendEntries takes entries behind a gap,
    bool tells_offset_always = false;  // and tells its offset where nothing came that is new.
    int no_follower = core::kOk;       // GetTableFollower of a leader that has none.
    // LoadTable without columns; 0: it makes an empty table (OpenMLDB 0.8.4).
    int no_directory = core::kTableDirIsNotExist;
  };
  static Generation openmldb();  // 0.9.3.

  Tablet(World& world, std::string endpoint);
  Tablet(const Tablet&) = delete;
  Tablet& operator=(const Tablet&) = delete;

  // --- The process
  void start();  // Opens its port, then registers; exits if its old znode is still there.
  void kill();
  void power_cut();  // Its machine is off until it is started: nobody even refuses.
  void pause();
  void resume();
  // Another cluster's tablet takes the address, and holds this: tablet_stranger.cc. What ours has
  // on its disk is safe.
  void start_stranger(std::vector<core::ReplicaStatus> holds);
  void stranger_holds(std::vector<core::ReplicaStatus> holds);
  Generation generation;
  bool is_stranger() const { return stranger_.has_value(); }
  Instant ended_at() const { return ended_at_; }  // The process before this one, the last time.
  bool running() const { return running_; }
  bool paused() const { return paused_; }
  bool powered() const { return powered_; }
  bool serves() const { return running_ && !paused_ && !stranger_; }
  std::uint64_t process() const { return process_; }
  SessionId session() const { return session_; }
  bool registered() const;
  // What reaches the process: done now, or once it goes on, or never if it dies before.
  void take(Work);
  void after(Duration, Work);

  // --- Its services. `done` may be called later, or never; `carried_out` at the moment of truth.
  // `storage`: as the call says of its table; with the wrong one nothing is found on the disk.
  using Done = std::function<void(const core::Answer&)>;
  void call(const core::Call&, Done done, Done carried_out = nullptr,
            core::Storage storage = core::Storage::kMemory);
  std::optional<Entry> put(core::PartitionKey, Payload, int& code);
  Appended append(const Append&);
  // `leader`: as leader of that term, as no command of failoverd's does (SAFETY 19). Once it is
  // loaded it sends to `replicas`.
  core::Answer load_table(const core::LoadTable&, std::optional<core::Term> leader,
                          const std::vector<std::string>& replicas = {},
                          core::Storage storage = core::Storage::kMemory);

  // --- Misbehaviour
  void hang(Method method) { hanging_.insert(method); }
  void unhang();  // What hung is done now.
  void fail(Method method, int code, int times) { failing_[method] = {code, times}; }
  void stop_failing();
  // Tasks of this kind wait until they are let go: before a thread takes them up, or at their end.
  enum class Stage { kQueued, kInside };
  void hold(core::Task, Stage);
  void let_go();
  void fail_next_load() { load_fails_ = true; }
  bool misbehaves() const { return !hanging_.empty() || !failing_.empty() || slow > Duration{}; }
  Duration slow{};  // Every answer takes so much longer.
  void set_state(core::PartitionKey, core::TableState);
  void promote_by_hand(core::PartitionKey, core::Term);
  void promoted_by_hand(core::PartitionKey);  // Just now, with a call of somebody else's.
  void lose_session();  // Its znode goes, it serves on and comes back by itself.

  // --- What it holds
  std::map<core::PartitionKey, Directory> disk;
  std::vector<Dropped> recycle_bin;  // In the order in which they came there.
  std::map<core::PartitionKey, Held> memory;
  std::map<std::pair<core::OpId, core::Task>, core::OpStatus> tasks;
  const std::string& endpoint() const { return endpoint_; }
  const Held* held(core::PartitionKey) const;
  const Log& log(core::PartitionKey) const;  // On its disk; empty where there is no directory.
  core::Offset offset(core::PartitionKey, const Held&) const;  // As it answers it.
  std::uint64_t appends() const { return appends_; }           // That reached its process.
  bool leads(core::PartitionKey) const;
  // The table is made, as the nameserver's CreateTable does.
  void create(core::PartitionKey, const std::string& name, core::Mode, core::Term,
              const std::vector<std::string>& followers,
              core::Storage storage = core::Storage::kMemory);
  // What LoadTable leaves in memory: the replica with this log, from wherever it came.
  void load(core::PartitionKey, core::Mode, core::Term, Log);
  void add_replica(core::PartitionKey, const std::string& follower);
  // As the schedule of the tablet's own has it; nothing happens unless it is kTableNormal.
  // `then`: it has been made, or not.
  void make_snapshot(
      core::PartitionKey, std::function<void(bool made)> then = [](bool) {});
  // What neither the snapshot nor a follower needs goes from the binlog.
  void delete_old_binlogs(core::PartitionKey);

 private:
  struct Failing {
    int code = 0;
    int times = 0;
  };
  struct Copy;
  enum class File { kMeta, kSnapshot, kManifest };

  core::Answer carry_out(const core::Call&, core::Storage);
  core::Answer stranger_answers(const core::Call&) const;
  core::Answer status(const core::GetTableStatus&) const;
  core::Answer term_pair(core::PartitionKey, core::Storage) const;
  const Directory* directory(core::PartitionKey, core::Storage) const;
  core::Answer probe(const core::Probe&);
  core::Answer promote(const core::Promote&);
  core::Answer demote(core::PartitionKey);
  int refuses_role(const Held&) const;  // The code; kOk: it does not.
  core::Answer add_replica_asked(const core::AddReplica&);
  core::Answer del_replica(const core::DelReplica&);
  core::Answer followers(core::PartitionKey) const;
  // Until when the thread of a follower that does not answer is waited for.
  Instant joined(const Held&, const std::string* only) const;

  // --- Disk, tasks: tablet_disk.cc
  core::Answer pause_snapshot(core::PartitionKey);
  core::Answer recover_snapshot(core::PartitionKey);
  core::Answer manifest(core::PartitionKey, core::Storage) const;
  core::Answer load_table(const core::LoadTable&, core::Storage);
  core::Answer drop_table(const core::DropTable&);
  core::Answer delete_binlog(core::PartitionKey, core::Storage);
  core::Answer make_snapshot_asked(const core::MakeSnapshot&);
  core::Answer task_status() const;
  core::Answer delete_op_task(core::OpId);
  // Tells a task from another one that was registered under its key before it.
  using Registration = std::uint64_t;
  Registration register_task(core::OpId, core::Task);  // 0: refused.
  void end_task(core::OpId, core::Task, Registration, bool done);
  void failed_before(const core::Call&);
  // On one of its few task threads, when its turn comes.
  void queue_task(core::Task, Work);
  void pass(core::Task, Stage, Work);
  void run_task(Work);
  void task_thread_free();
  bool is(core::PartitionKey, std::uint64_t instance) const;  // Still in memory.
  void loading_ends(const core::LoadTable&, std::uint64_t instance,
                    const std::vector<std::string>& replicas, Registration);
  void load_is_over(const core::LoadTable&, Registration, bool loaded);
  void loading_from_disk_ends(const core::LoadTable&, core::Mode, core::Term, Registration);
  void dropping_ends(const core::DropTable&, Registration, std::uint64_t instance);
  void drop(core::PartitionKey);
  bool snapshot_made(core::PartitionKey, core::Offset up_to, std::uint64_t instance);
  void about_to_write(Directory&);
  // While the partition waits to be loaded (SAFETY 19).
  void begin_new_file(Directory&, Held&);
  void write_to_new_file(Directory&, Held&, const Entry&);
  void forget_memory();

  // --- Copies: tablet_send.cc
  core::Answer send_snapshot(const core::SendSnapshot&);
  void send_file(const std::shared_ptr<Copy>&);
  void file_sent(const std::shared_ptr<Copy>&, std::uint64_t attempt, bool ok);
  void copied(const Copy&, bool ok);
  bool receive(const Copy&, File);

  // --- Replication: tablet_replication.cc
  void set_followers(core::PartitionKey, Held&, const std::vector<std::string>&);
  Follower* follower(core::PartitionKey, std::uint64_t run, const std::string& endpoint);
  void wake(core::PartitionKey, Held&, Follower&, Duration);
  void replicate(core::PartitionKey, std::uint64_t run, const std::string& to);
  void replicated(core::PartitionKey, std::uint64_t run, const std::string& to,
                  std::uint64_t attempt, core::Offset sent, const std::optional<Appended>&);

  // --- Its session: tablet_registration.cc
  void register_first();
  void ping();
  void register_again();

  World& world_;
  const std::string endpoint_;
  bool running_ = false;
  bool paused_ = false;
  bool powered_ = true;
  std::uint64_t process_ = 0;
  SessionId session_ = 0;
  std::optional<std::vector<core::ReplicaStatus>> stranger_;
  Instant ended_at_;
  std::vector<Work> backlog_;  // What came while it was stopped.
  std::uint64_t last_run_ = 0;
  std::uint64_t last_attempt_ = 0;
  Instant mutex_free_;  // Its one mutex is held until then.

  int busy_task_threads_ = 0;
  std::deque<Work> waiting_tasks_;
  std::map<std::pair<core::OpId, core::Task>, Registration> registered_;
  // Of those that say what partition they are of.
  std::map<std::pair<core::OpId, core::Task>, core::PartitionKey> tasks_of_;
  Registration last_registration_ = 0;
  std::set<std::pair<core::PartitionKey, std::string>> sending_;

  std::set<Method> hanging_;
  std::vector<Work> hung_;
  std::map<Method, Failing> failing_;
  bool load_fails_ = false;
  std::set<std::pair<core::Task, Stage>> holds_;
  std::vector<Work> held_back_;
  std::uint64_t appends_ = 0;
};

core::Answer answer(int code, std::string text = {});
core::Answer no_table();

}  // namespace failoverd::simulation
