// What people and programs may see of failoverd, and what they may ask of it: plain rows and one
// abstract Source that the daemon implements. Nothing here knows HTTP, JSON, protobuf or the core,
// so that the HTTP API, the page and the NameServer RPC all show the same words.
//
// All of Source is called on the loop's thread and returns at once: it copies from memory, and
// never waits for ZooKeeper or a tablet. Times ending in _ms are Unix milliseconds, 0 for "not
// yet"; ages are milliseconds that have passed, and empty where the thing never happened.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace failoverd::admin {

struct Field {
  std::string key;
  std::string value;
};

// A word and how many there are of it: {"healthy", 24}.
struct Count {
  std::string word;
  std::uint64_t count = 0;
};

struct TabletRow {
  std::string endpoint;
  // healthy, suspect, crashed, lost, cut_off, restarted, hung or stranger.
  std::string state;
  std::string shown;         // What operators know: kTabletHealthy or kTabletOffline.
  std::uint64_t age_ms = 0;  // Since `shown` last changed.
  bool startup = false;      // Its znode's value begins with startup_.
  std::string incarnation;   // ephemeralOwner and czxid of its znode, empty without one.
  std::optional<std::uint64_t> last_answer_age_ms;
  std::string detail;  // One sentence: why this state, and what is looked at next. May be empty.
};

// One replica of one partition, as metadata has it, with what its tablet said last.
struct ReplicaRow {
  std::string name;
  std::string db;  // Empty outside a database.
  std::uint32_t tid = 0;
  std::uint32_t pid = 0;
  std::string endpoint;
  bool is_leader = false;
  bool is_alive = false;
  std::uint64_t ttl = 0;
  std::string ttl_type;       // kAbsoluteTime (minutes) or kLatestTime (a number of rows).
  std::string compress_type;  // kNoCompress or kSnappy.
  // Empty when its tablet never told.
  std::optional<std::uint64_t> offset;
  std::optional<std::uint64_t> record_cnt;
  std::optional<std::uint64_t> memused;  // Bytes.
  // How much older than the question for these rows `offset` is; 0: the tablet answered it. Only
  // the active daemon asks tablets: elsewhere it is the age.
  std::optional<std::uint64_t> offset_age_ms;
};

// Which tables are asked for; what is not said matches all.
struct TableFilter {
  std::optional<std::string> name;
  std::optional<std::string> db;
  bool matches(const std::string& its_name, const std::string& its_db) const {
    return (!name || *name == its_name) && (!db || *db == its_db);
  }
};

// What the list of tables is sorted by, and where a page of it ends.
struct ReplicaKey {
  std::string db;
  std::string name;
  std::uint32_t pid = 0;
  std::string endpoint;
  auto operator<=>(const ReplicaKey&) const = default;
};

// More rows than that are on no page: an answer is built in one turn of the loop.
inline constexpr std::size_t kMostRows = 1000;

// One page of a list: the first rows behind where the last one ended.
template <class Row>
struct ListPage {
  std::vector<Row> rows;
  std::uint64_t total = 0;  // Of the whole list.
  bool more = false;        // Others follow behind these.
};

struct TablesAsked {
  TableFilter filter;
  std::optional<ReplicaKey> after;
  std::size_t limit = kMostRows;
};

// Which partitions of a table are asked for.
struct PartitionsAsked {
  std::string name;
  std::string db;                      // Empty: the table is outside every database.
  std::optional<std::uint32_t> pid;    // None: all.
  std::optional<std::uint32_t> after;  // Those behind this one.
  std::size_t limit = kMostRows;
};

// A partition as its table's znode has it.
struct WrittenPartition {
  std::string name;
  std::string db;
  std::uint32_t pid = 0;
  std::string etag;  // Another one means that something of it is otherwise.
  std::string json;  // The whole TablePartition, an object.
};

struct OpsAsked {
  std::optional<std::string> name;
  std::optional<std::string> db;
  std::optional<std::uint32_t> pid;
  std::uint64_t after = 0;
  std::size_t limit = kMostRows;
};

