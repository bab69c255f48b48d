// SendSnapshot: a leader's files, one after the other, onto the disk of another tablet.
#include <utility>

#include "tests/simulation/tablet.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {
namespace {

constexpr int kTries = 3;  // Per file.

}  // namespace

struct Tablet::Copy {
  core::PartitionKey at;
  std::string to;
  core::OpId op = 0;
  Registration registration = 0;
  std::uint64_t instance = 0;
  File file = File::kMeta;
  int tries = 0;
  std::uint64_t attempt = 0;
  // The snapshot file as it was sent.
  core::Offset snapshot = 0;
  core::Term snapshot_term = 0;
  Log content;
  bool torn = false;  // Its manifest names a younger one.
  core::Storage storage = core::Storage::kMemory;
};

core::Answer Tablet::send_snapshot(const core::SendSnapshot& c) {
  const Registration registration = register_task(c.op, core::Task::kSendSnapshot);
  if (registration == 0) return answer(kAddTaskFailed, "add task failed");
  const auto refuse = [&](core::Answer a) {
    end_task(c.op, core::Task::kSendSnapshot, registration, false);
    return a;
  };
  if (sending_.contains({c.at, c.to})) {
    return refuse(answer(core::kSnapshotIsSending, "snapshot is sending"));
  }
  const Held* h = held(c.at);
  if (!h) return refuse(no_table());
  if (h->mode != core::Mode::kLeader) return refuse(answer(kTableIsFollower, "table is follower"));
  if (h->state != core::TableState::kSnapshotPaused) {
    return refuse(answer(core::kTableStatusIsNotPaused, "table status is not kSnapshotPaused"));
  }
  sending_.emplace(c.at, c.to);
  auto copy = std::make_shared<Copy>();
  copy->at = c.at;
  copy->to = c.to;
  copy->op = c.op;
  copy->registration = registration;
  copy->instance = h->instance;
  copy->storage = disk.at(c.at).storage;
  queue_task(core::Task::kSendSnapshot, [this, copy] { send_file(copy); });
  return answer(core::kOk, "ok");
}

void Tablet::copied(const Copy& copy, bool ok) {
  sending_.erase({copy.at, copy.to});
  end_task(copy.op, core::Task::kSendSnapshot, copy.registration, ok);
  task_thread_free();
}

void Tablet::send_file(const std::shared_ptr<Copy>& copy) {
  if (!is(copy->at, copy->instance)) return copied(*copy, false);
  const Directory& from = disk.at(copy->at);
  if (copy->file == File::kSnapshot) {
    copy->snapshot = from.snapshot;
    copy->snapshot_term = from.snapshot_term;
    copy->content = from.log.prefix(from.snapshot);
  }
  // A pause would have kept it from being replaced.
  copy->torn = copy->file == File::kManifest && copy->snapshot != from.snapshot;
  const std::uint64_t attempt = copy->attempt = ++last_attempt_;
  const auto heard = [this, copy, attempt](bool ok) {
    world_.send(copy->to, endpoint_, [this, copy, attempt, ok, process = process_] {
      if (process != process_) return;
      take([this, copy, attempt, ok] { file_sent(copy, attempt, ok); });
    });
  };
  world_.send(endpoint_, copy->to, [this, copy, heard, file = copy->file] {
    Tablet& other = world_.tablet(copy->to);
    if (!other.powered()) return;
    if (!other.running()) return heard(false);
    other.take([&other, copy, heard, file] { heard(other.receive(*copy, file)); });
  });
  after(world_.timing.replication_timeout,
        [this, copy, attempt] { file_sent(copy, attempt, false); });
}

void Tablet::file_sent(const std::shared_ptr<Copy>& copy, std::uint64_t attempt, bool ok) {
  if (copy->attempt != attempt) return;
  copy->attempt = 0;
  if (!ok) {
    if (++copy->tries == kTries) return copied(*copy, false);
    return after(world_.timing.send_file_again * copy->tries, [this, copy] { send_file(copy); });
  }
  copy->tries = 0;
  after(world_.random.in(world_.timing.send_file), [this, copy] {
    if (!is(copy->at, copy->instance)) return copied(*copy, false);
    const bool any_snapshot = disk.at(copy->at).snapshot > 0;
    switch (copy->file) {
      case File::kMeta:
        if (!any_snapshot) return copied(*copy, true);
        copy->file = File::kSnapshot;
        return send_file(copy);
      case File::kSnapshot:
        copy->file = File::kManifest;
        return send_file(copy);
      case File::kManifest:
        return copied(*copy, true);
    }
  });
}

// What comes lies beside what was there: a binlog that was there is read after the snapshot.
bool Tablet::receive(const Copy& copy, File file) {
  if (memory.contains(copy.at) || stranger_) return false;  // 101
  Directory& d = disk[copy.at];
  d.storage = copy.storage;
  if (file != File::kManifest) return true;
  Directory now;
  now.storage = copy.storage;
  now.log = copy.content;
  for (auto old = d.log.above(d.binlog_from); old != d.log.entries().end(); ++old) {
    if (old->index > now.log.offset()) now.log.add(*old);
  }
  now.snapshot = copy.snapshot;
  now.snapshot_term = copy.snapshot_term;
  now.binlog_from = copy.snapshot;
  now.torn = copy.torn;
  now.synced = now.log.offset();
  d = std::move(now);
  return true;
}

}  // namespace failoverd::simulation
