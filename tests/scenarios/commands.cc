// The words that a scenario's script may use.
#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>

#include "tests/scenarios/scenario.h"
#include "tests/simulation/daemon.h"
#include "tests/simulation/trace.h"

namespace failoverd::scenarios {

using namespace simulation;  // NOLINT: the world's words are this file's words.

void Scenario::learn_commands() {
  learn_cluster();
  learn_tablets();
  learn_disks();
  learn_hands();
  learn_network();
  learn_znodes();
  learn_nameservers();
}

void Scenario::learn_cluster() {
  commands_["tablets"] = [this](const Words& w) {  // tablets A B C
    for (const std::string& name : w) world_.add_tablet(name + ":1");
  };
  // generation openmldb, openmldb-0.8.4 (LoadTable without a directory makes an empty table).
  commands_["generation"] = [this](const Words& w) {
    Tablet::Generation generation = Tablet::openmldb();
    if (w.at(0) == "openmldb-0.8.4") {
      generation.no_directory = core::kOk;
    } else if (w.at(0) != "openmldb") {
      throw std::invalid_argument("openmldb, or openmldb-0.8.4");
    }
    for (const auto& each : world_.tablets()) world_.tablet(each.first).generation = generation;
    world_.fake_zookeeper.numbering = fedb::Numbering::kOpenmldb;
  };
  // table flow 2x3 leaders A B: 2 partitions of 3 replicas; followers are the tablets after the
  // leader.
  commands_["table"] = [this](const Words& w) { make_table(w); };
  commands_["policy"] = [this](const Words& w) { change_policy(w); };  // Before `daemon`.
  commands_["daemon"] = [this](const Words&) { world_.start_daemon(); };

  // writer flow/0 50ms: a row every so often, from now on.
  commands_["writer"] = [this](const Words& w) {
    const Duration every = duration(w.at(1));
    world_.add_writer(partition_named(w.at(0)), {every, every}).start();
  };
  // showtable flow: somebody asks the active daemon; what it shows comes when it has it.
  commands_["showtable"] = [this](const Words& w) {
    Daemon* d = world_.active();
    if (!d) return printer_.line("nobody is active");
    d->tell(core::StatusAsked{++last_question_, {table_named(w.at(0)).tid}});
  };
  commands_["run"] = [this](const Words& w) { world_.run_for(duration(w.at(0))); };
  // write flow/0 10: to whom the metadata says leads.
  commands_["write"] = [this](const Words& w) {
    world_.add_writer(partition_named(w.at(0)), {}).write(std::stoi(w.at(1)));
  };
  // write-at A flow/0 10: by a client that has not heard of anything new.
  commands_["write-at"] = [this](const Words& w) {
    Tablet& t = world_.tablet(tablet_named(w.at(0)));
    for (int i = std::stoi(w.at(2)), code = 0; i > 0; --i) {
      t.put(partition_named(w.at(1)), world_.next_payload(), code);
      if (code != 0) printer_.line("refused: code " + std::to_string(code));
    }
  };
}

void Scenario::learn_tablets() {
  commands_["kill"] = [this](const Words& w) {  // A tablet or a daemon.
    if (Daemon* d = world_.find_daemon(w.at(0))) return d->kill();
    world_.kill(tablet_named(w.at(0)));
  };
  // stranger A flow/0 theirs leader: another cluster's tablet takes A's address, and holds table
  // theirs under flow's tid, as leader; stranger A 99 theirs leader: under a tid that no table of
  // ours has; stranger A: it holds nothing.
  commands_["stranger"] = [this](const Words& w) { make_stranger(w); };
  commands_["restart"] = [this](const Words& w) { world_.restart(tablet_named(w.at(0))); };
  commands_["pause"] = [this](const Words& w) {
    if (Daemon* d = world_.find_daemon(w.at(0))) return d->pause();
    world_.pause(tablet_named(w.at(0)));
  };
  commands_["continue"] = [this](const Words& w) {
    if (Daemon* d = world_.find_daemon(w.at(0))) return d->resume();
    world_.resume(tablet_named(w.at(0)));
  };
  commands_["lose-session"] = [this](const Words& w) {
    world_.trouble(tablet_named(w.at(0)), "loses its session");
    world_.tablet(tablet_named(w.at(0))).lose_session();
  };
  // fail B Promote 105 2: the next two calls of the method.
  commands_["fail"] = [this](const Words& w) {
    world_.tablet(tablet_named(w.at(0)))
        .fail(method_named(w.at(1)).value(), std::stoi(w.at(2)), std::stoi(w.at(3)));
  };
  commands_["hang"] = [this](const Words& w) {  // hang B Promote
    world_.tablet(tablet_named(w.at(0))).hang(method_named(w.at(1)).value());
  };
  commands_["unhang"] = [this](const Words& w) { world_.tablet(tablet_named(w.at(0))).unhang(); };
  commands_["slow"] = [this](const Words& w) {  // slow B 500ms
    world_.tablet(tablet_named(w.at(0))).slow = duration(w.at(1));
  };
  commands_["snapshot"] = [this](const Words& w) {  // snapshot B flow/0 paused|making|ends|made
    Tablet& t = world_.tablet(tablet_named(w.at(0)));
    if (w.at(2) == "made") return t.make_snapshot(partition_named(w.at(1)));
    const core::TableState state = w.at(2) == "paused"   ? core::TableState::kSnapshotPaused
                                   : w.at(2) == "making" ? core::TableState::kMakingSnapshot
                                                         : core::TableState::kNormal;
    t.set_state(partition_named(w.at(1)), state);
  };
  // tasks-begin 5s, loads-take 2s: on every tablet, from now on.
  commands_["tasks-begin"] = [this](const Words& w) {
    world_.timing.task_begins = {duration(w.at(0)), duration(w.at(0))};
  };
  commands_["loads-take"] = [this](const Words& w) {
    world_.timing.load = {duration(w.at(0)), duration(w.at(0))};
  };
  // remove-row B flow/0: somebody takes it out of the znode.
  commands_["remove-row"] = [this](const Words& w) {
    core::TableShape table = table_named(w.at(1).substr(0, w.at(1).find('/')));
    for (core::PartitionShape& p : table.partitions) {
      if (p.pid != partition_named(w.at(1)).pid) continue;
      std::erase_if(p.rows,
                    [&](const core::Row& r) { return r.endpoint == tablet_named(w.at(0)); });
    }
    world_.fake_zookeeper.write_table(table, "somebody");
  };
  commands_["power-cut"] = [this](const Words& w) { world_.power_cut(tablet_named(w.at(0))); };
  commands_["fail-load"] = [this](const Words& w) {
    world_.tablet(tablet_named(w.at(0))).fail_next_load();
  };
}

// What happens to their disks.
void Scenario::learn_disks() {
  // wipe A flow/0: its disk is another one, or empty.
  commands_["wipe"] = [this](const Words& w) {
    world_.tablet(tablet_named(w.at(0))).disk.erase(partition_named(w.at(1)));
  };
  // unmount A flow/0: the file system that it is on is not there. mount A flow/0: it is again.
  const auto away = std::make_shared<std::map<std::string, Tablet::Directory>>();
  commands_["unmount"] = [this, away](const Words& w) {
    auto& disk = world_.tablet(tablet_named(w.at(0))).disk;
    (*away)[w.at(0) + w.at(1)] = disk.at(partition_named(w.at(1)));
    disk.erase(partition_named(w.at(1)));
  };
  commands_["mount"] = [this, away](const Words& w) {
    world_.tablet(tablet_named(w.at(0))).disk[partition_named(w.at(1))] =
        away->at(w.at(0) + w.at(1));
  };
}

// What somebody does by hand.
void Scenario::learn_hands() {
  // unload A flow/0: drops it.
  commands_["unload"] = [this](const Words& w) {
    world_.trouble(tablet_named(w.at(0)), "unloaded by hand");
    world_.tablet(tablet_named(w.at(0))).memory.erase(partition_named(w.at(1)));
  };
  // misname C flow/0 old: what it holds in memory there is table old.
  commands_["misname"] = [this](const Words& w) {
    world_.trouble(tablet_named(w.at(0)), "holds another table");
    world_.tablet(tablet_named(w.at(0))).memory.at(partition_named(w.at(1))).name = w.at(2);
  };
  // promote B flow/0 7: somebody does it by hand, with that term.
  commands_["promote"] = [this](const Words& w) {
    world_.tablet(tablet_named(w.at(0)))
        .promote_by_hand(partition_named(w.at(1)), std::stoull(w.at(2)));
  };

  // probe C flow/0 9: somebody raises its term, and leaves it at that.
  commands_["probe"] = [this](const Words& w) {
    const std::string name = tablet_named(w.at(0));
    world_.trouble(name, "probed by hand");
    const core::Probe call{partition_named(w.at(1)), std::stoull(w.at(2))};
    world_.tablet(name).call(call, [](const core::Answer&) {});
  };
}

// The network, and operators.
void Scenario::learn_network() {
  commands_["cut"] = [this](const Words& w) {  // cut A zookeeper; cut d1 B
    const std::string a = anybody_named(w.at(0));
    world_.trouble(a, "cut");
    world_.cut(a, anybody_named(w.at(1)));
  };
  commands_["mend"] = [this](const Words& w) {
    world_.mend(anybody_named(w.at(0)), anybody_named(w.at(1)));
  };
  // reject d1 A: a packet filter refuses in A's name, and swallows what comes over the connection
  // that stands; reject d1 A resetting: it resets that; reject d1 A closing: a proxy closes it.
  commands_["reject"] = [this](const Words& w) {
    std::optional<core::ConnectionEnd> ends;
    if (w.size() > 2) {
      ends = w.at(2) == "closing" ? core::ConnectionEnd::kClosed : core::ConnectionEnd::kReset;
    }
    world_.reject(daemon_named(w.at(0)), tablet_named(w.at(1)), ends);
  };
  commands_["accept"] = [this](const Words& w) {
    world_.accept(daemon_named(w.at(0)), tablet_named(w.at(1)));
  };
  commands_["lose-connection"] = [this](const Words& w) {
    daemon_named(w.at(0)).lose_connection();
  };
  // d1 dies, or loses its connection to ZooKeeper, just after it commanded that.
  commands_["when"] = [this](const Words& w) { die_after(w); };  // when d1 Publish dies|disconnects
  commands_["switch"] = [this](const Words& w) {
    world_.fake_zookeeper.set_auto_failover(w.at(0) == "on", "operator");
  };
  // operator changeleader flow/0 [auto|B] [accept-loss] [force], offlineendpoint A [one-by-one],
  // recoverendpoint A [need-restore] [one-by-one], recovertable flow/0 A, cancelop 1000000001,
  // updatetablealive flow/0 A yes|no, makesnapshot flow/0, migrate A flow/0,3 B, addreplica
  // flow/0,3 A, delreplica flow/0,3 A, hold A|flow|flow/0|all 60s, remove-hold 1, recoverdata,
  // settablepartition flow/0 A=L+ B=F- [1@0 3@5] [old]: somebody asks the active daemon; its answer
  // is printed. `as-nameserver` or `plan` last.
  commands_["operator"] = [this](const Words& w) { ask_operator(w); };
  // reload d1: what `policy` said since it started.
  commands_["reload"] = [this](const Words& w) {
    daemon_named(w.at(0)).tell(core::PolicyChanged{world_.policy});
  };
  commands_["show"] = [this](const Words& w) { show(w); };
  // readings on: from now on prints what one replica is asked about itself, too.
  commands_["readings"] = [this](const Words& w) { printer_.show_readings(w.at(0) == "on"); };
}

// What is in ZooKeeper, and what it takes.
void Scenario::learn_znodes() {
  commands_["somebody-writes"] = [this](const Words& w) {
    world_.fake_zookeeper.touch_table(table_named(w.at(0)).znode);
  };
  commands_["drop-table"] = [this](const Words& w) {  // Its znode; the tablets keep what they hold.
    world_.fake_zookeeper.drop_table(table_named(w.at(0)).znode);
  };
  // rows-die flow/0: somebody has put back a znode in which no row of it is alive.
  commands_["rows-die"] = [this](const Words& w) {
    core::TableShape table = table_named(w.at(0).substr(0, w.at(0).find('/')));
    for (core::PartitionShape& p : table.partitions) {
      if (p.pid != partition_named(w.at(0)).pid) continue;
      for (core::Row& row : p.rows) row.is_alive = false;
    }
    world_.fake_zookeeper.write_table(table, "somebody");
  };
  commands_["poison"] = [this](const Words& w) { poison(w); };
  commands_["cure"] = [this](const Words& w) {  // cure flow: its znode can be read again.
    world_.fake_zookeeper.cure(table_named(w.at(0)).znode);
  };
  // refuse flow quota exceeded: in ZooKeeper's own word. Of no auth: whoever reads the table sees
  // an ACL that lets only read. Nobody is told when that begins, or when it ends.
  commands_["refuse"] = [this](const Words& w) { refuse(w); };
  commands_["take"] = [this](const Words& w) {  // take flow: it does again.
    world_.fake_zookeeper.refuse(table_named(w.at(0)).znode, std::nullopt);
  };
  // grow flow 900000: somebody writes its znode, which is so long from now on.
  commands_["grow"] = [this](const Words& w) {
    core::TableShape table = table_named(w.at(0));
    table.bytes = static_cast<std::uint32_t>(std::stoul(w.at(1)));
    world_.fake_zookeeper.write_table(table, "somebody");
  };
  // requests-pass 200000: of at most so many bytes.
  commands_["requests-pass"] = [this](const Words& w) {
    world_.fake_zookeeper.set_longest(std::stoul(w.at(0)));
  };
}

void Scenario::make_table(const Words& words) {
  Words w = words;
  const auto x = w.at(1).find('x');
  const std::size_t replicas = std::stoul(w.at(1).substr(x + 1));
  if (w.at(2) != "leaders") throw std::invalid_argument("leaders?");
  std::vector<std::string> endpoints;
  for (const auto& [endpoint, tablet] : world_.tablets()) endpoints.push_back(endpoint);
  core::TableShape table;
  if (w.size() > 2 && w[w.size() - 2] == "base") {  // A pre-aggregate of that table.
    table.base_tid = table_named(w.back()).tid;
    w.resize(w.size() - 2);
  }
  if (w.size() > 2 && w[w.size() - 2] == "on") {
    if (w.back() != "ssd" && w.back() != "hdd") throw std::invalid_argument("on ssd, or on hdd");
    table.storage = w.back() == "ssd" ? core::Storage::kSsd : core::Storage::kHdd;
    w.resize(w.size() - 2);
    // No other generation has them.
    world_.fake_zookeeper.numbering = fedb::Numbering::kOpenmldb;
  }
  table.name = w.at(0);
  table.znode = "table/table_data/" + table.name;
  table.tid = 2 + static_cast<std::uint32_t>(world_.fake_zookeeper.tables().size());
  for (std::uint32_t pid = 0; pid < std::stoul(w.at(1).substr(0, x)); ++pid) {
    const std::string leader = tablet_named(w.at(3 + pid % (w.size() - 3)));
    const auto first = std::find(endpoints.begin(), endpoints.end(), leader) - endpoints.begin();
    core::PartitionShape p{pid, {}, {{1, 0}}};
    for (std::size_t i = 0; i < replicas; ++i) {
      const auto at = (static_cast<std::size_t>(first) + i) % endpoints.size();
      p.rows.push_back({endpoints[at], i == 0, true});
    }
    table.partitions.push_back(std::move(p));
  }
  world_.add_table(std::move(table));
}

void Scenario::make_stranger(const Words& w) {
  std::vector<core::ReplicaStatus> holds;
  if (w.size() > 1) {
    const bool leads = w.at(3) == "leader";
    const auto tid = static_cast<std::uint32_t>(std::strtoul(w.at(1).c_str(), nullptr, 10));
    const core::PartitionKey key = tid > 0 ? core::PartitionKey{tid, 0} : partition_named(w.at(1));
    holds.push_back({key, 500, leads ? core::Mode::kLeader : core::Mode::kFollower,
                     core::TableState::kNormal, 500, 500, w.at(2)});
  }
  world_.replace(tablet_named(w.at(0)), std::move(holds));
}

void Scenario::change_policy(const Words& w) {
  core::Policy& p = world_.policy;
  const std::string& key = w.at(0);
  if (key == "detection.crash") {
    p.detection.crash = w.at(1) == "true";
  } else if (key == "detection.refuses_again") {
    p.detection.refuses_again = duration(w.at(1));
  } else if (key == "detection.silence") {
    p.detection.silence = duration(w.at(1));
  } else if (key == "election.wait_for_better") {
    p.election.wait_for_better = duration(w.at(1));
  } else if (key == "election.wait_for_lost") {
    p.election.wait_for_lost.reset();
    if (w.at(1) != "never") p.election.wait_for_lost = duration(w.at(1));
  } else if (key == "election.unclean_after") {
    p.election.unclean_after = duration(w.at(1));
  } else if (key == "guards.max_lost_entries") {
    p.guards.max_lost_entries.reset();
    if (w.at(1) != "unlimited") p.guards.max_lost_entries = std::stoull(w.at(1));
  } else if (key == "guards.max_lost_tablets") {
    p.guards.max_lost_tablets = std::stoi(w.at(1));
  } else if (key == "handover.pause") {
    p.handover.pause = duration(w.at(1));
  } else if (key == "recovery.full_restart_wait") {
    p.recovery.full_restart_wait = duration(w.at(1));
  } else if (key == "recovery.max_copies_per_tablet") {
    p.recovery.max_copies_per_tablet = std::stoi(w.at(1));
  } else if (key == "recovery.reuse_binlog") {
    p.recovery.reuse_binlog = w.at(1) == "true";
  } else {
    throw std::invalid_argument("no such key");
  }
}

void Scenario::die_after(const Words& w) {
  Daemon& d = daemon_named(w.at(0));
  const auto is_it = [what = w.at(1)](const core::Command& command) {
    if (const auto* c = std::get_if<core::CallTablet>(&command)) {
      return simulation::name_of(method_of(c->call)) == what;
    }
    return (what == "Publish" && std::holds_alternative<core::Publish>(command)) ||
           (what == "WriteRecord" && std::holds_alternative<core::WriteRecord>(command));
  };
  if (w.at(2) == "dies") {
    d.dies_after = is_it;
    return;
  }
  d.dies_after = [this, &d, is_it, done = false](const core::Command& command) mutable {
    if (done || !is_it(command)) return false;
    done = true;
    world_.schedule.after(Duration{0}, [&d] { d.lose_connection(); });
    return false;
  };
}

void Scenario::poison(const Words& w) {
  core::TableShape table = table_named(w.at(0));
  core::PartitionShape& p = table.partitions.at(std::stoul(w.at(1)));
  const std::string& how = w.at(2);
  if (how == "two-leaders") {
    for (core::Row& row : p.rows) row.is_leader = true;
  } else if (how == "history") {
    p.terms = {{9, 0}, {3, 5}};
  } else if (how == "unreadable") {
    return world_.fake_zookeeper.poison(table.znode);
  } else {
    throw std::invalid_argument("how?");
  }
  world_.fake_zookeeper.write_table(table, "somebody");
}

void Scenario::refuse(const Words& w) {
  std::string why;
  for (std::size_t i = 1; i < w.size(); ++i) why += (i > 1 ? " " : "") + w[i];
  if (why.empty()) throw std::invalid_argument("why?");
  const std::string znode = table_named(w.at(0)).znode;
  const bool is_right = why == "no auth";
  const auto reason = is_right ? core::RefusalReason::kNoAuth : core::RefusalReason::kOther;
  world_.fake_zookeeper.refuse(znode, core::Refused{znode, reason, why, false}, is_right);
}

void Scenario::show(const Words& w) {
  if (w.at(0) == "ops") return show_ops(w);
  if (w.at(0) == "holds") return show_holds();
  if (w.at(0) == "kept") return show_kept(partition_named(w.at(1)));
  if (w.at(0) == "records") {
    for (const auto& [name, record] : world_.fake_zookeeper.records())
      printer_.line(to_text(record));
    if (world_.fake_zookeeper.records().empty()) printer_.line("no records are left");
    return;
  }
  show_table(table_named(w.at(0)));
}

void Scenario::show_ops(const Words&) {
  Daemon* d = world_.active();
  if (!d) return printer_.line("nobody is active");
  const auto print = [&](const core::OpRecord& op) {
    printer_.line(std::to_string(op.id) + ' ' + to_text(op.type) + ' ' + op.table + '/' +
                  std::to_string(op.at.pid) + ' ' + to_text(op.status) + ' ' + to_text(op.task) +
                  (op.detail.empty() ? "" : ": " + op.detail));
  };
  for (const core::OpRecord& op : d->brain().ops().ended()) print(op);
  for (const auto& [id, op] : d->brain().ops().running()) print(op);
}

void Scenario::show_holds() {
  const Daemon* d = world_.active();
  const auto holds = d ? d->brain().holds() : std::vector<core::Hold>{};
  for (const core::Hold& h : holds) {
    const auto lasts = (world_.schedule.now() - h.since) / std::chrono::milliseconds{1};
    std::string line =
        h.reason + ' ' + world_.name_of(h.at) + " for " + std::to_string(lasts) + " ms";
    if (h.until) {
      const auto left = (*h.until - world_.schedule.now()) / std::chrono::milliseconds{1};
      line += ", " + std::to_string(left) + " ms more at most";
    }
    printer_.line(line + ": " + h.text + "; lifted by " + h.lifted_by);
  }
  const auto ordered = d ? d->brain().operator_holds() : std::vector<core::OperatorHold>{};
  for (const core::OperatorHold& h : ordered) {
    std::string line = to_text(h);
    if (h.until) {
      line += ", for " +
              std::to_string((*h.until - world_.schedule.now()) / std::chrono::milliseconds{1}) +
              " ms more";
    }
    printer_.line(line);
  }
  if (holds.empty() && ordered.empty()) printer_.line("nothing is held");
}

// What ZooKeeper has of its replicas' offsets.
void Scenario::show_kept(core::PartitionKey at) {
  std::string line;
  for (const auto& [endpoint, tablet] : world_.tablets()) {
    const core::Lineage* kept = world_.fake_zookeeper.kept(at, endpoint);
    if (!kept || !kept->last_offset) continue;
    line += (line.empty() ? "" : ", ") + endpoint + " had " + std::to_string(*kept->last_offset);
  }
  printer_.line(line.empty() ? "no offset is kept" : line);
}

void Scenario::show_table(const core::TableShape& table) {
  for (const core::PartitionShape& p : table.partitions) {
    const core::PartitionKey at{table.tid, p.pid};
    printer_.line(world_.name_of(at) + "  " + rows_text(p));
    std::string words;
    for (const core::Row& row : p.rows) {
      const Tablet& t = world_.tablet(row.endpoint);
      words += (words.empty() ? "  " : " | ") + row.endpoint;
      const auto* held = t.held(at);
      if (!t.running()) {
        words += " is dead";
      } else if (t.is_stranger()) {
        words += " is a stranger";
      } else if (!held) {
        words += " holds nothing";
      } else {
        words += held->mode == core::Mode::kLeader ? " leads" : " follows";
        words +=
            " term " + std::to_string(held->term) + " offset " + std::to_string(t.log(at).offset());
      }
      if (t.paused()) words += " stopped";
    }
    printer_.line(words);
    const Daemon* d = world_.active();
    const auto* known = d ? d->brain().model().partition(at) : nullptr;
    if (known && !known->diagnosis.what.empty()) {
      printer_.line(std::string{"  "} + to_text(known->diagnosis.condition) + ": " +
                    known->diagnosis.text());
    }
  }
}

}  // namespace failoverd::scenarios
