// Operations by themselves: a table of one partition, tablets that do at once what they are told,
// and a ZooKeeper that takes everything. Time passes where nothing else is left to happen.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <set>

#include "lib/base/overload.h"
#include "lib/core/operation/operations.h"

namespace failoverd::core {

inline constexpr PartitionKey kAt{2, 0};
inline constexpr Term kTerm = 5;
inline constexpr OpId kOp = kFirstOpId;

// flow/0, led by A, followed by B; C and D are tablets without a row. They do at once what they are
// told.
class OperationsRig : public ::testing::Test {
 protected:
  struct Told {
    std::set<Endpoint> followers;  // Whom a leader sends to.
    std::optional<Mode> mode;      // None: it is not in memory.
    TableState state = TableState::kNormal;
    std::string name = "flow";
    bool on_disk = false;
    std::map<std::pair<OpId, Task>, OpStatus> tasks;
  };

  OperationsRig() {
    outbox_.now = Instant{std::chrono::seconds{10}};
    outbox_.why_not_told = [](const Endpoint&, const Call&) { return std::nullopt; };
    TableShape shape;
    shape.znode = "table/table_data/flow";
    shape.version = 1;
    shape.name = "flow";
    shape.tid = kAt.tid;
    shape.partitions = {{0, {{"A", true, true}, {"B", false, true}}, {{kTerm, 1}}}};
    model_.put_table(shape, outbox_.now);
    for (const char* name : {"A", "B", "C", "D"}) {
      Tablet& t = model_.tablet(model_.tablet_index(name));
      t.incarnation = 1;
      t.evidence.registered = true;
      t.identity = Identity::kOurs;
      t.verdict.state = TabletState::kHealthy;
    }
    tablets_["A"] = {{"B"}, Mode::kLeader, TableState::kNormal, "flow", true, {}};
    tablets_["B"] = {{}, Mode::kFollower, TableState::kNormal, "flow", true, {}};
    operations_.may_change(true);
  }

  TabletIndex index(const Endpoint& name) { return model_.tablet_index(name); }

  void open(OpType type, const Endpoint& replica) {
    OpRecord record;
    record.id = kOp;
    record.type = type;
    record.table = "flow";
    record.at = kAt;
    record.replica = replica;
    ops_.begin(record);
    model_.partition(kAt)->op = kOp;
  }

  void begin(OpType type, const Endpoint& replica, const Endpoint& from = "") {
    open(type, replica);
    Treatment what{type, table_of(type), index(replica), type != OpType::kDelReplicaOP,
                   0,    "ordered"};
    what.ordered = true;
    if (!from.empty()) what.from = index(from);
    operations_.begin(kOp, kAt, what);
    settle();
  }

  // A successor has read that from the journal.
  void resume(OpType type, const Endpoint& replica, const Endpoint& from = "") {
    BegunOp begun;
    begun.id = kOp;
    begun.type = type;
    begun.at = kAt;
    begun.replica = replica;
    begun.incarnation = 1;
    begun.from = from;
    begun.leader = "A";
    begun.leader_term = kTerm;
    open(type, replica);
    journal_.start({begun}, {});
    operations_.resume(begun);
    settle();
  }

  // Until nothing is left to happen, or what is left comes only when patience_ is over.
  void settle() {
    until_ = outbox_.now + patience_;
    for (int i = 0; i < 10'000; ++i) {
      publisher_.flush(Publisher::ElectionProgress::kNone);
      journal_.flush();
      std::vector<Command> commands = std::exchange(outbox_.out, {});
      if (commands.empty() && !next_timer()) return;
      for (const Command& c : commands) carry_out(c);
      for (const OpId op : std::exchange(journal_.written, {})) {
        operations_.journaled(op);
        cleanup_.journaled(op);
      }
    }
    ADD_FAILURE() << "it goes on for ever";
  }

  bool next_timer() {
    if (timers_.empty() || timers_.begin()->first > until_) return false;
    const auto [at, id] = *timers_.begin();
    timers_.erase(timers_.begin());
    outbox_.now = std::max(outbox_.now, at);
    const auto reply_to = outbox_.close(id);
    if (!reply_to) return true;
    if (reply_to->owner == ReplyTo::Owner::kOperations) operations_.timer(*reply_to);
    if (reply_to->owner == ReplyTo::Owner::kCleanup) cleanup_.timer(*reply_to);
    return true;
  }

  void carry_out(const Command& command) {
    std::visit(
        Overload{
            [&](const CallTablet& c) {
              if (changes(c.call)) done_.push_back(c.tablet + " " + short_text(c.call));
              if (before_) before_(c);
              Answer answer;
              if (!silent_.contains(c.tablet)) answer = answer_of(c);
              if (silent_.contains(c.tablet)) answer.transport = Transport::kSilent;
              const auto reply_to = outbox_.close(c.id);
              if (!reply_to) return;
              if (reply_to->owner == ReplyTo::Owner::kOperations) {
                operations_.answered(*reply_to, answer);
              } else {
                cleanup_.answered(*reply_to, answer);
              }
            },
            [&](const Publish& c) {
              const std::string text = to_text(Command{c});
              if (text.find("kept") == std::string::npos) {
                done_.push_back(text.substr(text.find('{')));
              }
              if (before_publish_) before_publish_();
              publisher_.published(*outbox_.close(c.id), {c.id, Published::Outcome::kDone, {}, ""});
              operations_.look_again(kAt);
            },
            [&](const WriteJournal& c) {
              for (const BegunOp& op : c.begun) begun_[op.id] = op;
              for (const OpId op : c.ended) begun_.erase(op);
              outbox_.close(c.id);
              journal_.answered(true);
            },
            [&](const SetTimer& c) { timers_.emplace(c.at, c.id); },
            [&](const Note& c) { notes_.push_back(c.text); },
            [](const auto&) {},
        },
        command);
  }

