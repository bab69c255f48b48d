// to_text() of everything that goes in and out of the brain: one stable line each.
#include <string>

#include "lib/base/overload.h"
#include "lib/core/api/command.h"
#include "lib/core/api/event.h"
#include "lib/core/api/hold.h"

namespace failoverd::core {
namespace {

std::string number(std::uint64_t n) { return std::to_string(n); }

std::string at_text(PartitionKey at) { return " at=" + to_text(at); }

std::string milliseconds_text(Duration d) {
  const auto us = d.count();
  std::string text = std::to_string(us / 1000);
  if (us % 1000 != 0) text += "." + std::to_string(us % 1000 + 1000).substr(1);
  return text + "ms";
}

// "A=L+,B=F+,C=F- terms 1@0,3@15"
std::string partition_text(const PartitionShape& p) {
  std::string text = number(p.pid) + ":";
  for (const Row& row : p.rows) {
    if (text.back() != ':') text += ",";
    text += row.endpoint + "=" + (row.is_leader ? "L" : "F") + (row.is_alive ? "+" : "-");
  }
  text += " terms";
  for (const TermPair& t : p.terms) text += " " + number(t.term) + "@" + number(t.offset);
  return text;
}

std::string kept_text(const Lineage& k) {
  return "kept " + k.endpoint + " followed=" + number(k.followed) + (k.or_later ? "+" : "") +
         (k.last_offset ? " offset=" + number(*k.last_offset) : "") + (k.by_hand ? " by-hand" : "");
}

std::string begun_text(const BegunOp& op) {
  return number(op.id) + " " + to_text(op.type) + at_text(op.at) + " replica=" + op.replica + "/" +
         std::to_string(op.incarnation) + (op.from.empty() ? "" : " from=" + op.from) +
         " leader=" + op.leader + "," + number(op.leader_term) +
         (op.lost_entries ? " lost=" + number(*op.lost_entries) : "") + (op.over ? " over" : "") +
         (op.paused ? " paused" : "") + (op.sends ? " sends" : "");
}

std::string edit_text(const TableEdit& table) {
  std::string text = " " + table.znode + "@" + std::to_string(table.version) + "{";
  for (const PartitionEdit& p : table.partitions) {
    text += (text.back() == '{' ? "" : "; ") + number(p.pid) + ":";
    for (const RowEdit& row : p.rows) {
      text += (text.back() == ':' ? "" : ",") + row.endpoint + "=" + (row.is_leader ? "L" : "F") +
              (row.is_alive ? "+" : "-");
    }
    for (const RowEdit& row : p.added) {
      text +=
          " added " + row.endpoint + "=" + (row.is_leader ? "L" : "F") + (row.is_alive ? "+" : "-");
    }
    for (const Endpoint& endpoint : p.removed) text += " removed " + endpoint;
    if (p.whole) text += " whole " + partition_text(p.whole->shape);
    for (const TermPair& t : p.terms) text += " term " + number(t.term) + "@" + number(t.offset);
    for (const Lineage& k : p.kept) text += " " + kept_text(k);
    if (p.begins) text += " begins " + begun_text(*p.begins);
  }
  return text + "}";
}

std::string gained_text(const LockGained& e) {
  std::string text = "lock-gained epoch=" + std::to_string(e.epoch);
  for (const ElectionRecord& r : e.records) text += " " + to_text(r);
  for (const BegunOp& op : e.begun) text += " begun " + begun_text(op);
  for (const PartitionLineages& p : e.kept) {
    for (const Lineage& k : p.replicas) text += " " + to_text(p.at) + " " + kept_text(k);
    if (p.published) text += " " + to_text(p.at) + " published " + p.published->leader;
  }
  for (const FinishedOps& f : e.finished) {
    text += " finished-" + number(f.number) + "*" + number(f.ops.size());
  }
  for (const OperatorHold& hold : e.holds) text += " " + to_text(hold);
  return text;
}

std::string asked_text(const StatusAsked& e) {
  std::string text = "status-asked id=" + number(e.id) + " tids=";
  for (const std::uint32_t tid : e.tids) text += (text.back() == '=' ? "" : ",") + number(tid);
  return text;
}

std::string pids_text(const std::vector<std::uint32_t>& pids) {
  std::string text;
  for (const std::uint32_t pid : pids) text += (text.empty() ? "" : ",") + number(pid);
  return text;
}

std::string table_text(const TableName& table) {
  return " " + (table.db.empty() ? "" : table.db + ".") + table.name;
}

std::string operator_text(const OperatorCommand& command) {
  namespace o = operators;
  return std::visit(
      Overload{
          [](const o::ChangeLeader& c) {
            return "changeleader" + table_text(c.table) + "/" + number(c.pid) +
                   (c.candidate.empty() ? "" : " " + c.candidate) +
                   (c.accept_loss ? " accept-loss" : "") + (c.force ? " force" : "");
          },
          [](const o::OfflineEndpoint& c) { return "offlineendpoint " + c.endpoint; },
          [](const o::RecoverEndpoint& c) {
            return "recoverendpoint " + c.endpoint + (c.need_restore ? " need-restore" : "");
          },
          [](const o::RecoverTable& c) {
            return "recovertable" + table_text(c.table) + "/" + number(c.pid) + " " + c.endpoint;
          },
          [](const o::Migrate& c) {
            return "migrate " + c.from + table_text(c.table) + "/" + pids_text(c.pids) + " " + c.to;
          },
          [](const o::AddReplicas& c) {
            return "addreplica" + table_text(c.table) + "/" + pids_text(c.pids) + " " + c.endpoint;
          },
          [](const o::DelReplicas& c) {
            return "delreplica" + table_text(c.table) + "/" + pids_text(c.pids) + " " + c.endpoint;
          },
          [](const o::MakeSnapshot& c) {
            return "makesnapshot" + table_text(c.table) + "/" + number(c.pid);
          },
          [](const o::CancelOp& c) { return "cancelop " + number(c.op); },
          [](const o::UpdateTableAlive& c) {
            return "updatetablealive" + table_text(c.table) + "/" +
                   (c.pid ? number(*c.pid) : std::string{"*"}) + " " + c.endpoint +
                   (c.alive ? " yes" : " no");
          },
          [](const o::AddHold& c) {
            OperatorHold hold;
            hold.tablet = c.tablet;
            hold.table = c.table.name;
            hold.db = c.table.db;
            hold.pid = c.pid;
            return "hold add " + held_text(hold);
          },
          [](const o::RemoveHold& c) { return "hold remove " + number(c.hold); },
          [](const o::RecoverData& c) {
            return std::string{c.look ? "recoverdata look" : "recoverdata"};
          },
          [](const o::SetTablePartition& c) {
            return "settablepartition" + table_text(c.table) + "/" + partition_text(c.partition) +
                   " @" + std::to_string(c.version);
          },
      },
      command);
}

std::string answer_text(const AnswerOperator& c) {
  std::string text =
      "answer-operator id=" + number(c.id) + " code=" + std::to_string(c.answer.code);
  if (!c.answer.error.empty()) text += " " + c.answer.error;
  if (!c.answer.hint.empty()) text += " (" + c.answer.hint + ")";
  for (const OpId op : c.answer.ops) text += " op=" + number(op);
  if (c.answer.hold != 0) text += " hold=" + number(c.answer.hold);
  return text;
}

// Of terms or op ids.
template <class Reserved>
std::string reserved_text(const Reserved& e) {
  return "reserved id=" + number(e.id) + (e.ok ? " ok " : " failed ") + number(e.first) + "-" +
         number(e.last);
}

const char* outcome_text(Published::Outcome o) {
  switch (o) {
    case Published::Outcome::kDone:
      return "done";
    case Published::Outcome::kConflict:
      return "conflict";
    case Published::Outcome::kRefused:
      return "refused";
    case Published::Outcome::kUnknown:
      return "unknown";
    case Published::Outcome::kNotHeld:
      return "not-held";
    case Published::Outcome::kFailed:
      return "failed";
  }
  return "?";
}

std::string read_text(const TableRead& e) {
  std::string text = "table-read " + e.table.znode + "@" + std::to_string(e.table.version) + " " +
                     e.table.name + " tid=" + number(e.table.tid);
  for (const PartitionShape& p : e.table.partitions) text += " [" + partition_text(p) + "]";
  return text + (e.acl.empty() ? "" : " acl=" + e.acl);
}

std::string refused_text(const Refused& r) {
  return " " + r.znode + " " + to_text(r.reason) + " \"" + r.why + "\"";
}

std::string published_text(const Published& e) {
  std::string text = "published id=" + number(e.id) + " " + outcome_text(e.outcome);
  for (const std::string& znode : e.conflicts) text += " " + znode;
  for (const Refused& r : e.refused) text += refused_text(r);
  return text + (e.why.empty() ? "" : " \"" + e.why + "\"");
}

std::string tried_text(const TableTried& e) {
  std::string text = "table-tried id=" + number(e.id) + " bytes=" + number(e.bytes);
  switch (e.outcome) {
    case TableTried::Outcome::kTaken:
      return text + " taken " + e.znode;
    case TableTried::Outcome::kRefused:
      return text + " refused" + refused_text(e.refused);
    case TableTried::Outcome::kConnectionLost:
      return text + " connection-lost " + e.znode;
    case TableTried::Outcome::kUnknown:
      return text + " unknown " + e.znode;
  }
  return text;
}

}  // namespace

std::string to_text(PartitionKey at) { return number(at.tid) + ":" + number(at.pid); }

std::string to_text(const ElectionRecord& record) {
  std::string text = record.name + " {";
  for (const BegunElection& b : record.elections) {
    text += (text.back() == '{' ? "" : "; ") + to_text(b.at) + " term=" + number(b.probe_term);
    if (b.restart) text += " restart";
    for (const MayLead& m : b.may_lead) {
      text += " may-lead=" + m.endpoint + "," + number(m.term) + "@" + number(m.offset);
    }
  }
  return text + "}";
}

std::string held_text(const OperatorHold& hold) {
  if (!hold.tablet.empty()) return "tablet " + hold.tablet;
  if (hold.table.empty()) return "everything";
  const std::string table = (hold.db.empty() ? "" : hold.db + ".") + hold.table;
  return hold.pid ? table + "/" + number(*hold.pid) : "table " + table;
}

std::string to_text(const OperatorHold& hold) {
  return "hold " + number(hold.id) + " of " + hold.by + " on " + held_text(hold) + ": " +
         hold.reason;
}

std::string to_text(const std::vector<Hold::Lost>& lost) {
  std::string text;
  for (const Hold::Lost& l : lost) {
    text += (text.empty() ? "" : ", ") + l.tablet + " (" + number(l.entries) +
            (l.entries == 1 ? " entry" : " entries") + (l.loads ? "; is back and loads)" : ")");
  }
  return text;
}

std::string to_text(const Call& call) {
  return std::visit(
      Overload{
          [](const GetTableStatus& c) {
            return "GetTableStatus" + (c.at ? at_text(*c.at) : std::string{});
          },
          [](const GetTermPair& c) { return "GetTermPair" + at_text(c.at); },
          [](const Probe& c) { return "Probe" + at_text(c.at) + " term=" + number(c.term); },
          [](const Promote& c) {
            std::string text = "Promote" + at_text(c.at) + " term=" + number(c.term) + " replicas=";
            for (const Endpoint& e : c.replicas) text += (text.back() == '=' ? "" : ",") + e;
            return text;
          },
          [](const Demote& c) { return "Demote" + at_text(c.at); },
          [](const DelReplica& c) {
            return "DelReplica" + at_text(c.at) + " replica=" + c.replica;
          },
          [](const GetTableFollower& c) { return "GetTableFollower" + at_text(c.at); },
          [](const RecoverSnapshot& c) { return "RecoverSnapshot" + at_text(c.at); },
          [](const AddReplica& c) {
            return "AddReplica" + at_text(c.at) + " replica=" + c.replica;
          },
          [](const PauseSnapshot& c) { return "PauseSnapshot" + at_text(c.at); },
          [](const LoadTable& c) {
            return "LoadTable" + at_text(c.at) + (c.op == 0 ? "" : " op=" + number(c.op));
          },
          [](const SendSnapshot& c) {
            return "SendSnapshot" + at_text(c.at) + " to=" + c.to + " op=" + number(c.op);
          },
          [](const DropTable& c) { return "DropTable" + at_text(c.at) + " op=" + number(c.op); },
          [](const MakeSnapshot& c) {
            return "MakeSnapshot" + at_text(c.at) + " op=" + number(c.op);
          },
          [](const DeleteBinlog& c) { return "DeleteBinlog" + at_text(c.at); },
          [](const GetManifest& c) { return "GetManifest" + at_text(c.at); },
          [](const GetTaskStatus&) { return std::string{"GetTaskStatus"}; },
          [](const DeleteOpTask& c) { return "DeleteOPTask op=" + number(c.op); },
      },
      call);
}

std::string to_text(const Answer& a) {
  std::string text = to_text(a.transport);
  if (a.answered()) text += " code=" + std::to_string(a.code);
  if (a.term != 0) text += " term=" + number(a.term);
  if (a.offset != 0) text += " offset=" + number(a.offset);
  if (a.has_table) text += " has-table";
  if (a.is_leader) text += " is-leader";
  for (const ReplicaStatus& r : a.replicas) {
    text += " " + to_text(r.at) + "=" + to_text(r.mode) + "," + to_text(r.state) + "," +
            number(r.offset) + (r.name.empty() ? "" : "," + r.name);
  }
  for (const FollowerOffset& f : a.followers) text += " " + f.endpoint + "@" + number(f.offset);
  for (const RegisteredTask& t : a.tasks) {
    text += " " + number(t.op) + "/" + to_text(t.task) + "=" + to_text(t.status);
  }
  if (!a.text.empty() && a.text != "ok") text += " \"" + a.text + "\"";
  return text;
}

std::string to_text(const NameserverOp& op) {
  return std::to_string(op.id) + " " + op.type + " " + (op.db.empty() ? "" : op.db + ".") +
         op.table + "/" + std::to_string(op.pid);
}

const char* to_text(NameserverAnswered::State state) {
  switch (state) {
    case NameserverAnswered::State::kSilent:
      return "silent";
    case NameserverAnswered::State::kStarting:
      return "starting";
    case NameserverAnswered::State::kLeads:
      return "leads";
  }
  return "?";
}

namespace {

std::string nameserver_text(const NameserversListed& e) {
  std::string text = "nameservers-listed";
  for (const std::string& n : e.endpoints) text += " " + n;
  return text;
}

std::string nameserver_text(const NameserverAnswered& e) {
  return "nameserver-answered " + e.endpoint + " " + to_text(e.state) +
         " auto_failover=" + (e.auto_failover ? "true" : "false") +
         (e.drains ? " drains " + e.running : "");
}

std::string nameserver_text(const NameserverOpsRead& e) {
  std::string text = "nameserver-ops-read";
  for (const NameserverOp& op : e.running) text += " " + to_text(op);
  return text;
}

}  // namespace

std::string to_text(const Event& event) {
  return std::visit(
      Overload{
          [](const TabletsListed& e) {
            std::string text = "tablets-listed";
            for (const auto& c : e.children) {
              text += " " + c.endpoint + "/" + std::to_string(c.incarnation) +
                      (c.startup ? "/startup" : "") + (c.misspelled ? "/misspelled" : "");
            }
            return text;
          },
          [](const TablesListed& e) {
            std::string text = "tables-listed";
            for (const std::string& znode : e.znodes) text += " " + znode;
            return text;
          },
          [](const TableRead& e) { return read_text(e); },
          [](const TableUnreadable& e) { return "table-unreadable " + e.znode + ": " + e.why; },
          [](const NameserversListed& e) { return nameserver_text(e); },
          [](const NameserverAnswered& e) { return nameserver_text(e); },
          [](const NameserverOpsRead& e) { return nameserver_text(e); },
          [](const SwitchRead& e) {
            return std::string{"switch-read "} + (e.auto_failover ? "true" : "false") + " by " +
                   e.by;
          },
          [](const ClusterRead&) { return std::string{"cluster-read"}; },
          [](const LockGained& e) { return gained_text(e); },
          [](const LockLost& e) { return "lock-lost " + e.why; },
          [](const ContactMade& e) {
            return "contact-made until=" + std::to_string(e.fresh_until.time_since_epoch().count());
          },
          [](const Obstacle& e) {
            return "obstacle " + e.reason + (e.text.empty() ? " is gone" : ": " + e.text);
          },
          [](const ZookeeperLost&) { return std::string{"zookeeper-lost"}; },
          [](const ZookeeperConnected& e) {
            return std::string{"zookeeper-connected"} + (e.new_session ? " new-session" : "");
          },
          [](const TabletAnswered& e) {
            return "tablet-answered id=" + number(e.id) + " " + e.tablet + " " + to_text(e.answer);
          },
          [](const Published& e) { return published_text(e); },
          [](const TableTried& e) { return tried_text(e); },
          [](const TermsReserved& e) { return "terms-" + reserved_text(e); },
          [](const OpIdsReserved& e) { return "op-ids-" + reserved_text(e); },
          [](const RecordWritten& e) {
            return "record-written id=" + number(e.id) + (e.ok ? " ok" : " failed");
          },
          [](const JournalWritten& e) {
            return "journal-written id=" + number(e.id) + (e.ok ? " ok" : " failed");
          },
          [](const ConnectionLost& e) {
            return "connection-lost " + e.tablet +
                   (e.how == ConnectionEnd::kClosed  ? ""
                    : e.how == ConnectionEnd::kReset ? " reset"
                                                     : " given-up");
          },
          [](const TimerFired& e) { return "timer-fired id=" + number(e.id); },
          [](const LoopStalled& e) { return "loop-stalled " + milliseconds_text(e.duration); },
          [](const StatusAsked& e) { return asked_text(e); },
          [](const PolicyChanged&) { return std::string{"policy-changed"}; },
          [](const OperatorAsked& e) {
            return "operator-asked id=" + number(e.id) + " by=" + e.by + " " +
                   operator_text(e.what) + (e.only_plan ? " only-plan" : "") +
                   (e.as_nameserver ? " as-nameserver" : "");
          },
      },
      event);
}

std::string to_text(const Command& command) {
  return std::visit(
      Overload{
          [](const CallTablet& c) {
            return "call id=" + number(c.id) + " " + c.tablet + " " + to_text(c.call) +
                   (c.fresh ? " fresh" : "");
          },
          [](const Publish& c) {
            std::string text = "publish id=" + number(c.id);
            for (const TableEdit& t : c.tables) text += edit_text(t);
            return text;
          },
          [](const TryTable& c) {
            return "try-table id=" + number(c.id) + " " + c.znode + "@" +
                   std::to_string(c.version) + " bytes=" + number(c.bytes);
          },
          [](const ReserveTerms& c) {
            return "reserve-terms id=" + number(c.id) + " above=" + number(c.above) +
                   " count=" + number(c.count);
          },
          [](const ReserveOpIds& c) {
            return "reserve-op-ids id=" + number(c.id) + " count=" + number(c.count);
          },
          [](const WriteRecord& c) {
            return "write-record id=" + number(c.id) + " " + to_text(c.record);
          },
          [](const DropRecord& c) { return "drop-record id=" + number(c.id) + " " + c.name; },
          [](const WriteHold& c) {
            return "write-hold id=" + number(c.id) + " " + to_text(c.hold);
          },
          [](const DropHold& c) { return "drop-hold id=" + number(c.id) + " " + number(c.hold); },
          [](const WriteJournal& c) {
            std::string text = "write-journal id=" + number(c.id);
            for (const BegunOp& op : c.begun) text += " begun " + begun_text(op);
            for (const OpId op : c.ended) text += " ended " + number(op);
            for (const FinishedOps& f : c.finished) {
              text += " finished-" + number(f.number) + "*" + number(f.ops.size());
            }
            return text;
          },
          [](const SetTimer& c) {
            return "set-timer id=" + number(c.id) +
                   " at=" + std::to_string(c.at.time_since_epoch().count());
          },
          [](const ReadTable& c) { return "read-table " + c.znode; },
          [](const ShowStatus& c) { return "show-status id=" + number(c.id); },
          [](const AnswerOperator& c) { return answer_text(c); },
          [](const Note& c) {
            return std::string{"note "} + to_text(c.severity) + " " + c.kind + ": " + c.text;
          },
          [](const CountFailover& c) {
            return "measure " + to_text(c.at) + " detect=" + milliseconds_text(c.detect) +
                   " elect=" + milliseconds_text(c.elect) +
                   " publish=" + milliseconds_text(c.publish) +
                   " total=" + milliseconds_text(c.total) +
                   (c.possible_loss ? " loss<=" + number(*c.possible_loss) : "");
          },
          [](const CountLost& c) {
            return "entries-lost " + to_text(c.at) + " " + number(c.count);
          },
          [](const EntriesGivenUp& c) {
            return "entries-given-up " + to_text(c.at) + " " + number(c.count);
          },
          [](const CountOp& c) {
            return "op-ended " + number(c.id) + " " + to_text(c.type) + " " + to_text(c.status) +
                   " took=" + milliseconds_text(c.took);
          },
      },
      command);
}

}  // namespace failoverd::core