struct OpRow {
  std::uint64_t op_id = 0;
  std::string op_type;  // kChangeLeaderOP, ...
  std::string name;
  std::string db;
  std::uint32_t pid = 0;
  std::string endpoint;  // The tablet whose replica it is about; empty: about all of them.
  std::string status;    // kInited, kDoing, kDone, kFailed or kCanceled.
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;  // 0 while it runs.
  std::string cur_task;     // kSelectLeader, ...; empty when it is at none.
  std::string detail;       // Why it failed, or what it waits for. May be empty.
  // While it runs, how much of its copy or of the follower's offset is done, 0 to 1; empty where
  // nobody can tell.
  std::optional<double> progress;
  // Of one that changed a leader: milliseconds without one, and how many entries may be lost, at
  // least. Empty: it did not, or nobody knows.
  std::optional<std::uint64_t> without_leader_ms = {};
  std::optional<std::uint64_t> may_have_lost = {};
  bool loss_is_exact = false;  // The old leader said itself that it held no more.
};

struct ConfRow {
  std::string key;
  std::string value;
};

struct EventRow {
  std::uint64_t id = 0;  // Rises by one; never given out twice by one daemon process.
  std::int64_t time_ms = 0;
  std::string severity;  // info, warning or critical.
  std::string kind;      // snake_case word for programs: tablet_lost, auto_failover_changed, ...
  std::string text;      // One sentence for people.
  std::vector<Field> fields;
};

// An event that is kept, with its JSON, which is made once, for the first who reads it.
class LoggedEvent {
 public:
  explicit LoggedEvent(EventRow row) : row_(std::move(row)) {}
  const EventRow& row() const { return row_; }
  const std::string& json() const;

 private:
  const EventRow row_;
  mutable std::string json_;
};
using LoggedEvents = std::vector<std::shared_ptr<const LoggedEvent>>;

// A partition that is not as it should be.
struct PartitionRow {
  std::string name;
  std::string db;
  std::uint32_t pid = 0;
  std::string state;      // degraded, leaderless, recovering or held.
  std::string diagnosis;  // The diagnosis' word: leader_lost, ...
  std::string text;       // What is wrong, one sentence.
  std::string waits_for;  // What it waits for and what would lift that; empty: it is being mended.
  std::int64_t since_ms = 0;
};

// Why failoverd changes nothing, or not this: shown until it no longer holds.
struct Reason {
  std::string word;  // Label of failoverd_stands_back{reason}.
  std::string text;  // One sentence: what, and what lifts it.
  std::int64_t since_ms = 0;
};

// Something is left waiting on purpose: until when, and what lifts it.
struct HoldRow {
  struct Lost {
    std::string endpoint;       // The tablet that is waited for.
    std::uint64_t entries = 0;  // So many, at least, its replica is known to hold that are missing.
    bool loads = false;         // It is back, and loads.
  };
  // Label of failoverd_holds{reason}: known_loss, lost_disk, cannot_load, operator.
  std::string word;
  std::string text;  // One sentence: what is held, and why.
  std::int64_t since_ms = 0;
  std::int64_t until_ms = 0;  // 0: as long as it takes.
  std::string lifted_by;
  // The partition; without a pid: it is no single one.
  std::string name;
  std::string db;
  std::optional<std::uint32_t> pid;
  std::vector<Lost> waits_for;
  // An operator's: its number, what it keeps, whose it is, and why.
  std::optional<std::uint64_t> id = {};
  std::string what = {};
  std::string by = {};
  std::string why = {};
};

// How far recoverdata's look is, which loads what nobody leads; number 0: there was none since this
// daemon acts.
struct DataLookView {
  std::uint64_t number = 0;
  std::string by;
  std::uint64_t replicas = 0;  // It asks.
  std::uint64_t still = 0;     // Of these it waits for; 0: it has ended.
  // Those that could not be loaded, a sentence each. The daemon may bound it.
  std::vector<std::string> not_loaded;
  std::uint64_t not_loaded_total = 0;
};

// How far a recoverdata is; number 0: there was none since this daemon acts.
struct DataRecoveryView {
  std::uint64_t number = 0;
  std::string by;
  std::uint64_t partitions = 0;  // That were not healthy when it began.
  std::uint64_t healthy = 0;     // Of these, now.
  std::uint64_t still = 0;       // It works on; 0: it has ended.
  // What it could not mend, a sentence each. The daemon may bound it; left_total is all.
  std::vector<std::string> left;
  std::uint64_t left_total = 0;
};

// A znode with metadata that failoverd leaves alone because it cannot read it.
struct UnreadableTable {
  std::string name;   // Table name, or tid for tables of a database.
  std::string znode;  // Full path.
  std::string reason;
};

