#include "tests/simulation/fake_zookeeper.h"

#include <algorithm>
#include <set>

#include "lib/base/check.h"
#include "tests/simulation/table_bytes.h"

namespace failoverd::simulation {

using zookeeper::Code;
using zookeeper::Op;
using zookeeper::OpResult;

namespace {

constexpr const char* kStranger = "somebody";
// What a request takes beside the table that it publishes.
constexpr std::size_t kAround = 2048;

}  // namespace

// As a cluster is that a nameserver has set up and left.
FakeZooKeeper::FakeZooKeeper(Schedule& schedule) : schedule_(schedule) {
  for (const std::string& path :
       {std::string{kRoot}, paths_.nodes(), paths_.nameservers(), paths_.at("table"),
        paths_.at(fedb::Paths::kTables), paths_.at(fedb::Paths::kDbTables), paths_.term(),
        paths_.notify(), paths_.own()}) {
    write({Op::create(path, "")}, 0, kStranger);
  }
  set_term(0);
  set_value(paths_.notify(), "0", kStranger);
  set_auto_failover(true, "file");
}

// --- Sessions ------------------------------------------------------------------------------------

SessionId FakeZooKeeper::open(const std::string& owner, Duration timeout,
                              std::function<void()> ended) {
  const auto id = static_cast<SessionId>(sessions_.size() + 1);
  sessions_[id] = {owner, timeout, schedule_.now(), std::move(ended), true};
  watch_session(id);
  return id;
}

bool FakeZooKeeper::alive(SessionId id) const {
  const auto found = sessions_.find(id);
  return found != sessions_.end() && found->second.alive;
}

void FakeZooKeeper::heard(SessionId id) {
  if (alive(id)) sessions_.at(id).last_heard = schedule_.now();
}

// The real one sorts sessions into buckets of a tick; what matters is that none ends early.
void FakeZooKeeper::watch_session(SessionId id) {
  const Session& s = sessions_.at(id);
  schedule_.at(s.last_heard + s.timeout, [this, id] {
    const Session& session = sessions_.at(id);
    if (!session.alive) return;
    if (schedule_.now() - session.last_heard < session.timeout) {
      watch_session(id);
    } else {
      expire(id);
    }
  });
}

void FakeZooKeeper::expire(SessionId id) {
  Session& s = sessions_.at(id);
  if (!std::exchange(s.alive, false)) return;
  const std::vector<std::string> paths = znodes_.owned_by(id);
  ++zxid_;
  std::vector<ZnodeState> before;
  for (const std::string& path : paths) {
    (void)znodes_.write(Op::remove(path, -1), {zxid_, id, schedule_.wall_now_ms()}, before);
  }
  commit(before, s.owner);
  if (const auto ended = std::exchange(s.ended, nullptr)) ended();
}

// --- Writes --------------------------------------------------------------------------------------

FakeZooKeeper::Written FakeZooKeeper::write(const std::vector<Op>& ops, SessionId session,
                                            const std::string& by) {
  ++zxid_;
  Written written;
  OpResult not_applied;
  not_applied.code = Code::kNotApplied;
  written.results.assign(ops.size(), not_applied);
  std::vector<ZnodeState> before;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const auto no = session == 0 ? std::nullopt : refusal(ops[i]);
    OpResult result =
        no ? *no : znodes_.write(ops[i], {zxid_, session, schedule_.wall_now_ms()}, before);
    if (result.code != Code::kOk) {
      for (auto b = before.rbegin(); b != before.rend(); ++b) znodes_.set(*b);
      written.results.assign(ops.size(), not_applied);
      written.code = result.code;
      written.results[i] = std::move(result);
      return written;
    }
    written.results[i] = std::move(result);
  }
  commit(before, by);
  return written;
}

void FakeZooKeeper::commit(const std::vector<ZnodeState>& before, const std::string& by) {
  auto transaction = std::make_shared<Transaction>();
  transaction->zxid = zxid_;
  std::set<std::string> told;
  for (const ZnodeState& b : before) {
    if (!told.insert(b.path).second) continue;
    const Znode* now = znodes_.find(b.path);
    transaction->after.push_back({b.path, now ? std::optional{*now} : std::nullopt});
  }
  for (FakeServer* server : servers_) server->committed(transaction);
  // All of it is there at once: what tables mean may stand in an op's entry.
  const auto is_op = [&](const ZnodeState& s) { return parent_of(s.path) == paths_.ops(); };
  for (const ZnodeState& after : transaction->after) {
    if (is_op(after)) read(after, by);
  }
  for (const ZnodeState& after : transaction->after) {
    if (!is_op(after)) read(after, by);
  }
}

void FakeZooKeeper::set_value(const std::string& path, const std::string& value,
                              const std::string& by) {
  const Op op = znodes_.find(path) ? Op::set(path, value, -1) : Op::create(path, value);
  CHECK(write({op}, 0, by).code == Code::kOk);
}

// --- What it refuses -----------------------------------------------------------------------------

std::optional<OpResult> FakeZooKeeper::refusal(const Op& op) const {
  if (refuses_.empty() || op.kind == Op::Kind::kCheck) return std::nullopt;
  for (const auto& [znode, how] : refuses_) {
    const auto table = tables_.find(znode);
    if (table == tables_.end()) continue;
    const std::string kept = paths_.replicas() + "/" + std::to_string(table->second.tid);
    if (op.path != (how.is_kept ? kept : paths_.at(znode))) continue;
    const bool is_right = how.reason == core::RefusalReason::kNoAuth;
    return failed(is_right ? Code::kNoAuth : Code::kOther, how.why);
  }
  return std::nullopt;
}

