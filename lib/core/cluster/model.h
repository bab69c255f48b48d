// What the brain knows of the cluster: tables as their znodes say, tablets as detection sees them,
// and what each tablet says of its replicas. Plain data with look-ups; decisions are made
// elsewhere. Owned by the brain; everybody else reads it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lib/core/api/calls.h"
#include "lib/core/api/command.h"
#include "lib/core/api/journal_entry.h"
#include "lib/core/api/refusal.h"
#include "lib/core/api/types.h"
#include "lib/core/cluster/evidence.h"
#include "lib/core/cluster/identity.h"

namespace failoverd::core {

using TabletIndex = std::uint32_t;

// What a tablet last said of one replica (GetTableStatus).
struct ReplicaReport {
  bool held = false;  // It has the table in memory.
  // It holds a table of this name instead, under the same tid and pid: no word of ours (SAFETY 21).
  std::string other;
  Mode mode = Mode::kFollower;
  TableState state = TableState::kUndefined;
  Offset offset = 0;  // Stays when the tablet dies: the last known offset (SAFETY 2, 6).
  // It has come up with nothing, where it had so many entries: OpenMLDB's LoadTable of a disk that
  // is lost makes an empty table and answers 0 (FEDB.md 3.2). Such a replica counts as one that
  // holds nothing.
  std::optional<Offset> had;
  std::optional<Instant> heard_at;  // When the question was sent that `offset` answers.
  std::optional<Instant> said_at;   // When the answer came; none: another call told it.
  std::uint64_t record_cnt = 0;
  std::uint64_t record_bytes = 0;
  std::optional<Instant> asked_at;    // When the question for it was sent. None: never heard.
  std::optional<Instant> held_since;  // Held without a gap that we could see.
  std::optional<Instant> led_until;   // Last said to be leader then.
  Instant offset_changed_at;          // Its offset was last another one until then.
};

// What a replica said to recoverdata's look: in memory, its term; else of its snapshot, which its
// binlog goes on behind, before it was loaded.
struct Found {
  bool in_memory = false;
  Term term = 0;
  Offset offset = 0;
  bool nothing = false;  // It was told to load it, and has nothing to load.
};

inline constexpr const char* kLostDisk = "lost_disk";
inline constexpr const char* kCannotLoad = "cannot_load";

// Somebody has to come: nothing that failoverd may do brings this replica back.
struct Stuck {
  std::string reason;  // Label of failoverd_holds{reason}: kLostDisk, kCannotLoad.
  std::string text;    // One sentence.
  Instant since;
};

struct Replica {
  TabletIndex tablet = 0;
  bool is_leader = false;  // The row.
  bool is_alive = false;   // The row.
  Instant row_since;       // Since when the row says so: an older word does not contradict it.
  // Its leadership is being handed over: its row is dead so that clients stop writing to it, and
  // is shown here as the alive leader's that it is (SAFETY 12).
  bool stepping_down = false;
  ReplicaReport report;
  // It was sent ChangeRole(leader) without an answer, or so says a predecessor's record (SAFETY 5):
  // ChangeRole(follower) comes before anything else. Cleared when that was answered.
  std::optional<Term> in_doubt_term;
  Offset in_doubt_offset = 0;  // Its last offset before that term.
  bool ordered_back = false;   // An operator waits for it to be brought back.
  bool question_open = false;  // A question about it, or an order to it, is under way.
  // An alive follower that is none: it led beside its leader, so that its log may be its own; or
  // its leader does not send to it. Its row dies, and it is recovered.
  bool diverged = false;
  bool not_replicated = false;
  std::optional<Found> found;  // Until its partition is led again.
  bool may_have_gap = false;   // Its leader may have begun to send behind its end: it is copied.
  bool detached = false;       // Its row is dead, and its leader was seen not to send to it.
  // Back-off after failed ops that were about it, for as long as its tablet is the same process.
  int failures = 0;  // In a row.
  Instant not_before;
  Incarnation failed_incarnation = 0;
  std::string failed_why;  // The last of them.
  int load_refusals = 0;   // LoadTable's, by that process; what it says may be mended.
  std::optional<Stuck> stuck;