// A table that can be read and of which nothing is changed, because ZooKeeper does not take it.
struct RefusedTable {
  std::string name;
  std::string db;
  std::string znode;   // Full path.
  std::string reason;  // Label of failoverd_tables_left_alone{reason}: too_large, no_auth, refused.
  std::string text;    // ZooKeeper's own word, and whose.
  std::int64_t since_ms = 0;
};

struct SwitchView {
  bool known = false;  // The znode has been read.
  bool value = false;
  std::string who;   // Who set it, as recorded; may be empty.
  std::string from;  // From where: a file, an address.
  std::int64_t at_ms = 0;
  std::optional<bool> file = {};  // What this daemon's file says; none: nothing.
};

struct ReloadView {
  std::string file;  // The configuration file.
  bool ok = true;    // The last load or reload took effect.
  std::string line;  // What was wrong with it: file, line, column, key, value and what is right.
  std::int64_t at_ms = 0;
};

struct HolderView {
  std::string name;     // The active daemon, HOST:PORT; empty when none is known.
  std::string address;  // Where clients on this host reach it; empty: only its own host does.
};

// mode: shadow: a leader that was lost, what would have been done, and what came instead.
struct ShadowRow {
  std::string partition;
  std::string why;
  std::string leader;                  // That was lost; empty: none led.
  std::string candidate;               // Of whom most is known; empty: nobody.
  std::string led_by;                  // Empty: nobody leads yet.
  std::int64_t lost_ms = 0;            // Unix time of the first sign.
  std::uint64_t decided_after_ms = 0;  // Then an election would have begun.
  std::optional<std::uint64_t> led_after_ms;
  std::optional<std::uint64_t> would_lose;    // Entries, by the last samples; none: not known.
  std::optional<std::uint64_t> lost_entries;  // With who leads now.
};

// Of all leaders that were lost, also those that are not listed.
struct ShadowTotals {
  std::uint64_t would_lose = 0;        // Entries, by the last samples,
  std::uint64_t would_lose_known = 0;  // of so many losses of which that is known.
  std::uint64_t lost_entries = 0;
  std::uint64_t lost_entries_known = 0;
  std::uint64_t longest_ms = 0;  // Without a leader; of those that have one again.
};

struct StatusView {
  std::string version;
  std::string name;            // This daemon.
  bool name_is_taken = false;  // Another daemon of the cluster lives with it.
  bool ready = false;
  std::string ready_reason;  // Why not ready, one sentence; empty when ready.
  bool active = false;       // This daemon is the one that acts.
  HolderView holder;
  std::vector<std::string> nameservers;  // Of the cluster, the leading one first.
  std::uint64_t epoch = 0;
  bool zookeeper_connected = false;
  std::string zookeeper;                 // The ensemble's addresses.
  std::string session;                   // Session id, hexadecimal; empty without a session.
  std::uint64_t session_timeout_ms = 0;  // Negotiated.
  std::string cluster_root;
  SwitchView auto_failover;
  std::vector<Reason> stands_back;
  std::vector<HoldRow> holds;  // The daemon may bound it; holds_total is all.
  std::uint64_t holds_total = 0;
  DataLookView data_look;
  DataRecoveryView data_recovery;
  std::vector<Count> tablets;     // By TabletRow::state; states with none may be left out.
  std::vector<Count> partitions;  // By state, healthy included.
  std::uint64_t tables = 0;
  std::vector<PartitionRow> wrong;  // Worst first. The daemon may bound it; wrong_total is all.
  std::uint64_t wrong_total = 0;
  // The daemon may bound each of these lists; the number beside it is all.
  std::vector<UnreadableTable> unreadable;
  std::uint64_t unreadable_total = 0;
  std::vector<RefusedTable> left_alone;
  std::uint64_t left_alone_total = 0;
  // Another cluster's processes on addresses of ours, and what they hold; Reason::word: endpoint.
  std::vector<Reason> strangers;
  std::uint64_t strangers_total = 0;
  std::vector<std::string> would_do;  // What would be done now were auto_failover on.
  std::uint64_t would_do_total = 0;
  bool shadow = false;                      // mode: shadow.
  std::vector<ShadowRow> shadow_failovers;  // The daemon may bound it; shadow_total is all.
  std::uint64_t shadow_total = 0;
  ShadowTotals shadow_totals;
  std::vector<OpRow> running;  // Ops under way.
  std::uint64_t running_total = 0;
  ReloadView config;
  std::int64_t started_ms = 0;
};

