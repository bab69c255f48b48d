// What a tablet does with its disk, behind answers that are given at once: loading, dropping,
// snapshots; and the registry of the tasks of ops.
#include <algorithm>
#include <iterator>
#include <utility>

#include "tests/simulation/tablet.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {
namespace {

constexpr int kTaskThreads = 3;  // LoadTable, DropTable and SendSnapshot share them.

}  // namespace

// --- Tasks
// -----------------------------------------------------------------------------------------

// Refused: the key is taken, by whatever came first and however it ended.
Tablet::Registration Tablet::register_task(core::OpId op, core::Task task) {
  if (!tasks.try_emplace({op, task}, core::OpStatus::kDoing).second) return 0;
  return registered_[{op, task}] = ++last_registration_;
}

void Tablet::end_task(core::OpId op, core::Task task, Registration registration, bool done) {
  const auto found = tasks.find({op, task});
  // DeleteOPTask was quicker; and the key may have been taken again.
  if (found == tasks.end() || registered_[{op, task}] != registration) return;
  found->second = done ? core::OpStatus::kDone : core::OpStatus::kFailed;
}

// A call that is made to fail has registered its task all the same.
void Tablet::failed_before(const core::Call& call) {
  const auto fail = [this](core::OpId op, core::Task task) {
    if (const Registration r = register_task(op, task)) end_task(op, task, r, false);
  };
  if (const auto* send = std::get_if<core::SendSnapshot>(&call)) {
    fail(send->op, core::Task::kSendSnapshot);
  } else if (const auto* dropping = std::get_if<core::DropTable>(&call)) {
    fail(dropping->op, core::Task::kDropTable);
  } else if (const auto* make = std::get_if<core::MakeSnapshot>(&call)) {
    fail(make->op, core::Task::kMakeSnapshot);
  } else if (const auto* load = std::get_if<core::LoadTable>(&call); load && load->op != 0) {
    fail(load->op, core::Task::kLoadTable);
  }
}

core::Answer Tablet::task_status() const {
  core::Answer a = answer(core::kOk, "ok");
  for (const auto& [key, status] : tasks) {
    const auto of = tasks_of_.find(key);
    a.tasks.push_back({key.first, key.second, status,
                       of == tasks_of_.end() ? std::nullopt : std::optional{of->second}});
  }
  return a;
}

core::Answer Tablet::delete_op_task(core::OpId op) {
  std::erase_if(tasks, [op](const auto& task) { return task.first.first == op; });
  std::erase_if(tasks_of_, [op](const auto& task) { return task.first.first == op; });
  return answer(core::kOk, "ok");
}

void Tablet::hold(core::Task task, Stage stage) { holds_.emplace(task, stage); }

void Tablet::let_go() {
  holds_.clear();
  for (Work& work : std::exchange(held_back_, {})) work();
}

void Tablet::pass(core::Task task, Stage stage, Work work) {
  if (!holds_.contains({task, stage})) return work();
  held_back_.push_back(std::move(work));
}

void Tablet::queue_task(core::Task task, Work work) {
  if (holds_.contains({task, Stage::kQueued})) {
    held_back_.push_back(
        [this, task, work = std::move(work)]() mutable { queue_task(task, std::move(work)); });
    return;
  }
  if (!world_.random.chance(world_.timing.queued)) return run_task(std::move(work));
  after(world_.random.in(world_.timing.queue),
        [this, work = std::move(work)]() mutable { run_task(std::move(work)); });
}

void Tablet::run_task(Work work) {
  if (busy_task_threads_ == kTaskThreads) {
    waiting_tasks_.push_back(std::move(work));
    return;
  }
  ++busy_task_threads_;
  after(world_.random.in(world_.timing.task_begins), std::move(work));
}

void Tablet::task_thread_free() {
  --busy_task_threads_;
  if (waiting_tasks_.empty()) return;
  Work next = std::move(waiting_tasks_.front());
  waiting_tasks_.pop_front();
  run_task(std::move(next));
}

// --- Loading and dropping
// --------------------------------------------------------------------------

bool Tablet::is(core::PartitionKey at, std::uint64_t instance) const {
  const Held* h = held(at);
  return h && h->instance == instance;
}