// Rights that are refused and not seen are such as depend on who comes.
std::vector<zookeeper::Acl> FakeZooKeeper::acl_of(const std::string& path) const {
  for (const auto& [znode, is_seen] : refusal_is_seen_) {
    if (path != paths_.at(znode)) continue;
    if (is_seen) return {{"world", "anyone", false, "r"}};
    return {{"ip", "10.0.0.1", true, "cdrwa"}};
  }
  return {{"world", "anyone", true, "cdrwa"}};
}

void FakeZooKeeper::refuse(const std::string& znode, std::optional<core::Refused> how,
                           bool is_seen) {
  note_trouble();
  refuses_.erase(znode);
  refusal_is_seen_.erase(znode);
  if (how) {
    const bool is_right = how->reason == core::RefusalReason::kNoAuth && !how->is_kept;
    refuses_.emplace(znode, *how);
    if (is_right) refusal_is_seen_.emplace(znode, is_seen);
  }
  note_trouble();
}

void FakeZooKeeper::hide(const std::string& path, bool is) {
  if (is) {
    hidden_.insert(path);
  } else {
    hidden_.erase(path);
  }
}

void FakeZooKeeper::set_longest(std::size_t bytes) {
  note_trouble();
  longest_ = bytes;
  note_trouble();
}

// Before and after every change of what is refused: between the two it was as it is now.
void FakeZooKeeper::note_trouble() {
  for (const auto& [znode, table] : tables_) {
    if (refuses_.contains(znode) || !takes_length(table.bytes + kAround)) {
      troubled_[znode] = schedule_.now();
    }
  }
}

bool FakeZooKeeper::was_troubled(const std::string& znode, Duration within) const {
  const auto table = tables_.find(znode);
  if (table == tables_.end() || refuses_.contains(znode)) return true;
  if (!takes_length(table->second.bytes + kAround)) return true;
  const auto last = troubled_.find(znode);
  return last != troubled_.end() && schedule_.now() - last->second <= within;
}

// --- What others than failoverd write ------------------------------------------------------------

bool FakeZooKeeper::register_tablet(const std::string& endpoint, bool startup, SessionId session) {
  Op op = Op::create(paths_.nodes() + "/" + endpoint, (startup ? "startup_" : "") + endpoint);
  op.ephemeral = true;
  return alive(session) && write({op}, session, endpoint).code == Code::kOk;
}

void FakeZooKeeper::write_table(const core::TableShape& shape, const std::string& by) {
  set_value(paths_.at(shape.znode), to_bytes(shape, numbering), by);
}

void FakeZooKeeper::touch_table(const std::string& znode) {
  const auto value = readable_.find(znode);
  if (value == readable_.end()) return;
  set_value(paths_.at(znode), with_touch(*value->second, touched_.at(znode) + 1, numbering),
            kStranger);
}

void FakeZooKeeper::drop_table(const std::string& znode) {
  write({Op::remove(paths_.at(znode), -1)}, 0, kStranger);
}

void FakeZooKeeper::poison(const std::string& znode) {
  if (tables_.contains(znode)) set_value(paths_.at(znode), "\xff\xff\xff", kStranger);
}

void FakeZooKeeper::cure(const std::string& znode) {
  if (poisoned_.contains(znode)) set_value(paths_.at(znode), *readable_.at(znode), kStranger);
}

void FakeZooKeeper::set_term(core::Term term) {
  set_value(paths_.term(), std::to_string(term), kStranger);
}

void FakeZooKeeper::set_nameservers(const std::vector<std::string>& nameservers) {
  for (const std::string& name : znodes_.children(paths_.nameservers())) {
    write({Op::remove(paths_.nameservers() + "/" + name, -1)}, 0, kStranger);
  }
  for (const std::string& nameserver : nameservers) {
    Op op = Op::create(paths_.nameservers() + "/lock_request", nameserver);
    op.sequential = true;
    write({op}, 0, kStranger);
  }
}

void FakeZooKeeper::set_auto_failover(bool on, const std::string& by) {
  set_value(paths_.auto_failover(), std::string{on ? "true" : "false"} + "\nby " + by + "\n",
            kStranger);
}

void FakeZooKeeper::remove_auto_failover() {
  write({Op::remove(paths_.auto_failover(), -1)}, 0, kStranger);
}

// --- Looked up -----------------------------------------------------------------------------------

const core::TableShape* FakeZooKeeper::table(core::PartitionKey at) const {
  for (const auto& [znode, shape] : tables_) {
    if (shape.tid == at.tid) return &shape;
  }
  return nullptr;
}

const core::PartitionShape* FakeZooKeeper::partition(core::PartitionKey at) const {
  const core::TableShape* shape = table(at);
  if (!shape) return nullptr;
  for (const core::PartitionShape& p : shape->partitions) {
    if (p.pid == at.pid) return &p;
  }
  return nullptr;
}

bool FakeZooKeeper::may_write(SessionId session, std::int64_t epoch) const {
  return alive(session) && epoch == epoch_;
}

const core::Lineage* FakeZooKeeper::kept(core::PartitionKey at,
                                         const core::Endpoint& endpoint) const {
  const auto partition = kept_.find(at);
  if (partition == kept_.end()) return nullptr;
  const auto found = partition->second.find(endpoint);
  return found == partition->second.end() ? nullptr : &found->second;
}

std::optional<SessionId> FakeZooKeeper::lock_holder() const {
  if (lock_.empty()) return std::nullopt;
  return lock_.begin()->second;
}

}  // namespace failoverd::simulation