  bool by_hand = false;  // As is kept of it (Lineage).

  // Whether its row, if it is alive, says that it held what was acknowledged.
  bool vouches() const { return !is_alive || !by_hand; }
  bool leads() const { return is_leader && is_alive; }  // A serving leader, says the row.
  void row_says(bool leader, bool alive, Instant now);
};

// What is wrong with a partition; the machine's states. Words of failoverd_partitions{state} are
// derived from it.
enum class Condition : std::uint8_t {
  kHealthy,
  kLeaderLost,       // Its leader's tablet is dead, or lacks it: elect.
  kNoLeader,         // No alive leader row, but alive rows: elect.
  kAllDown,          // Every alive row is on a dead tablet or holds nothing: load (SAFETY 6).
  kNoCandidate,      // The same, and nobody is there who could load.
  kUnfinished,       // An election was begun by a predecessor: finish it (SAFETY 3).
  kFollowerLost,     // An alive follower row on a dead tablet, or without the table.
  kTwoLeaders,       // Another than its leader says that it leads, or may: told to follow.
  kFollowerStalled,  // An alive follower stands still behind a leader that moves: fenced? Ask.
  kSingleLost,       // The only replica's tablet is dead.
  kReturned,         // A dead row's tablet is back, or a single replica's: recover it.
  kDegraded,         // Served; some rows are dead.
  kUncertain,        // Served as far as we know; a tablet of it is suspect or not yet known.
  kQuarantined,      // Its data violates an invariant: left alone (SAFETY 16).
};
const char* to_text(Condition);

struct Diagnosis {
  Condition condition = Condition::kHealthy;
  std::string what;  // Half a sentence: what is wrong, and where. Healthy: empty.
  std::string waits_for =
      {};  // What would lift it, where all there is to do is to wait; else empty.
  std::string text() const { return waits_for.empty() ? what : what + "; waits for " + waits_for; }
  bool operator==(const Diagnosis&) const = default;
};

struct Partition {
  std::uint32_t pid = 0;
  std::vector<Replica> replicas;
  std::vector<TermPair> terms;
  Diagnosis diagnosis;
  Instant since;                        // When the diagnosis became so.
  OpId op = 0;                          // The op that works on it; 0: none.
  std::optional<Term> unfinished_term;  // A predecessor probed with it and did not finish.
  Term seen_term = 0;                   // Highest term heard of, published or not.
  bool unfinished_restart = false;      // Its candidates had to be loaded (SAFETY 6).
  bool would_note = false;              // With auto_failover off: has been said.
  Instant look_again_at;                // A timer is set for it.
  // Its znode is older than what we published: `replicas` and `terms` are as that was, and the next
  // publish of it brings that back.
  bool overwritten = false;
  // An op that pauses its leader's snapshots ended then: what it had sent may arrive later still.
  std::optional<Instant> pause_ended;

