#include "tests/simulation/tablet.h"

#include <algorithm>
#include <array>
#include <utility>

#include "lib/base/overload.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {
namespace {

// In the order of core::Call.
constexpr std::array kNames = {
    "GetTableStatus", "GetTermPair",      "Probe",           "Promote",      "Demote",
    "DelReplica",     "GetTableFollower", "RecoverSnapshot", "AddReplica",   "PauseSnapshot",
    "LoadTable",      "SendSnapshot",     "DropTable",       "DeleteBinlog", "GetManifest",
    "GetTaskStatus",  "DeleteOpTask",     "MakeSnapshot"};
static_assert(kNames.size() == std::variant_size_v<core::Call>);

}  // namespace

core::Answer answer(int code, std::string text) {
  core::Answer a;
  a.transport = core::Transport::kAnswered;
  a.code = code;
  a.text = std::move(text);
  return a;
}

core::Answer no_table() { return answer(core::kTableIsNotExist, "table is not exist"); }

Method method_of(const core::Call& call) { return call.index(); }

std::string name_of(Method method) { return kNames.at(method); }

std::optional<Method> method_named(const std::string& name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Method>(found - kNames.begin());
}

Tablet::Tablet(World& world, std::string endpoint)
    : world_(world), endpoint_(std::move(endpoint)) {}

// --- The process
// -----------------------------------------------------------------------------------

void Tablet::start() {
  if (running_) return;
  // A machine that was off resets what others take for open connections.
  if (!std::exchange(powered_, true)) world_.process_ended(*this);
  running_ = true;
  paused_ = false;
  ++process_;
  mutex_free_ = {};
  after(world_.random.in(world_.timing.registration), [this] { register_first(); });
}

void Tablet::kill() {
  if (!running_) return;
  running_ = false;
  paused_ = false;
  stranger_.reset();
  ended_at_ = world_.schedule.now();
  forget_memory();
  backlog_.clear();
  hung_.clear();
  if (powered_) world_.process_ended(*this);
}

void Tablet::pause() {
  if (running_) paused_ = true;
}

void Tablet::resume() {
  if (!paused_) return;
  paused_ = false;
  // The process's threads take what is in its sockets in any order.
  for (Work& work : std::exchange(backlog_, {})) {
    after(world_.random.in({Duration{0}, world_.timing.network.to}), std::move(work));
  }
}

void Tablet::take(Work work) {
  if (!running_) return;
  if (paused_) {
    backlog_.push_back(std::move(work));
  } else {
    work();
  }
}

void Tablet::after(Duration delay, Work work) {
  world_.schedule.after(delay, [this, process = process_, work = std::move(work)]() mutable {
    if (running_ && process == process_) take(std::move(work));
  });
}

// --- Calls
// -----------------------------------------------------------------------------------------

void Tablet::call(const core::Call& call, Done done, Done carried_out, core::Storage storage) {
  const Method method = method_of(call);
  if (hanging_.contains(method)) {
    hung_.push_back([=, this] { this->call(call, done, carried_out, storage); });
    return;
  }
  // AppendEntries does not take the mutex; role changes and GetTableStatus do.
  const bool probe = std::holds_alternative<core::Probe>(call);
  if (!probe && mutex_free_ > world_.schedule.now()) {
    after(mutex_free_ - world_.schedule.now(),
          [=, this] { this->call(call, done, carried_out, storage); });
    return;
  }
  core::Answer result;
  Instant until;
  if (const auto failing = failing_.find(method); failing != failing_.end()) {
    result = answer(failing->second.code, "made to fail");
    if (--failing->second.times <= 0) failing_.erase(failing);
    failed_before(call);
  } else {
    if (const auto at = partition_of(call)) {
      if (const Held* h = held(*at); h && h->mode == core::Mode::kLeader) {
        const bool demote = std::holds_alternative<core::Demote>(call);
        if (demote && refuses_role(*h) == core::kOk) {
          until = mutex_free_ = joined(*h, nullptr);
        }
        const auto* del = std::get_if<core::DelReplica>(&call);
        if (del) until = joined(*h, &del->replica);
      }
    }
    result = carry_out(call, storage);
  }
  if (carried_out) carried_out(result);
  const Duration more = until > world_.schedule.now() ? until - world_.schedule.now() : Duration{};
  if (slow + more == Duration{}) return done(result);
  after(slow + more, [result, done] { done(result); });
}

