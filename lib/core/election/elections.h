// kChangeLeaderOP and kFullRestartOP: every partition elects on its own and at its own pace
// (FEDB.md 4.1, SAFETY 2, 3, 5, 7, 8). One election goes probing -> promoting -> publishing;
// whatever goes wrong begins a new round with new terms, and it ends only with a leader of a higher
// term. Owned by the brain.
#pragma once

#include <map>
#include <optional>
#include <ranges>
#include <set>
#include <string>
#include <vector>

#include "lib/core/api/asker.h"
#include "lib/core/api/hold.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/cluster/op_history.h"
#include "lib/core/durable/election_records.h"
#include "lib/core/durable/number_block.h"
#include "lib/core/durable/op_journal.h"
#include "lib/core/durable/publisher.h"
#include "lib/core/election/participant.h"

namespace failoverd::core {

class Elections : public Publishing, public Asker {
 public:
  Elections(Model& model, Outbox& outbox, OpHistory& ops, Publisher& publisher,
            ElectionRecords& records, NumberBlock& terms, OpJournal& journal)
      : model_(model),
        outbox_(outbox),
        ops_(ops),
        publisher_(publisher),
        records_(records),
        terms_(terms),
        journal_(journal) {}

  // The op has been opened in the OpHistory and is the partition's. `detect`: from the first sign
  // of trouble to the verdict, for the measure. kFullRestartOP: nobody serves, the candidates have
  // to be loaded first.
  // `handed`: the end of a handover, whose old leader has been told to follow.
  struct Handed {
    TabletIndex from = 0;
    std::optional<TabletIndex> to;        // Who is to lead among equals; none: any other.
    bool told = false;                    // The old leader has been told to follow: it is finished.
    std::optional<Instant> flipped = {};  // Since then nobody has been said to lead.
  };
  // Terms that one round takes: the probe's, and the new leader's.
  static constexpr std::uint64_t kTermsOfARound = 2;
  void begin(OpId op, OpType type, PartitionKey at, Duration detect,
             std::optional<Handed> handed = {}, bool ordered = false);
  // Who is to lead among those that hold as much.
  void prefer(OpId op, TabletIndex candidate);
  void stop();  // The lock is lost: forget all; records tell the successor.
  // Ends those that have changed nothing yet. `all`: also where they finish what a predecessor
  // began; that stays unfinished, and its record stays (SAFETY 3).
  void call_off(const std::string& why, bool all);
  // The same of one; false: it goes on, or is none.
  bool call_off(OpId op, const std::string& why);
  // Before the model puts the table aside: ends its elections, and leaves with the partitions what
  // has to be finished when it can be read again (SAFETY 3, 5).
  void put_aside(std::uint32_t tid);
  // Our own loop stood still: nobody was silent in that time.
  void stalled(Duration);

  void answered(const ReplyTo&, const Answer&) override;
  void timer(const ReplyTo&) override;
  // A tablet's verdict or word changed: those that wait for it decide again.
  void look_again(PartitionKey at);
  void terms_came();
  // Those that wait for their record decide again.
  void record_written();
  // Somebody answers for what is lost there: its election goes on with those that are there. Where
  // no alive row's replica serves by then, and none turns out to hold anything, those whose rows
  // are dead stand instead (SAFETY 1). False: no election is under way that could still heed it.
  struct Acceptance {
    std::string by;       // Who, for the event.
    bool forced = false;  // An alive row's tablet that does not answer is not waited for either.
    std::optional<TabletIndex> named = {};  // Who is to lead of those whose rows are dead.
  };
  bool accept_loss(PartitionKey at, const Acceptance&);

  bool promoting() const { return promoting_ > 0; }
  std::size_t of_table(std::uint32_t tid) const;  // How many are under way.
  bool any() const { return !elections_.empty(); }
  // Replicas whose rows are dead stand in the election under way there: it sees to those that lead.
  bool dead_rows_stand(PartitionKey at) const;
  // It waits for a known loss (SAFETY 20).
  bool holds(PartitionKey at) const;
  std::vector<Hold> holds() const;
  // Partitions whose election ended, or began to wait for a known loss, or no longer does; the
  // brain takes them.
  std::vector<PartitionKey> ended;
  std::vector<PartitionKey> holds_changed;

  std::optional<PartitionEdit> edit(OpId, const Partition&) override;
  void published(OpId) override;
  void gone(OpId, const std::string& why) override;
  void refused(OpId, const std::string& why) override;
  void waits(OpId, const std::string& why) override;

