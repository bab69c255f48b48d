// Checkers of what daemons do beside nameservers: SAFETY 13.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "proto/nameserver.pb.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/daemon.h"
#include "tests/simulation/nameserver.h"

namespace failoverd::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// SAFETY 13: tables are written directly only while no nameserver's znode stands, as far as the
// daemon can know: it has been told of none, or only just now, and none has stood for longer than a
// contact with ZooKeeper is fresh and a write may be on its way.
class NothingIsWrittenPast : public Checker {
 public:
  NothingIsWrittenPast(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 13: nothing is written past a nameserver") {}

  void before_step(const Daemon& daemon, const core::Event& event) override {
    const auto* listed = std::get_if<core::NameserversListed>(&event);
    if (!listed) return;
    if (listed->endpoints.empty()) {
      told_.erase(daemon.name());
      told_none_[daemon.name()] = now();
    } else {
      told_.try_emplace(daemon.name(), now());
    }
  }

  void stepped() override {
    if (world_.fake_zookeeper.nameservers().empty()) {
      stands_.reset();
    } else if (!stands_) {
      stands_ = now();
    }
  }

  void table_written(const core::TableShape&, const core::TableShape& after,
                     const std::string& by) override {
    const bool direct = world_.policy.metadata == core::Metadata::kZookeeper;
    if (direct || world_.writer() != by || !world_.find_daemon(by)) return;
    const auto told = told_.find(by);
    const bool was_told = told != told_.end() && now() - told->second > kUnderWay;
    // One may go and the next one come in the same moment: it was told that none is there.
    const Instant since = stands_ ? std::max(*stands_, told_none_[by]) : now();
    if (!was_told && now() - since <= kFresh + kUnderWay) return;
    broken(by + " writes " + after.name + " past the nameserver " +
           world_.fake_zookeeper.nameservers().front());
  }

 private:
  static constexpr Duration kUnderWay = milliseconds{2100};  // A session.
  static constexpr Duration kFresh = milliseconds{1500};

  std::map<std::string, Instant> told_;  // By daemon.
  std::map<std::string, Instant> told_none_;
  std::optional<Instant> stands_;
};

struct Place {
  std::string daemon;
  std::string endpoint;
  std::string table;
  std::uint32_t pid = 0;
  auto operator<=>(const Place&) const = default;
};

template <class Message>
Message read(const std::string& bytes) {
  Message message;
  message.ParsePartialFromString(bytes);
  return message;
}

Place place_read(const NameserverCall& call) {
  const auto asked = read<fedb::GetTablePartitionRequest>(call.request);
  return {call.daemon, call.endpoint, asked.name(), asked.pid()};
}

Place place_set(const NameserverCall& call) {
  const auto asked = read<fedb::SetTablePartitionRequest>(call.request);
  return {call.daemon, call.endpoint, asked.name(), asked.table_partition().pid()};
}

// SAFETY 13: a partition is replaced only by who has read it from the same nameserver immediately
// before, and was told then that the nameserver has no op of its own on it.
class IsReadBefore : public Checker {
 public:
  IsReadBefore(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 13: a partition is read before it is replaced") {}

  void nameserver_answered(const NameserverCall& call,
                           const fedb::NameserverReply& reply) override {
    if (!reply.answered) return;
    if (call.method == "GetTablePartition") {
      const auto said = read<fedb::GetTablePartitionResponse>(reply.payload);
      if (said.code() == 0 && said.has_table_partition()) read_[place_read(call)] = now();
    } else if (call.method == "ShowOPStatus") {
      const auto asked = read<fedb::ShowOPStatusRequest>(call.request);
      const auto said = read<fedb::ShowOPStatusResponse>(reply.payload);
      if (!asked.has_name() || said.code() != 0) return;
      Ops& ops = ops_[{call.daemon, call.endpoint, asked.name(), 0}];
      ops = {now(), {}};
      for (const auto& op : said.op_status()) ops.busy.insert(op.pid());
    }
  }

  void nameserver_asked(const NameserverCall& call) override {
    if (call.method != "SetTablePartition") return;
    Place place = place_set(call);
    const std::string what = call.daemon + " replaces " + place.table + "/" +
                             std::to_string(place.pid) + " at " + call.endpoint;
    const auto was_read = read_.find(place);
    if (was_read == read_.end() || now() - was_read->second > kImmediately) {
      return broken(what + " and has not read it immediately before");
    }
    read_.erase(was_read);
    const std::uint32_t pid = std::exchange(place.pid, 0);
    const auto ops = ops_.find(place);
    if (ops == ops_.end() || now() - ops->second.told_at > kImmediately) {
      broken(what + " and has not asked for its ops");
    } else if (ops->second.busy.contains(pid)) {
      broken(what + ", which has an op of its own on it");
    }
  }

 private:
  // What is asked beside it may take so long to be answered.
  static constexpr Duration kImmediately = seconds{5};
  struct Ops {
    Instant told_at;
    std::set<std::uint32_t> busy;
  };
  std::map<Place, Instant> read_;
  std::map<Place, Ops> ops_;  // pid 0 stands for all.
};

// SAFETY 13: a publish through a nameserver is done when each partition was read back; and where
// somebody else wrote its znode meanwhile, when that was looked at once more.
class IsReadBack : public Checker {
 public:
  IsReadBack(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 13: what was published is read back") {}

  void commanded(const Daemon& daemon, const core::Command& command) override {
    const auto* publish = std::get_if<core::Publish>(&command);
    if (publish) publishes_[{daemon.name(), publish->id}] = publish->tables;
  }
  void daemon_died(const Daemon& daemon) override {
    std::erase_if(publishes_, [&](const auto& p) { return p.first.first == daemon.name(); });
  }

  void nameserver_answered(const NameserverCall& call,
                           const fedb::NameserverReply& reply) override {
    if (call.method == "SetTablePartition") {
      const Place place = place_set(call);
      Back& back = backs_[{place.daemon, place.table, place.pid}];
      back = {};
      back.was_set = true;
    } else if (call.method == "GetTablePartition" && reply.answered) {
      const Place place = place_read(call);
      Back& back = backs_[{place.daemon, place.table, place.pid}];
      if (back.was_set && back.asked.contains(call.id)) ++back.reads;
    }
  }
  void nameserver_asked(const NameserverCall& call) override {
    if (call.method != "GetTablePartition") return;
    const Place place = place_read(call);
    Back& back = backs_[{place.daemon, place.table, place.pid}];
    if (!back.was_set) return;
    const auto table = world_.fake_zookeeper.tables().find("table/table_data/" + place.table);
    if (back.asked.empty() && table != world_.fake_zookeeper.tables().end()) {
      back.version = table->second.version;
    }
    back.asked.insert(call.id);
  }

  void before_step(const Daemon& daemon, const core::Event& event) override {
    const auto* told = std::get_if<core::Published>(&event);
    const auto found = told ? publishes_.find({daemon.name(), told->id}) : publishes_.end();
    if (found == publishes_.end()) return;
    const std::vector<core::TableEdit> tables = std::move(found->second);
    publishes_.erase(found);
    if (told->outcome != core::Published::Outcome::kDone || !told->by_nameserver) return;
    for (const core::TableEdit& table : tables) {
      if (table.changes_table()) check(daemon, table);
    }
  }

 private:
  struct Back {
    bool was_set = false;
    std::set<std::uint64_t> asked;  // Since then.
    int reads = 0;
    std::int32_t version = 0;  // Of the znode when it was first read back.
  };

  void check(const Daemon& daemon, const core::TableEdit& table) {
    const std::string name = table.znode.substr(table.znode.rfind('/') + 1);
    std::set<std::uint32_t> pids;
    for (const core::PartitionEdit& p : table.partitions) {
      if (p.changes_table()) pids.insert(p.pid);
    }
    const auto sets = static_cast<std::int32_t>(pids.size());
    for (const core::PartitionEdit& p : table.partitions) {
      if (!p.changes_table()) continue;
      const Back& back = backs_[{daemon.name(), name, p.pid}];
      const std::string what = daemon.name() + " is told that " + name + "/" +
                               std::to_string(p.pid) + " is published, and ";
      if (back.reads == 0) return broken(what + "it was not read back");
      if (back.version > table.version + sets && back.asked.size() < 2) {
        return broken(what + "somebody else wrote meanwhile: it was not looked at again");
      }
    }
  }

  std::map<std::pair<std::string, core::RequestId>, std::vector<core::TableEdit>> publishes_;
  std::map<std::tuple<std::string, std::string, std::uint32_t>, Back> backs_;
};

// SAFETY 13: two drivers never steer one cluster. While the leading nameserver's auto_failover is
// on, and a daemon has been able to know it, nothing is sent that changes anything but what a probe
// has begun (SAFETY 3) and what takes back what was begun (SAFETY 11).
class TwoDrivers : public Checker {
 public:
  TwoDrivers(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 13: a nameserver that steers is left alone") {}

  void stepped() override {
    const Nameserver* leads = world_.leading_nameserver();
    if (!leads || !leads->serves() || !leads->auto_failover()) {
      since_.reset();
    } else if (!since_) {
      since_ = now();
    }
  }

  void sent(const Daemon& daemon, const core::CallTablet& c) override {
    const auto key = partition_of(c.call);
    if (!core::changes(c.call) || !key || ends_an_op(*key, c.call)) return;
    check(daemon.name(), *key, core::to_text(c.call) + " to " + c.tablet);
  }

  void nameserver_asked(const NameserverCall& call) override {
    if (call.method != "SetTablePartition") return;
    const Place place = place_set(call);
    const auto table = world_.fake_zookeeper.tables().find("table/table_data/" + place.table);
    if (table == world_.fake_zookeeper.tables().end()) return;
    check(call.daemon, {table->second.tid, place.pid}, "SetTablePartition of " + place.table);
  }

 private:
  // It is asked every second, and may be silent for as long; its switch is watched.
  static constexpr Duration kKnown = seconds{3};

  bool ends_an_op(core::PartitionKey key, const core::Call& call) const {
    if (std::holds_alternative<core::RecoverSnapshot>(call)) return true;
    const auto* del = std::get_if<core::DelReplica>(&call);
    const auto* p = del ? world_.fake_zookeeper.partition(key) : nullptr;
    const core::Row* row = p ? row_of(*p, del->replica) : nullptr;
    return p && (!row || !row->is_alive);
  }

  void check(const std::string& daemon, core::PartitionKey key, const std::string& what) {
    if (!since_ || now() - *since_ <= kKnown || ledger_.operators_asked()) return;
    if (ledger_.begun(key) || ledger_.recorded(key)) return;
    broken(daemon + " sends " + what + " while the auto_failover of " +
           world_.fake_zookeeper.nameservers().front() + " is on");
  }

  std::optional<Instant> since_;
};

// SAFETY 13: nobody is probed for an election where the nameserver that leads has an op of its own,
// and a daemon has been able to know it, but where it had begun before.
class ItsOpsAreLeftAlone : public Checker {
 public:
  ItsOpsAreLeftAlone(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 13: where a nameserver has an op of its own nothing is begun") {}

  void stepped() override {
    const Nameserver* leads = world_.leading_nameserver();
    const auto works = leads && leads->serves() ? leads->works_on() : Partitions{};
    std::erase_if(since_, [&](const auto& entry) { return !works.contains(entry.first); });
    for (const core::PartitionKey at : works) since_.try_emplace(at, now());
  }

  void sent(const Daemon& daemon, const core::CallTablet& c) override {
    const auto* probe = std::get_if<core::Probe>(&c.call);
    if (!probe || ledger_.is_recovery(probe->at, probe->term)) return;
    const auto since = since_.find(probe->at);
    if (since == since_.end() || now() - since->second <= kKnown) return;
    const auto began = ledger_.first_probe_since_publish(probe->at);
    if (ledger_.recorded(probe->at) || (began && *began <= since->second + kKnown)) return;
    broken(daemon.name() + " sends " + core::to_text(c.call) + " to " + c.tablet +
           ", where the nameserver has an op of its own");
  }

 private:
  using Partitions = std::set<core::PartitionKey>;
  static constexpr Duration kKnown = milliseconds{1500};  // Contact is no longer fresh then.

  std::map<core::PartitionKey, Instant> since_;
};

}  // namespace

void add_nameserver_checkers(World& world, const Ledger& ledger, Checkers& to) {
  to.push_back(std::make_unique<NothingIsWrittenPast>(world, ledger));
  to.push_back(std::make_unique<IsReadBefore>(world, ledger));
  to.push_back(std::make_unique<IsReadBack>(world, ledger));
  to.push_back(std::make_unique<TwoDrivers>(world, ledger));
  to.push_back(std::make_unique<ItsOpsAreLeftAlone>(world, ledger));
}

std::optional<Violation> memory_differs(World& world) {
  const std::string rule = "SAFETY 13: the nameserver's memory and the znodes agree";
  const Nameserver* leads = world.leading_nameserver();
  if (world.nameservers().empty() || world.fake_zookeeper.nameservers().empty())
    return std::nullopt;
  if (!leads || !leads->serves()) return Violation{rule, "the nameserver does not lead yet"};
  if (leads->auto_failover()) return Violation{rule, "the nameserver steers"};
  for (const auto& [znode, table] : world.fake_zookeeper.tables()) {
    const auto held = leads->table(znode);
    if (!held) return Violation{rule, leads->endpoint() + " does not know " + table.name};
    if (held->partitions == table.partitions) continue;
    return Violation{rule, leads->endpoint() + " holds " + table.name + " otherwise"};
  }
  return std::nullopt;
}

}  // namespace failoverd::simulation