  static std::string short_text(const Call& call) {
    const std::string text = to_text(call);
    std::string word = text.substr(0, text.find(' '));
    if (const auto* add = std::get_if<AddReplica>(&call)) word += " " + add->replica;
    if (const auto* del = std::get_if<DelReplica>(&call)) word += " " + del->replica;
    if (const auto* send = std::get_if<SendSnapshot>(&call)) word += " " + send->to;
    return word;
  }

  Answer answer_of(const CallTablet& c) {
    Told& t = tablets_[c.tablet];
    Answer a;
    a.transport = Transport::kAnswered;
    const auto registered = [&](OpId op, Task task, const std::function<void()>& work) {
      if (!t.tasks.try_emplace({op, task}, OpStatus::kDone).second) return a.code = -1;
      work();
      return a.code;
    };
    std::visit(Overload{
                   [&](const GetTableStatus&) {
                     if (t.mode) a.replicas = {{kAt, 9, *t.mode, t.state, 9, 9, t.name}};
                   },
                   [&](const GetTermPair&) {
                     a.has_table = t.mode.has_value();
                     a.is_leader = t.mode == Mode::kLeader;
                     a.term = kTerm;
                     a.offset = 9;
                   },
                   [&](const GetTableFollower&) {
                     for (const Endpoint& f : t.followers) a.followers.push_back({f, 9});
                   },
                   [&](const GetTaskStatus&) {
                     for (const auto& [key, status] : t.tasks) {
                       a.tasks.push_back({key.first, key.second, status});
                     }
                   },
                   [&](const DeleteOpTask& d) {
                     std::erase_if(t.tasks,
                                   [&](const auto& task) { return task.first.first == d.op; });
                   },
                   [&](const PauseSnapshot&) { t.state = TableState::kSnapshotPaused; },
                   [&](const RecoverSnapshot&) { t.state = TableState::kNormal; },
                   [&](const AddReplica& r) { t.followers.insert(r.replica); },
                   [&](const DelReplica& r) { t.followers.erase(r.replica); },
                   [&](const LoadTable&) {
                     if (!t.on_disk) a.code = kTableDirIsNotExist;
                     if (t.on_disk) t.mode = Mode::kFollower;
                   },
                   [&](const DropTable& d) {
                     registered(d.op, Task::kDropTable, [&] {
                       t.mode.reset();
                       t.on_disk = false;
                     });
                   },
                   [&](const SendSnapshot& s) {
                     registered(s.op, Task::kSendSnapshot, [&] { tablets_[s.to].on_disk = true; });
                   },
                   [&](const MakeSnapshot& m) {
                     registered(m.op, Task::kMakeSnapshot, [] {});
                     if (t.state == TableState::kNormal && refuses_ == 0) return;
                     t.tasks[{m.op, Task::kMakeSnapshot}] = OpStatus::kFailed;
                     a.code = kTableStatusIsNotNormal;
                     --refuses_;
                   },
                   [](const auto&) {},
               },
               c.call);
    return a;
  }

  std::string rows() const {
    std::string text;
    for (const Replica& r : model_.partition(kAt)->replicas) {
      text += (text.empty() ? "" : " ") + model_.tablet(r.tablet).endpoint +
              (r.is_leader ? "=L" : "=F") + (r.is_alive ? "+" : "-");
    }
    return text;
  }
  std::string how() const {
    if (ops_.ended().empty()) return "runs";
    const OpRecord& op = ops_.ended().back();
    return std::string{to_text(op.status)} + ": " + op.detail;
  }
  void dies(const Endpoint& name) {
    silent_.insert(name);
    model_.tablet(index(name)).verdict.state = TabletState::kCrashed;
    operations_.look_again(kAt);
    settle();
  }
  // No pause, no task, no entry in the journal, and who is sent to has an alive row.
  void expect_nothing_is_left() {
    patience_ = std::chrono::seconds{120};
    settle();
    for (const auto& [name, t] : tablets_) {
      if (silent_.contains(name)) continue;
      EXPECT_THAT(t.tasks, ::testing::IsEmpty()) << name;
      EXPECT_EQ(t.state, TableState::kNormal) << name;
      for (const Endpoint& f : t.followers) {
        const Replica* r = model_.partition(kAt)->on(index(f));
        EXPECT_TRUE(r && r->is_alive) << name << " sends to " << f;
      }
    }
    EXPECT_EQ(model_.partition(kAt)->op, 0u);
    if (silent_.empty()) {
      EXPECT_THAT(begun_, ::testing::IsEmpty());
    }
  }

  Outbox outbox_;
  Model model_;
  OpHistory ops_;
  Refusals refusals_{model_, outbox_};
  Publisher publisher_{model_, outbox_, refusals_};
  OpJournal journal_{outbox_};
  Cleanup cleanup_{model_, outbox_, journal_};
  Operations operations_{model_, outbox_, ops_, publisher_, journal_, cleanup_};

  std::map<Endpoint, Told> tablets_;
  std::set<Endpoint> silent_;
  int refuses_ = 0;
  std::function<void(const CallTablet&)> before_;
  std::function<void()> before_publish_;
  std::multimap<Instant, RequestId> timers_;
  Duration patience_ = std::chrono::seconds{5};
  Instant until_;
  std::map<OpId, BegunOp> begun_;
  std::vector<std::string> done_;
  std::vector<std::string> notes_;
};

}  // namespace failoverd::core