 private:
  enum class Phase : std::uint8_t {
    kReading,  // Nobody is probed before it is known what would be lost (SAFETY 3, 20).
    kWaitingForTerms,
    kProbing,
    kPromoting,
    kPublishing,
  };
  struct Election {
    OpId op = 0;
    OpType type{};
    PartitionKey at;
    Phase phase = Phase::kWaitingForTerms;
    std::uint32_t round = 0;
    bool begun = false;  // A probe is out, or a demotion: from now on it is finished (SAFETY 3).
    Term probe_term = 0;
    Term lead_term = 0;
    std::map<TabletIndex, Participant> participants;  // Whoever was heard of so far.
    std::vector<TabletIndex> order;                   // The candidates, as their rows stand.
    TabletIndex winner = 0;
    Offset winner_offset = 0;
    // What the winner's binlog need not hold any more, by its manifest; none: it was not asked, as
    // nobody would follow it from further behind.
    std::optional<Offset> binlog_from;
    Instant round_began;
    std::optional<Instant> timer_at;   // The earliest timer that is set.
    std::optional<Instant> try_again;  // The promotion failed: a new round then.
    bool winner_gone = false;          // Its row vanished before it was published.
    // SAFETY 6: nobody has followed without a restart, so those that hold nothing load.
    bool loads = false;
    // A predecessor began it, and who it told to lead is not known: any that has restarted since
    // may have led, and its log may hold that term.
    bool unrecorded = false;
    std::optional<Handed> handed;
    bool ordered = false;                  // By an operator: the switch does not end it.
    std::optional<TabletIndex> preferred;  // Among equals.
    bool restart_goes_on = false;          // A predecessor may have told any of them to load.
    std::optional<Instant> first_loaded;
    // What the old leader was last heard to hold.
    std::optional<Offset> leader_offset;
    Instant leader_asked_at;
    std::string loss_accepted_by;  // Who said that it may be lost.
    // SAFETY 1, overruled by whoever that is: no alive row's replica served then. And: none can
    // lead, so that those stand whose rows are dead, and nobody else.
    bool dead_may_stand = false;
    bool dead_stand = false;
    std::optional<TabletIndex> only;  // Of these it is to be this one.
    bool forced = false;              // An alive row's tablet that does not answer cannot lead.
    // Where these stand: up to where the winner's log is known to be the partition's.
    std::optional<Offset> agreed;
    bool winner_by_hand = false;  // Its row is alive by an operator's word only: the same of it.
    std::optional<Hold> hold;
    // Whom it went on without, for the end of the story.
    std::vector<Hold::Lost> given_up;
    // For the measure.
    Duration detect{};
    Instant began;
    Instant promoted;

    bool is_winner_doubtful() const { return dead_stand || winner_by_hand; }
    Participant& of(TabletIndex);
    const Participant& of(TabletIndex) const;  // One of whom nothing is known, if it is none.
    Participant* candidate(TabletIndex);       // Null: it is none.
    const Participant* candidate(TabletIndex) const;
    // In their rows' order.
    auto candidates() {
      return order | std::views::transform([this](TabletIndex t) -> Participant& { return of(t); });
    }
    auto candidates() const {
      return order |
             std::views::transform([this](TabletIndex t) -> const Participant& { return of(t); });
    }
  };
  enum What : std::uint32_t {
    kProbe,
    kTermPair,
    kDemote,
    kManifest,
    kPromote,
    kPromoteCheck,
    kRecoverSnapshot,
    kRecoverToDemote,
    kStatus,
    kLoad,
    kLoadTasks,
    kForgetLoad,
    kTimer,
  };

  Election* find(OpId);
  void call(Election&, What, TabletIndex, Call);
  Replica* replica(const Election&, TabletIndex);
  const Endpoint& name(TabletIndex i) const { return model_.tablet(i).endpoint; }

  // Probing.
  void new_round(Election&);
  void choose_candidates(Election&);
  bool add_candidate(Election&, const Replica&);
  void ask(Election&, Participant&);
  void probe_answered(Election&, Participant&, const Answer&);
  void probe_refused(Election&, Participant&, const Answer&);
  void unfit(Election&, Participant&, const std::string& why);
  void term_pair_answered(Election&, Participant&, const Answer&);
  void demote_answered(Election&, Participant&, const Answer&);

  // Loading: loading.cc
  void begin_to_load(Election&);
  bool nobody_is_left(const Election&) const;
  bool has_nothing_to_say(const Election&, const Participant&) const;
  void status_answered(Election&, Participant&, const Answer&);
  void load_tasks_answered(Election&, Participant&, const Answer&);
  void had_to_load(Election&, Participant&);
  void tell_to_load(Election&, Participant&);
  void load_answered(Election&, Participant&, const Answer&);
  void cannot_load(Election&, Participant&, const std::string& why);
  bool came_up_empty(Election&, Participant&);
  void load_was_refused(Election&, Participant&, const Answer&);
  std::optional<Instant> wait_for_restart(Election&, Offset best);