core::Answer Tablet::load_table(const core::LoadTable& c, core::Storage storage) {
  const auto* p = world_.tamper.loads_as_leader ? world_.fake_zookeeper.partition(c.at) : nullptr;
  const bool only = p && p->rows.size() == 1 && !p->terms.empty();
  return load_table(c, only ? std::optional{p->terms.back().term} : std::nullopt, {}, storage);
}

core::Answer Tablet::load_table(const core::LoadTable& c, std::optional<core::Term> leader,
                                const std::vector<std::string>& replicas, core::Storage storage) {
  Registration registration = 0;
  if (c.op != 0) {
    registration = register_task(c.op, core::Task::kLoadTable);
    if (registration == 0) return answer(kAddTaskFailed, "add task failed");
    tasks_of_[{c.op, core::Task::kLoadTable}] = c.at;
  }
  const auto refuse = [&](int code, const char* text) {
    if (registration != 0) end_task(c.op, core::Task::kLoadTable, registration, false);
    return answer(code, text);
  };
  if (c.name.empty() || c.at.tid == 0) return refuse(kTableMetaIsInvalid, "table meta is invalid");
  if (!directory(c.at, storage)) {
    if (generation.no_directory != core::kOk || disk.contains(c.at)) {
      return refuse(generation.no_directory, "table db path is not exist");
    }
    disk[c.at].storage = storage;
  }
  if (memory.contains(c.at)) return refuse(core::kTableAlreadyExists, "table already exists");
  if (storage != core::Storage::kMemory) {
    const core::Mode mode = leader ? core::Mode::kLeader : core::Mode::kFollower;
    queue_task(core::Task::kLoadTable, [this, c, mode, term = leader.value_or(0), registration] {
      after(world_.random.in(world_.timing.load), [this, c, mode, term, registration] {
        pass(core::Task::kLoadTable, Stage::kInside, [this, c, mode, term, registration] {
          loading_from_disk_ends(c, mode, term, registration);
        });
      });
    });
    return answer(core::kOk, "ok");
  }
  Held& h = memory[c.at];
  h.name = c.name;
  h.mode = leader ? core::Mode::kLeader : core::Mode::kFollower;
  h.term = leader.value_or(0);
  // Until its task begins it is there with offset 0, and not even kTableLoading (SAFETY 19).
  h.state = core::TableState::kUndefined;
  h.instance = ++last_run_;
  h.from_disk = true;
  set_followers(c.at, h, {});
  queue_task(core::Task::kLoadTable, [this, c, instance = h.instance, replicas, registration] {
    if (!is(c.at, instance)) {
      load_is_over(c, registration, false);
      return task_thread_free();
    }
    memory.at(c.at).state = core::TableState::kLoading;
    after(world_.random.in(world_.timing.load), [this, c, instance, replicas, registration] {
      pass(core::Task::kLoadTable, Stage::kInside, [this, c, instance, replicas, registration] {
        loading_ends(c, instance, replicas, registration);
      });
    });
  });
  return answer(core::kOk, "ok");
}

void Tablet::load_is_over(const core::LoadTable& c, Registration registration, bool loaded) {
  if (registration != 0) end_task(c.op, core::Task::kLoadTable, registration, loaded);
}

void Tablet::loading_ends(const core::LoadTable& c, std::uint64_t instance,
                          const std::vector<std::string>& replicas, Registration registration) {
  const core::PartitionKey at = c.at;
  task_thread_free();
  const bool is_there = is(at, instance);  // Else it was dropped meanwhile.
  const bool fails = is_there && (std::exchange(load_fails_, false) || disk.at(at).torn);
  load_is_over(c, registration, is_there && !fails);
  if (!is_there) return;
  if (fails) {
    world_.trouble(endpoint_, "a load failed");
    return drop(at);
  }
  Held& h = memory.at(at);
  h.state = core::TableState::kNormal;
  h.loaded_at = world_.schedule.now();
  if (!replicas.empty()) set_followers(at, h, replicas);
}

// Nothing keeps a second load from being queued behind the first: it fails, and what has been
// loaded goes with its directory, as with every load that fails.
void Tablet::loading_from_disk_ends(const core::LoadTable& c, core::Mode mode, core::Term term,
                                    Registration registration) {
  task_thread_free();
  const auto found = disk.find(c.at);
  const bool can = found != disk.end() && !found->second.torn && !held(c.at);
  const bool loaded = !std::exchange(load_fails_, false) && can;
  if (loaded) {
    Held& h = memory[c.at];
    h.name = c.name;
    h.mode = mode;
    h.term = term;
    h.instance = ++last_run_;
    h.from_disk = true;
    h.loaded_at = world_.schedule.now();
    set_followers(c.at, h, {});
  } else {
    world_.trouble(endpoint_, "a load failed");
    drop(c.at);
  }
  load_is_over(c, registration, loaded);
}