struct Readiness {
  bool ready = false;
  bool active = false;
  std::string reason;          // Why not ready.
  HolderView holder;           // For clients that should ask the active one.
  std::string cluster_unread;  // Why tablets, tables and ops are not known yet; empty: they are.
  std::string switch_unread;   // The same for the switch auto_failover.
  std::string process;         // Names this process of this daemon: event ids are its own.
};

struct CommandRequest {
  std::string name;  // confset, ...
  // Numbers, booleans and lists of numbers as text: "1", "true", "1,4,7"; objects as JSON.
  std::map<std::string, std::string> args;
  std::string who;             // Whom the connection shows: a user of this machine; may be empty.
  std::string from;            // Where the call came from: "127.0.0.1:40312", or "socket".
  bool as_nameserver = false;  // The caller speaks the nameserver's protocol.
};

struct CommandResult {
  enum class Kind {
    kOk,
    kRefused,       // 409: code, error, hint.
    kBadArguments,  // 400: code, error, hint.
    kStandby,       // 503: active, as far as it is known.
    kForbidden,     // 403: error.
    kUnknown,       // 404: no such command.
  };
  Kind kind = Kind::kOk;
  std::vector<std::uint64_t> ops;  // The ops that were started.
  std::string message;             // For kOk, as operators know it: "set auto_failover ok".
  int code = 0;                    // FEDB.md 3.3: 307 invalid parameter, ...
  std::string error;               // The code's words: "invalid parameter".
  std::string hint;                // What would be right; may be empty.
  HolderView active = {};          // For kStandby.
  // For kOk: what is done, or would be, a sentence for each partition; confset has none.
  std::vector<std::string> plan = {};
};

// Arguments that no command takes; `hint` says what would be right.
inline CommandResult bad_arguments(std::string hint) {
  CommandResult result;
  result.kind = CommandResult::Kind::kBadArguments;
  result.code = 307;  // FEDB.md 3.3.
  result.error = "invalid parameter";
  result.hint = std::move(hint);
  return result;
}

// Keeps a subscription alive; dropping it ends it.
using Subscription = std::shared_ptr<void>;

// A TableInfo as its znode has it.
struct TableBytes {
  std::string bytes;
  bool openmldb_numbers = false;  // Else those of RTIDB and FEDB up to 2.2.
};

class Source {
 public:
  virtual ~Source() = default;

  virtual StatusView status() = 0;
  // By endpoint, those behind `after`.
  virtual ListPage<TabletRow> tablets(const std::string& after, std::size_t limit) = 0;
  // Rows by db, name, pid, endpoint. The tablets that hold them are asked first; what those that do
  // not answer within 300 ms said last is shown with its age. `done` is called exactly once, now or
  // later, on the loop's thread, and is given what reads the rows: for when there is time for it.
  using ReadTables = std::function<ListPage<ReplicaRow>()>;
  virtual void tables(const TablesAsked& asked, std::function<void(ReadTables)> done) = 0;
  // Why the table of this name cannot be read, and so is in no list of tables; empty: it can be, or
  // is not there. Of tables in a database the name is not known: there it is the tid.
  virtual std::string why_unreadable(const std::string& name) = 0;
  // The table's TableInfo as its znode has it; nothing: there is none, or it cannot be read.
  virtual std::optional<TableBytes> table_info(const std::string& name, const std::string& db) = 0;
  // Its tables have openmldb's numbers; false also while that is not known.
  virtual bool cluster_is_openmldb() = 0;
  // By pid; nothing: no such table.
  virtual std::optional<ListPage<WrittenPartition>> partitions(const PartitionsAsked& asked) = 0;
  // The endpoint of the leading nameserver; empty: none lives.
  virtual std::string nameserver() = 0;
  // By op_id, running and finished ones.
  virtual ListPage<OpRow> ops(const OpsAsked& asked) = 0;
  virtual std::vector<ConfRow> conf() = 0;
  // Those with id > since, oldest first, at most limit of them: the oldest ones that are kept.
  virtual LoggedEvents events(std::uint64_t since, std::size_t limit) = 0;
  // Called for every event from now on, on the loop's thread, never from inside subscribe().
  // EventLog does all of this and events().
  virtual Subscription subscribe(std::function<void(const EventRow&)> callback) = 0;
  virtual Readiness readiness() = 0;
  // Prometheus text; Metrics renders it.
  virtual std::string metrics() = 0;
  // `done` is called exactly once, now or later, on the loop's thread. Access has been judged.
  virtual void command(CommandRequest request, std::function<void(CommandResult)> done) = 0;
};

}  // namespace failoverd::admin