  const Replica* leader() const;  // The serving leader's row, if there is exactly one.
  Replica* on(TabletIndex);
  const Replica* on(TabletIndex) const;
  Term published_term() const { return terms.empty() ? 0 : terms.back().term; }
  Term highest_term() const;  // Of the history and of what was heard.
  void saw(Term);             // Somebody has said so.
};

struct Table {
  TableShape shape;  // As read or as published by us; `partitions` below says what it means.
  std::map<std::uint32_t, Partition> partitions;
  bool stale = false;  // A publish was lost or met another version: wait until it is read again.
  // What ZooKeeper does not take is left alone (SAFETY 22). refusals.h decides by all of these.
  std::optional<Refusal> refusal;
  int refusals = 0;  // In a row, without a publish that was taken.
  int lost = 0;      // Publishes in a row whose connection was lost.
  std::string acl;   // As TableRead says it; tried_acl: a trial showed that it lets us.
  std::string tried_acl;
  // By so much, at most, one partition's election makes its publish longer.
  std::size_t growth = 0;
};

struct Tablet {
  Endpoint endpoint;
  Evidence evidence;
  Verdict verdict;
  Instant since;  // When the verdict's state became so.
  Incarnation incarnation = 0;
  bool startup = false;
  bool misspelled = false;       // TabletsListed::Child's: its znode alone makes it no tablet.
  std::set<PartitionKey> hosts;  // Partitions with a row on it.
  // Counts for choosing among equals: serving leader rows on it, and elections it is winning.
  int leaders = 0;
  // Whether its words are from after the latest loss of a connection.
  bool report_fresh = false;
  // Who answers over the connection that stands, and whether it has named a table of ours there
  // (SAFETY 21).
  Identity identity = Identity::kUnheard;
  bool named_ours = false;
  // Since when this incarnation of its znode is known; the one under which it was last heard to
  // hold something; and the one that is known to be its own, because it has outlived every session
  // that could have ended with another process.
  Instant listed_at;
  Incarnation held_under = 0;
  Incarnation outlived = 0;
  std::optional<Instant> first_sign;  // Of the trouble it is in: connection lost, znode gone, ...
  std::optional<Instant> no_early_until;
  bool early = false;  // The verdict is crashed, and its znode was there.
  std::optional<Instant> dead_since;

  // A znode or a row says that it is a tablet of this cluster.
  bool is_of_cluster() const { return !hosts.empty() || (evidence.registered && !misspelled); }
  // Its znode is there and is the one of the process that answers.
  bool znode_vouches() const { return evidence.registered && !evidence.stale_since; }
};

// By so much, at most, rows that are added make a publish longer: their own bytes, and what is kept
// of their replicas.
std::size_t length_of_added(const PartitionEdit&);
std::size_t length_of_added(const TableEdit&);

class Model {
 public:
  // --- Tablets. Indices stay valid for ever: tablets are never forgotten.
  TabletIndex tablet_index(std::string_view endpoint);  // Makes it known.
  std::optional<TabletIndex> find_tablet(std::string_view endpoint) const;
  Tablet& tablet(TabletIndex i) { return tablets_[i]; }
  const Tablet& tablet(TabletIndex i) const { return tablets_[i]; }
  std::size_t tablet_count() const { return tablets_.size(); }

  // --- Tables.
  // Takes over what the znode says; keeps what tablets said of rows that are still there. Returns a
  // sentence if the table cannot be taken: another znode has its tid, or a pid or endpoint comes
  // twice.
  std::optional<std::string> put_table(const TableShape&, Instant now);
  // These edits are in its znode now, as the version after the one that is known.
  void written(std::uint32_t tid, const std::vector<PartitionEdit>&, Instant now);
  void drop_table(const std::string& znode);
  // It cannot be read for now: it is no table any more, but what is known of its replicas comes
  // back with it (SAFETY 2, 5: last offsets, who may lead).
  void put_aside(const std::string& znode);
  // A handover of this leader begins, or was taken back.
  void steps_down(PartitionKey, TabletIndex, bool down, Instant now);
  // As it is written, or was before it was overwritten; none: there is none.
  std::optional<Row> row(PartitionKey, const Endpoint&) const;
  Table* table(std::uint32_t tid);
  const Table* table(std::uint32_t tid) const;
  Table* table_of(const std::string& znode);
  Partition* partition(PartitionKey);
  const Partition* partition(PartitionKey) const;
  const std::map<std::uint32_t, Table>& tables() const { return tables_; }
  std::map<std::uint32_t, Table>& tables() { return tables_; }
  // Of pre-aggregate tables, whether they are there still or not.
  const std::set<std::uint32_t>& aggregates() const { return aggregates_; }
  const std::map<std::string, std::string>& unreadable() const { return unreadable_; }
  std::map<std::string, std::string>& unreadable() { return unreadable_; }
  // Every table of the cluster has been read once; and none of them cannot be read now.
  void all_was_read() { all_was_read_ = true; }
  bool knows_every_table() const { return all_was_read_ && unreadable_.empty(); }