core::Answer Tablet::drop_table(const core::DropTable& c) {
  const Registration registration = register_task(c.op, core::Task::kDropTable);
  if (registration == 0) return answer(kAddTaskFailed, "add task failed");
  const Held* h = held(c.at);
  if (!h || h->state == core::TableState::kMakingSnapshot) {
    end_task(c.op, core::Task::kDropTable, registration, false);
    return h ? answer(core::kTableIsMakingSnapshot, "table status is kMakingSnapshot") : no_table();
  }
  queue_task(core::Task::kDropTable, [this, c, registration, instance = h->instance] {
    after(world_.random.in(world_.timing.drop), [this, c, registration, instance] {
      pass(core::Task::kDropTable, Stage::kInside,
           [this, c, registration, instance] { dropping_ends(c, registration, instance); });
    });
  });
  return answer(core::kOk, "ok");
}

void Tablet::dropping_ends(const core::DropTable& c, Registration registration,
                           std::uint64_t instance) {
  if (is(c.at, instance)) drop(c.at);
  end_task(c.op, core::Task::kDropTable, registration, true);
  task_thread_free();
}

void Tablet::drop(core::PartitionKey at) {
  memory.erase(at);
  const auto directory = disk.find(at);
  if (directory == disk.end()) return;
  recycle_bin.push_back({at, std::move(directory->second), world_.schedule.now()});
  disk.erase(directory);
  world_.tell(&Observer::dropped, endpoint_, recycle_bin.back().at,
              recycle_bin.back().directory.log);
}

core::Answer Tablet::delete_binlog(core::PartitionKey at, core::Storage storage) {
  const auto found = disk.find(at);
  if (!directory(at, storage)) return answer(core::kOk, "ok");
  Directory& d = found->second;
  recycle_bin.push_back({at, d, world_.schedule.now()});
  if (held(at)) {
    d.binlog_moved = true;  // It goes on writing into the file that was moved away.
  } else {
    d.log.cut(d.snapshot);
    d.binlog_from = d.snapshot;
  }
  return answer(core::kOk, "ok");
}

// --- Snapshots
// -----------------------------------------------------------------------------------------

core::Answer Tablet::pause_snapshot(core::PartitionKey at) {
  const auto found = memory.find(at);
  if (found == memory.end()) return no_table();
  core::TableState& state = found->second.state;
  if (state != core::TableState::kNormal && state != core::TableState::kSnapshotPaused) {
    return answer(core::kTableStatusIsNotNormal, "table status is not kTableNormal");
  }
  state = core::TableState::kSnapshotPaused;
  return answer(core::kOk, "ok");
}

core::Answer Tablet::recover_snapshot(core::PartitionKey at) {
  const auto found = memory.find(at);
  if (found == memory.end()) return no_table();
  core::TableState& state = found->second.state;
  if (state != core::TableState::kNormal && state != core::TableState::kSnapshotPaused) {
    return answer(core::kTableStatusIsNotPaused, "table status is not kSnapshotPaused");
  }
  state = core::TableState::kNormal;
  return answer(core::kOk, "ok");
}

core::Answer Tablet::manifest(core::PartitionKey at, core::Storage storage) const {
  core::Answer a = answer(core::kOk, "ok");
  const Directory* found = directory(at, storage);
  if (!found) return a;  // Offset 0.
  a.offset = found->snapshot;
  a.term = found->snapshot_term;
  return a;
}

core::Answer Tablet::make_snapshot_asked(const core::MakeSnapshot& c) {
  const Registration registration = register_task(c.op, core::Task::kMakeSnapshot);
  if (registration == 0) return answer(kAddTaskFailed, "add task failed");
  const Held* h = held(c.at);
  if (!h || h->state != core::TableState::kNormal) {
    end_task(c.op, core::Task::kMakeSnapshot, registration, false);
    return h ? answer(core::kTableStatusIsNotNormal, "table status is not kTableNormal")
             : answer(kSnapshotIsNotExist, "snapshot is not exist");
  }
  make_snapshot(c.at, [this, op = c.op, registration](bool made) {
    end_task(op, core::Task::kMakeSnapshot, registration, made);
  });
  return answer(core::kOk, "ok");
}