core::Answer Tablet::carry_out(const core::Call& call, core::Storage storage) {
  if (stranger_) return stranger_answers(call);
  return std::visit(Overload{
                        [&](const core::GetTableStatus& c) { return status(c); },
                        [&](const core::GetTermPair& c) { return term_pair(c.at, storage); },
                        [&](const core::Probe& c) { return probe(c); },
                        [&](const core::Promote& c) { return promote(c); },
                        [&](const core::Demote& c) { return demote(c.at); },
                        [&](const core::DelReplica& c) { return del_replica(c); },
                        [&](const core::GetTableFollower& c) { return followers(c.at); },
                        [&](const core::RecoverSnapshot& c) { return recover_snapshot(c.at); },
                        [&](const core::AddReplica& c) { return add_replica_asked(c); },
                        [&](const core::PauseSnapshot& c) { return pause_snapshot(c.at); },
                        [&](const core::LoadTable& c) { return load_table(c, storage); },
                        [&](const core::SendSnapshot& c) { return send_snapshot(c); },
                        [&](const core::DropTable& c) { return drop_table(c); },
                        [&](const core::DeleteBinlog& c) { return delete_binlog(c.at, storage); },
                        [&](const core::GetManifest& c) { return manifest(c.at, storage); },
                        [&](const core::GetTaskStatus&) { return task_status(); },
                        [&](const core::DeleteOpTask& c) { return delete_op_task(c.op); },
                        [&](const core::MakeSnapshot& c) { return make_snapshot_asked(c); },
                    },
                    call);
}

core::Answer Tablet::status(const core::GetTableStatus& c) const {
  core::Answer a = answer(core::kOk);
  for (const auto& [key, h] : memory) {
    if (c.at && *c.at != key) continue;
    const core::Offset last = offset(key, h);
    a.replicas.push_back({key, last, h.mode, h.state, last, last * 100, h.name});
  }
  return a;
}

const Tablet::Directory* Tablet::directory(core::PartitionKey at, core::Storage storage) const {
  const auto found = disk.find(at);
  return found == disk.end() || found->second.storage != storage ? nullptr : &found->second;
}

core::Answer Tablet::term_pair(core::PartitionKey at, core::Storage storage) const {
  core::Answer a = answer(core::kOk);
  if (const Held* h = held(at)) {
    a.has_table = true;
    a.is_leader = h->mode == core::Mode::kLeader;
    a.term = h->term;
    a.offset = offset(at, *h);
  } else if (const Directory* d = directory(at, storage)) {
    a.term = d->snapshot_term;  // The binlog behind it does not count.
    a.offset = d->snapshot;
  }
  return a;
}

core::Answer Tablet::probe(const core::Probe& c) {
  const Appended appended = append({c.at, c.term, true, false, 0, {}});
  core::Answer a = answer(appended.code);
  a.offset = appended.offset;
  return a;
}

Tablet::Generation Tablet::openmldb() {
  Generation g;
  g.changes_role_when_normal_only = false;
  g.takes_gaps = true;
  g.tells_offset_always = true;
  g.no_follower = core::kNoFollower;
  g.no_directory = core::kCreateTableFailed;
  return g;
}

int Tablet::refuses_role(const Held& h) const {
  if (!generation.changes_role_when_normal_only) {
    return h.state == core::TableState::kLoading ? core::kTableIsLoading : core::kOk;
  }
  return h.state == core::TableState::kNormal ? core::kOk : core::kTableStatusIsNotNormal;
}

core::Answer Tablet::promote(const core::Promote& c) {
  const auto found = memory.find(c.at);
  if (found == memory.end()) return no_table();
  Held& h = found->second;
  if (const int code = refuses_role(h)) return answer(code, "table status is not normal");
  if (h.mode == core::Mode::kLeader) return answer(core::kTableIsLeader, "table is leader");
  h.term = c.term;  // Without a look at the one it had.
  h.mode = core::Mode::kLeader;
  h.by_hand = 0;
  set_followers(c.at, h, c.replicas);
  return answer(core::kOk, "ok");
}