  // What is kept of a replica in ZooKeeper; none: nothing.
  const Lineage* kept(PartitionKey, const Endpoint&) const;
  void keep(PartitionKey, const Lineage&);
  void forget_kept();
  bool keeps(PartitionKey at) const { return kept_.contains(at); }  // Anything.
  // How a predecessor published it last.
  void was_published(PartitionKey, PublishedLeader);
  // All that is kept is known by now: what was read before is seen by that.
  void place_overwritten(Instant now);
  // How a partition will be after these edits.
  PublishedLeader published_by(PartitionKey, const std::vector<const PartitionEdit*>&) const;
  // What an old writer has overwritten goes out with it (SAFETY 13).
  void put_back(PartitionKey, PartitionEdit& edit) const;
  std::size_t kept_bytes(std::uint32_t tid) const;  // At most, of what is kept of a table.
  // What a replica with an alive row was last known to hold: as its tablet said, or as it is kept
  // since its tablet was lost. It may hold more (SAFETY 6, 20).
  std::optional<Offset> known_offset(PartitionKey, const Replica&) const;
  // A loaded replica says its offset. See ReplicaReport::had.
  void took_offset(PartitionKey, Replica&, Offset) const;
  // The same of one that was just told to load and has followed nobody: that its partition holds
  // something is enough to know that it should, too. None: it holds what it had, as far as known.
  std::optional<Offset> came_up_empty(PartitionKey, TabletIndex);
  // Its row dies: what a successor must know when it comes back.
  Lineage lineage_of(PartitionKey, const Partition&, const Replica&) const;
  // Its row becomes alive by an operator's word.
  Lineage lineage_by_hand(PartitionKey, const Partition&, const Replica&) const;

  // Whatever it was asked for: so much it had, should that tablet be the next to go (SAFETY 2, 6).
  void remember_offset(PartitionKey, TabletIndex, const ReplicaStatus&, Instant asked_at);
  // The same of one that says only its offset, where that is higher than what was known.
  void heard_offset(PartitionKey, TabletIndex, Offset, Instant asked_at);
  // LoadTable for a partition that is known. The op is who registers it, where that is needed.
  LoadTable load_call(PartitionKey, OpId op, OpType type) const;
  bool is_on_disk(PartitionKey) const;

  // As operators know it: "flow/3", "shop.flow/3"; "2:3" if its table is not known.
  std::string name_of(PartitionKey) const;

  // The lock is lost: what was begun, asked or found out by this daemon is its successor's now.
  void forget_what_was_begun();

  // Recomputes Tablet::leaders from the rows.
  void count_leaders();

 private:
  void place(const TableShape&, Table&, Instant now);
  void place(PartitionKey, const PartitionShape&, std::int64_t created, Partition&, Instant now);
  void unplace(const Table&);
  const PartitionShape* shape(PartitionKey) const;
  const PublishedLeader* overwritten(PartitionKey, const PartitionShape&,
                                     std::int64_t created) const;
  void remember(PartitionKey, const PartitionShape&, std::int64_t created);
  void written_rows(PartitionKey, const PartitionEdit&, PartitionShape&, Instant now);
  void written_whole(PartitionKey, const PartitionEdit&, PartitionShape&, Instant now);

  std::vector<Tablet> tablets_;
  std::map<std::string, TabletIndex, std::less<>> by_endpoint_;
  std::map<std::uint32_t, Table> tables_;  // By tid.
  std::set<std::uint32_t> aggregates_;
  std::map<std::string, std::uint32_t> tid_of_znode_;
  std::map<std::string, Table> aside_;             // By znode.
  std::map<std::string, std::string> unreadable_;  // znode -> why.
  bool all_was_read_ = false;
  std::map<PartitionKey, std::map<Endpoint, Lineage>> kept_;
  std::map<PartitionKey, PublishedLeader> published_;
  std::map<std::uint32_t, std::size_t> kept_bytes_;  // By tid.
};

}  // namespace failoverd::core