void Tablet::make_snapshot(core::PartitionKey at, std::function<void(bool)> then) {
  const auto found = memory.find(at);
  if (found == memory.end() || found->second.state != core::TableState::kNormal) return then(false);
  found->second.state = core::TableState::kMakingSnapshot;
  const core::Offset up_to = log(at).offset();
  after(world_.random.in(world_.timing.make_snapshot),
        [this, at, up_to, instance = found->second.instance, then = std::move(then)] {
          pass(core::Task::kMakeSnapshot, Stage::kInside,
               [this, at, up_to, instance, then] { then(snapshot_made(at, up_to, instance)); });
        });
}

bool Tablet::snapshot_made(core::PartitionKey at, core::Offset up_to, std::uint64_t instance) {
  if (!is(at, instance)) return false;
  Held& h = memory.at(at);
  if (h.state != core::TableState::kMakingSnapshot) return false;
  h.state = core::TableState::kNormal;
  Directory& d = disk.at(at);
  if (d.binlog_moved || up_to <= d.snapshot) return true;
  d.snapshot = up_to;
  d.snapshot_term = std::prev(d.log.above(up_to))->term;
  delete_old_binlogs(at);
  return true;
}

void Tablet::delete_old_binlogs(core::PartitionKey at) {
  const Held* h = held(at);
  const auto found = disk.find(at);
  if (!h || found == disk.end()) return;
  Directory& d = found->second;
  core::Offset keep = d.snapshot;
  // Whom a leader sends to keeps what it still needs; who has said nothing yet needs all of it.
  for (const Follower& f : h->followers) keep = std::min(keep, f.position.value_or(0));
  d.binlog_from = std::max(d.binlog_from, keep);
}

// --- Its binlogs
// ---------------------------------------------------------------------------------------

// What was written before the last round of syncing is safe.
void Tablet::about_to_write(Directory& d) {
  d.before_new_file = nullptr;
  const Instant now = world_.schedule.now();
  if (now < d.next_sync) return;
  d.synced = d.log.offset();
  d.next_sync = now + world_.timing.binlog_sync;
}

// The loader reads the snapshot and then this file, whatever the files before it hold: they are
// lost, unless nothing is written to this one until the process ends.
void Tablet::begin_new_file(Directory& d, Held& h) {
  if (std::exchange(h.new_file, true)) return;
  d.before_new_file = std::make_shared<const Directory>(d);
  d.log.cut(d.snapshot);
  d.binlog_from = d.snapshot;
  d.synced = std::min(d.synced, d.log.offset());
}

// Of this file what the snapshot covers is lost, too.
void Tablet::write_to_new_file(Directory& d, Held& h, const Entry& entry) {
  about_to_write(d);
  begin_new_file(d, h);
  d.before_new_file = nullptr;
  h.in_new_file = entry.index;
  if (entry.index > d.log.offset()) d.log.add(entry);
}

void Tablet::forget_memory() {
  memory.clear();
  tasks.clear();
  tasks_of_.clear();
  sending_.clear();
  waiting_tasks_.clear();
  busy_task_threads_ = 0;
  holds_.clear();
  held_back_.clear();
  for (auto& [at, d] : disk) {
    if (const auto before = std::exchange(d.before_new_file, nullptr)) {
      d.log = before->log;
      d.binlog_from = before->binlog_from;
      d.synced = before->synced;
    }
    if (!std::exchange(d.binlog_moved, false)) continue;
    d.log.cut(d.snapshot);
    d.binlog_from = d.snapshot;
  }
}

void Tablet::power_cut() {
  kill();
  powered_ = false;
  for (auto& [at, d] : disk) {
    const core::Offset last = d.log.offset();
    const core::Offset safe = std::max({d.synced, d.snapshot, d.binlog_from});
    if (world_.schedule.now() >= d.next_sync || last <= safe) continue;
    d.log.cut(safe + world_.random.below(last - safe + 1));
    d.synced = d.log.offset();
  }
}

}  // namespace failoverd::simulation