core::Answer Tablet::demote(core::PartitionKey at) {
  const auto found = memory.find(at);
  if (found == memory.end()) return no_table();
  Held& h = found->second;
  if (const int code = refuses_role(h)) return answer(code, "table status is not normal");
  h.mode = core::Mode::kFollower;
  set_followers(at, h, {});
  return answer(core::kOk, "ok");
}

core::Answer Tablet::add_replica_asked(const core::AddReplica& c) {
  const auto found = memory.find(c.at);
  if (found == memory.end()) return no_table();
  Held& h = found->second;
  if (h.mode != core::Mode::kLeader) return answer(kTableIsFollower, "table is follower");
  for (const Follower& f : h.followers) {
    if (f.endpoint != c.replica) continue;
    return answer(core::kReplicaAlreadyExists, "replica endpoint already exists");
  }
  add_replica(c.at, c.replica);
  return answer(core::kOk, "ok");
}

core::Answer Tablet::del_replica(const core::DelReplica& c) {
  const auto found = memory.find(c.at);
  if (found == memory.end()) return no_table();
  Held& h = found->second;
  if (h.mode != core::Mode::kLeader) return answer(kTableIsFollower, "table is follower");
  std::erase_if(h.followers, [&](const Follower& f) { return f.endpoint == c.replica; });
  return answer(core::kOk, "ok");
}

core::Answer Tablet::followers(core::PartitionKey at) const {
  const Held* h = held(at);
  if (!h) return no_table();
  if (h->mode != core::Mode::kLeader) return answer(kTableIsFollower, "table is follower");
  core::Answer a = answer(h->followers.empty() ? generation.no_follower : core::kOk);
  a.offset = offset(at, *h);
  for (const Follower& f : h->followers)
    a.followers.push_back({f.endpoint, f.position.value_or(0)});
  return a;
}

Instant Tablet::joined(const Held& h, const std::string* only) const {
  Instant until;
  for (const Follower& f : h.followers) {
    if (only && f.endpoint != *only) continue;
    if (f.attempt == 0 || !world_.hangs(endpoint_, f.endpoint)) continue;
    until = std::max(until, f.attempt_began + world_.timing.replication_timeout);
  }
  return until;
}

// --- Misbehaviour and looks
// ------------------------------------------------------------------------

void Tablet::unhang() {
  hanging_.clear();
  for (Work& work : std::exchange(hung_, {})) take(std::move(work));
}

void Tablet::stop_failing() {
  failing_.clear();
  load_fails_ = false;
}

void Tablet::set_state(core::PartitionKey at, core::TableState state) {
  if (const auto found = memory.find(at); found != memory.end()) found->second.state = state;
}

void Tablet::promote_by_hand(core::PartitionKey at, core::Term term) {
  world_.trouble(endpoint_, kPromotedByHand + world_.name_of(at));
  const auto nobody_hears = [](const core::Answer&) {};
  call(core::Promote{at, term, {}}, nobody_hears, [this, at](const core::Answer& answer) {
    if (answer.ok()) promoted_by_hand(at);
  });
}

void Tablet::promoted_by_hand(core::PartitionKey at) { memory.at(at).by_hand = memory.at(at).run; }

const Tablet::Held* Tablet::held(core::PartitionKey at) const {
  const auto found = memory.find(at);
  return found == memory.end() ? nullptr : &found->second;
}

bool Tablet::leads(core::PartitionKey at) const {
  const Held* h = held(at);
  return running_ && h && h->mode == core::Mode::kLeader && h->loaded();
}

const Log& Tablet::log(core::PartitionKey at) const {
  static const Log kEmpty;
  const auto found = disk.find(at);
  return found == disk.end() ? kEmpty : found->second.log;
}

core::Offset Tablet::offset(core::PartitionKey at, const Held& h) const {
  return h.loaded() ? log(at).offset() : h.in_new_file;
}

void Tablet::create(core::PartitionKey at, const std::string& name, core::Mode mode,
                    core::Term term, const std::vector<std::string>& followers,
                    core::Storage storage) {
  disk[at] = {};
  disk[at].storage = storage;
  Held& h = memory[at];
  h = {};
  h.name = name;
  h.instance = ++last_run_;
  h.mode = mode;
  h.term = term;
  set_followers(at, h, followers);
}

}  // namespace failoverd::simulation
