#include "daemon/ctl/command_table.h"

#include <algorithm>
#include <array>
#include <vector>

#include "daemon/ctl/options.h"

namespace failoverd::ctl {
namespace {

// Of commands that begin ops.
constexpr std::uint32_t kChanges = kWithWait | kWithYes | kWithPlan;
constexpr std::uint32_t kChangesATable = kChanges | kWithDb;

constexpr std::array kShowing = {
    CommandInfo{"status", "", 0, 0, 0,
                "Who acts, how the cluster is, what is wrong first and what it waits for.",
                "failoverctl status", nullptr, "", false, ""},
    CommandInfo{"showtablet", "", 0, 0, 0, "The tablets and how long they have been so.",
                "failoverctl showtablet", nullptr, "", false, ""},
    CommandInfo{"showtable", "[TABLE]", 0, 1, kWithDb,
                "Every replica of every partition, or of one table: role, alive, offset.",
                "failoverctl showtable flow", nullptr, "", false, ""},
    CommandInfo{"showopstatus", "[TABLE [PID]]", 0, 2, kWithDb,
                "Operations under way and finished, of one table or one partition.",
                "failoverctl showopstatus flow 0", nullptr, "", false, ""},
    CommandInfo{"showns", "", 0, 0, 0,
                "The failoverd daemons that are known, of which the one that acts leads, and the "
                "nameservers.",
                "failoverctl showns", nullptr, "", false, ""},
    CommandInfo{"confget", "", 0, 0, 0, "The switches that confset changes.", "failoverctl confget",
                nullptr, "", false, ""},
    CommandInfo{"gettablepartition", "TABLE PID [FILE]", 2, 3, kWithDb,
                "A partition as ZooKeeper has it, whole and as JSON, for settablepartition.",
                "failoverctl gettablepartition flow 0 flow-0.json", nullptr, "", false, ""},
    CommandInfo{"shadow", "report", 1, 1, 0,
                "Of a daemon with mode: shadow: each leader that was lost, when failoverd would "
                "have begun to elect, whom, and what that would have lost; and who leads since "
                "when instead.",
                "failoverctl shadow report", nullptr, "", false, "report"},
    CommandInfo{"fsm", "", 0, 0, 0,
                "A partition's states, and what is done in each; ops, task by task.",
                "failoverctl fsm", nullptr, "", false, ""},
    CommandInfo{"events", "", 0, 0, kWithSince | kWithFollow,
                "What has happened, oldest first; --follow goes on with what happens now.",
                "failoverctl events --follow", nullptr, "", false, ""},
};

constexpr std::array kChanging = {
    CommandInfo{"confset", "auto_failover true|false", 2, 2, kWithWait | kWithYes,
                "Switches automatic failover on or off, for all daemons of the cluster.",
                "failoverctl confset auto_failover false",
                "failed to set {0}. error msg: ", "key value", false, "auto_failover true false"},
    CommandInfo{"takeover", "", 0, 0, kChanges,
                "Switches the nameserver's own automatic failover off and failoverd's on: from "
                "then on failoverd acts beside it.",
                "failoverctl takeover --wait", "failed to take over. error msg: ", "", true, ""},
    CommandInfo{"release", "", 0, 0, kChanges | kWithForce,
                "Gives failover back to the nameserver: failoverd's is switched off, what it has "
                "begun is waited for, and the nameserver's is switched on if it was on before.",
                "failoverctl release --wait", "failed to release. error msg: ", "", true, ""},
    CommandInfo{
        "changeleader", "TABLE PID [ENDPOINT|auto]", 2, 3,
        kChangesATable | kWithAcceptLoss | kWithForce,
        "Another leader for a partition. Its leader's row has to be dead, unless a follower "
        "or auto (any follower) is named: then the living leader hands over, and no row is "
        "lost.",
        "failoverctl changeleader flow 0 auto --wait",
        "failed to change leader. error msg: ", "name pid candidate", true, "auto"},
    CommandInfo{"offlineendpoint", "ENDPOINT [CONCURRENCY]", 1, 2, kChanges,
                "Nothing is led or followed on a tablet any more, until recoverendpoint: what it "
                "leads it hands over.",
                "failoverctl offlineendpoint 127.0.0.1:9521 --wait",
                "failed to offline endpoint. error msg: ", "endpoint concurrency", true, ""},
    CommandInfo{"recoverendpoint", "ENDPOINT [NEED_RESTORE] [CONCURRENCY]", 1, 3, kChanges,
                "Brings back all that a tablet has a row of. With true behind it, what the tablet "
                "led it leads again afterwards.",
                "failoverctl recoverendpoint 127.0.0.1:9521 true --wait",
                "failed to recover endpoint. error msg: ", "endpoint need_restore concurrency",
                true, "true false"},
    CommandInfo{"recovertable", "TABLE PID ENDPOINT", 3, 3, kChangesATable,
                "Brings back one replica.", "failoverctl recovertable flow 0 127.0.0.1:9521 --wait",
                "Fail to recover table. error msg:", "name pid endpoint", true, ""},
    CommandInfo{"migrate", "FROM TABLE PIDS TO", 4, 4, kChangesATable,
                "Moves followers from one tablet to another: 3, 1-10 or 1,4,7. All of them, or "
                "none; never a leader.",
                "failoverctl migrate 127.0.0.1:9521 flow 1-10 127.0.0.1:9523 --wait",
                "failed to migrate partition. error msg: ", "src name pids des", true, ""},
    CommandInfo{"addreplica", "TABLE PIDS ENDPOINT", 3, 3, kChangesATable,
                "One more follower for each of these partitions, on that tablet.",
                "failoverctl addreplica flow 0,2 127.0.0.1:9523 --wait",
                "Fail to addreplica. error msg:", "name pids endpoint", true, ""},
    CommandInfo{"delreplica", "TABLE PIDS ENDPOINT", 3, 3, kChangesATable,
                "Takes the followers of these partitions off that tablet, and drops what it holds "
                "of them.",
                "failoverctl delreplica flow 0,2 127.0.0.1:9523 --wait",
                "Fail to delreplica. error msg:", "name pids endpoint", true, ""},
    CommandInfo{"makesnapshot", "TABLE PID", 2, 2, kChangesATable,
                "Has a partition's leader make a snapshot.", "failoverctl makesnapshot flow 0",
                "Fail to makesnapshot. error msg:", "name pid", false, ""},
    CommandInfo{"cancelop", "OP_ID", 1, 1, kChanges,
                "Ends an op: what it began is taken back, and finished where it cannot be.",
                "failoverctl cancelop 1000000012", "Cancel op failed! ", "op_id", false, ""},
    CommandInfo{"updatetablealive", "TABLE PID|* ENDPOINT yes|no", 4, 4, kChangesATable,
                "Sets is_alive in a replica's row by hand, or in those of all partitions (*). "
                "Refused while auto_failover is on.",
                "failoverctl updatetablealive flow 0 127.0.0.1:9521 no",
                "Fail to update table alive. error msg: ", "name pid endpoint alive", false,
                "yes no"},
    CommandInfo{"settablepartition", "FILE", 1, 1, kChangesATable,
                "Writes a partition by hand, as the file of gettablepartition now says. Shows what "
                "changes. Refused while auto_failover is on, and where it has changed meanwhile.",
                "failoverctl settablepartition flow-0.json --plan",
                "Fail to set table partition. error msg: ", "", true, ""},
};

// About more than one table or tablet.
constexpr std::array kWhole = {
    CommandInfo{"recoverdata", "", 0, 0, kWithYes | kWithPlan,
                "Brings the whole cluster to health, also one whose rows lie: loads what nobody "
                "leads, as followers, shows what it found of each partition and what it will do, "
                "asks, does it, and says what is left. --plan loads nothing, and shows what is "
                "known without.",
                "failoverctl recoverdata", "failed to recover data. error msg: ", "", true, ""},
    CommandInfo{"hold", "add|list|remove [ID]", 1, 2, kWithHold | kWithDb | kWithPlan,
                "Keeps automatic failover away from a tablet, a table, a partition, or everything, "
                "for a while; shows what is held; ends a hold. Manual commands are not held, nor "
                "is an old leader's demotion.",
                "failoverctl hold add --tablet 127.0.0.1:9521 --reason maintenance --for 2h",
                "failed to hold. error msg: ", "", false, "add list remove"},
};

constexpr std::array kOptions = {
    OptionInfo{"--server", "URL[,URL...]",
               "The daemons; with several the active one is found. Without it $FAILOVERD_SERVER, "
               "then http://127.0.0.1:9650.",
               0, nullptr},
    OptionInfo{"--socket", "PATH",
               "The daemon that listens at this unix socket: the same as --server unix:PATH.", 0,
               nullptr},
    OptionInfo{"--json", nullptr,
               "Print JSON: the columns' names as keys, times as Unix milliseconds.", 0,
               &Options::json},
    OptionInfo{"--token-file", "FILE",
               "The token for changes, where the daemon asks for one. Without it "
               "$FAILOVERD_TOKEN_FILE.",
               0, nullptr},
    OptionInfo{"--db", "NAME",
               "The table is one of this database. For lists: only tables of this database. Every "
               "command takes it; to one that names no table it means nothing.",
               kWithDb, nullptr},
    OptionInfo{"--plan", nullptr, "Print what would be done, and do nothing.", kWithPlan,
               &Options::plan},
    OptionInfo{"--yes", nullptr,
               "Ask nothing. Where standard input is no terminal, nothing is asked anyway. Every "
               "command takes it.",
               kWithYes, &Options::yes},
    OptionInfo{"--wait", nullptr,
               "Follow the ops that were begun until all have ended. Exit status 0 only if all of "
               "them end kDone; of cancelop once the op has ended, however it ended. Ctrl-C ends "
               "the waiting, not the ops. Every command takes it; one "
               "that begins no ops has nothing to wait for, and recoverdata always waits.",
               kWithWait, &Options::wait},
    OptionInfo{"--accept-loss", nullptr,
               "What replicas that are away are known to hold may be lost: nobody waits for them. "
               "Where no alive row's replica can lead, the best of those whose rows are dead does.",
               kWithAcceptLoss, &Options::accept_loss},
    OptionInfo{"--force", nullptr,
               "The leader hangs: it is neither waited for nor asked to hand over.", kWithForce,
               &Options::force},
    OptionInfo{"--tablet", "ENDPOINT", "hold add: whose replicas.", kWithHold, nullptr},
    OptionInfo{"--table", "TABLE", "hold add: which table.", kWithHold, nullptr},
    OptionInfo{"--pid", "PID", "hold add: which partition of the table; without it all of them.",
               kWithHold, nullptr},
    OptionInfo{"--all", nullptr, "hold add: the whole cluster.", kWithHold, &Options::all},
    OptionInfo{"--reason", "TEXT", "hold add: why, for whoever reads it later.", kWithHold,
               nullptr},
    OptionInfo{"--for", "DURATION", "hold add: how long it lasts, such as 30m or 2h.", kWithHold,
               nullptr},
    OptionInfo{"--by", "NAME", "hold add: whose hold it is. Without it, who asks.", kWithHold,
               nullptr},
    OptionInfo{"--since", "ID", "Only events after this one.", kWithSince, nullptr},
    OptionInfo{"--follow", nullptr, "Go on with events to come.", kWithFollow, &Options::follow},
    OptionInfo{"--help", nullptr, "All of this, or what belongs to one command.", 0,
               &Options::help},
    OptionInfo{"--version", nullptr, "This program's version.", 0, &Options::version},
};

}  // namespace

std::span<const CommandInfo> commands() {
  static const auto kAll = [] {
    std::vector<CommandInfo> all(kShowing.begin(), kShowing.end());
    all.insert(all.end(), kChanging.begin(), kChanging.end());
    all.insert(all.end(), kWhole.begin(), kWhole.end());
    return all;
  }();
  return kAll;
}

const CommandInfo* find_command(const std::string& name) {
  const auto all = commands();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const CommandInfo& command) { return command.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::span<const OptionInfo> options() { return kOptions; }

std::string shown(const OptionInfo& option) {
  return std::string{option.name} + (option.value ? std::string{" "} + option.value : "");
}

std::string shown(const CommandInfo& command) {
  return std::string{command.name} +
         (*command.arguments != '\0' ? std::string{" "} + command.arguments : "");
}

}  // namespace failoverd::ctl
