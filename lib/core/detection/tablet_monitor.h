// Watches the tablets: asks each what it holds, looks again at once when something is odd, keeps
// the evidence, and has detector.h judge it. It changes nothing anywhere; it tells the brain which
// tablets and partitions to look at again. Owned by the brain.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "lib/core/api/asker.h"
#include "lib/core/api/event.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"

namespace failoverd::core {

class TabletMonitor : public Asker {
 public:
  TabletMonitor(Model& model, Outbox& outbox) : model_(model), outbox_(outbox) {}

  // Only the active daemon asks. Starting anew forgets what earlier evidence said.
  void start();
  void stop();

  void listed(const TabletsListed&);
  void connection_lost(const ConnectionLost&);
  void stalled();  // Our own silence: start counting anew.
  // Any answer from a tablet's address, whoever asked: who answers, and that it lives, or refuses.
  void heard(TabletIndex, const ReplyTo&, const Answer&);
  // It is an answer to GetTableStatus, which tells who answers.
  static bool asked_who_it_is(const ReplyTo&);
  // To a question about one partition it named another table: it is asked who it is.
  void names_others(TabletIndex);
  // Somebody else asks it what it holds, and what it said to that (GetTableStatus).
  void is_asked(TabletIndex);
  void said(TabletIndex, const Answer&, Instant asked_at);
  // Answers to our own questions.
  void answered(const ReplyTo&, const Answer&) override;
  void timer(const ReplyTo&) override;
  // New rows: tablets that were not watched yet are asked at once, and those that have said nothing
  // of the table since it can be read.
  void table_was_read(std::uint32_t tid);
  // Judges every tablet whose evidence changed; fills `changed`.
  void judge_all();

  // Partitions to diagnose again; the brain takes them.
  std::set<PartitionKey> changed;

  std::uint64_t needless_verdicts() const { return needless_; }
  Duration poll_interval() const;

 private:
  // So many broken connections in a row, and it is not a process that ends: from then on it is
  // polled at the normal rate.
  static constexpr int kQuickLooks = 5;

  enum What : std::uint32_t { kPoll, kCheck, kPollTimer, kCheckTimer, kJudgeTimer, kWitness };

  // What followers of the tablet's partitions said after the first refusal, and after the second.
  struct Witnesses {
    std::vector<std::pair<PartitionKey, TabletIndex>> chosen;
    std::vector<std::optional<Offset>> before;
    std::vector<std::optional<Offset>> after;
    std::uint32_t set = 0;  // Answers to an earlier set are ignored.
    int open = 0;
    std::uint32_t round = 0;  // 0: not asked; 1: first readings; 2 and more: again.
  };
  struct Asking {
    bool poll_open = false;
    bool check_open = false;
    bool check_again = false;  // The connection was lost while a check was open.
    bool timer_set = false;
    Instant poll_at;  // The next turn; timers of earlier ones are ignored.
    int unheard = 0;  // Turns in a row of one that never answered, and that no row names.
    bool check_timer_set = false;
    std::optional<Instant> judge_at;  // A timer for it is set.
    int broken = 0;  // Questions in a row whose connection ended, or brought something else.
    bool names_others = false;   // Tables of others under tids of ours, when it last said.
    std::set<std::string> told;  // Kinds of what came instead of answers, since the last good one.
    Witnesses witnesses;
  };

  Asking& asking(TabletIndex);
  bool is_of_cluster(TabletIndex) const;
  void tables_changed();
  void poll(TabletIndex);
  Duration next_poll(TabletIndex);
  static GetTableStatus question(const Tablet&);
  void ask_for_all(TabletIndex);
  void check(TabletIndex);
  void check_later(TabletIndex, Duration);
  void refused(TabletIndex, Instant asked_at);
  void lived(TabletIndex);
  void forget_refusals(TabletIndex);
  void look_at_what_came(TabletIndex, const Answer&, Instant asked_at);
  void look_quickly(TabletIndex);
  void tell_what_came(TabletIndex);
  void choose_witnesses(TabletIndex);
  void ask_witnesses(TabletIndex);
  void witness_answered(TabletIndex, const ReplyTo&, const Answer&);
  // Whose process answers: reports.cc.
  void identify(TabletIndex, const ReplyTo&, const Answer&);
  static bool came_over_our_connection(const ReplyTo&);
  void look_at_znode(TabletIndex, const Holdings&);
  void znode_may_be_stale(TabletIndex);
  void znode_outlives_its_session(TabletIndex);
  void lost_sight(TabletIndex);
  void take_reports(TabletIndex, const Answer&, Instant asked_at);
  void look_at_jump(TabletIndex, PartitionKey, const Replica&, Offset);
  void set_report(TabletIndex, PartitionKey, const ReplicaStatus*, Instant asked_at);
  const ReplicaStatus* ours(TabletIndex, PartitionKey, Replica&, const ReplicaStatus*);
  bool early_allowed(const Tablet&) const;
  bool lacks_everything(const Tablet&, TabletIndex) const;
  void judge_one(TabletIndex);
  void forget(TabletIndex);
  void verdict_was_wrong(TabletIndex, const std::string& how);
  void mark_partitions(TabletIndex);

  Model& model_;
  Outbox& outbox_;
  bool running_ = false;
  std::vector<Asking> asking_;
  std::set<TabletIndex> to_judge_;
  std::set<TabletIndex> to_ask_;  // Over the connection that stands, once they are judged.
  std::uint64_t needless_ = 0;
  std::uint32_t witness_sets_ = 0;
};

}  // namespace failoverd::core