  // What would be lost: known_loss.cc
  bool loss_is_possible(const Election&) const;
  void read_first(Election&);
  void decide_by_reading(Election&, std::optional<Offset> best);
  bool leads_again(const Partition&) const;
  std::optional<std::uint64_t> lost_without(const Election&, const Replica&, Offset best) const;
  bool loads_what_was_lost(const Election&, TabletIndex) const;
  std::optional<Instant> wait_for_lost(Election&, Offset best);
  std::optional<Instant> lost_deadline(const Election&, TabletIndex) const;
  std::optional<Instant> unclean_at(const Election&) const;
  bool overruled(const Election&) const;
  bool all_had_to_load(const Election&) const;
  bool vouches(const Election&, TabletIndex) const;
  bool somebody_vouches(const Election&) const;
  bool stands_back(const Election&, const Participant&) const;
  void ask_lost(Election&);
  void hold(Election&, Hold, Offset best);
  void end_hold(Election&);
  void give_up(Election&, std::vector<Hold::Lost>);

  // Among those whose rows are dead: dead_rows.cc
  bool nobody_alive_can_lead(const Election&) const;
  bool others_stand_now(Election&);
  void decide_among_dead_rows(Election&);
  std::optional<Instant> wait_for_dead_rows(Election&);
  std::optional<Offset> known_to_agree(const Election&, const Participant&) const;
  const Participant* best_of_dead_rows(const Election&) const;
  void give_up_alive_rows(Election&, const Participant& winner);

  // Deciding.
  void ask_those_not_told(Election&);
  void decide(Election&);
  void does_it_still_count(Election&, Participant&);
  std::optional<Instant> wait_for_others(Election&, Offset best);
  TabletIndex choose_winner(const Election&, Offset best) const;
  const Participant* goes_on_leading(const Election&) const;
  std::vector<TabletIndex> leaders_of_relatives(PartitionKey) const;

  // Promoting and publishing.
  void promote(Election&, TabletIndex);
  void manifest_answered(Election&, const Answer&);
  void lead(Election&);
  void promote_answered(Election&, const Answer&);
  void promote_later(Election&);
  void promote_checked(Election&, const Answer&);
  void not_normal(Election&);
  void promotion_is_done(Election&);
  Election* says_unpublished(OpId, const std::string& what);
  void look_while_left_alone(Election&);
  static bool may_lead_yet(const Election&, TabletIndex);
  static bool may_have_led(const Election&, const Participant&);
  static bool winner_may_have_led(const Election&);
  static Offset known_before(const Election&);
  static Offset kept_of_history(const Election&);
  bool may_have_been_led(const Election&, Term) const;
  bool somebody_may_have_led(const Election&) const;
  bool has_served(const Election&, TabletIndex, Term) const;
  static void note_led(Election&, TabletIndex, const Led&);
  static std::optional<bool> has_term(const Election&, TabletIndex, Term);
  bool agrees_with_winner(const Election&, const Participant&) const;
  bool follows(const Election&, const Participant&) const;
  bool leads_since_probed(const Election&, const Participant&) const;
  bool holds_more_since_probed(const Election&, const Participant&) const;
  std::vector<TermPair> terms_to_publish(const Election&, const Partition&) const;
  Lineage lineage_of(const Election&, const Partition&, const Replica&, bool term_is_there) const;
  bool may_have_followed_unpublished(const Election&, TabletIndex) const;
  bool winner_has(const Election&, Term) const;
  static std::optional<std::uint64_t> possible_loss(const Election&);
  static bool lost_nothing(const Election&);
  static std::optional<std::uint64_t> may_have_lost(const Election&);
  std::string loss_text(const Election&) const;

  void again_at(Election&, Instant);
  void phase(Election&, Phase, Task);
  void says(Election&, std::string what);
  void note_leader(const Election&, const CountFailover&);
  void end(OpId, OpStatus, const std::string& how);

  Model& model_;
  Outbox& outbox_;
  OpHistory& ops_;
  Publisher& publisher_;
  ElectionRecords& records_;
  NumberBlock& terms_;
  OpJournal& journal_;
  std::map<OpId, Election> elections_;
  std::map<PartitionKey, OpId> of_partition_;
  int promoting_ = 0;
};

}  // namespace failoverd::core
