// How a leader's rows get to its followers: one thread per follower, asynchronous, from a position
// that is taken once.
#include <algorithm>

#include "tests/simulation/tablet.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {
namespace {

constexpr std::size_t kBatch = 100;  // Entries in one AppendEntries.

}  // namespace

std::optional<Entry> Tablet::put(core::PartitionKey at, Payload payload, int& code) {
  const auto found = memory.find(at);
  if (found == memory.end()) {
    code = core::kTableIsNotExist;
    return std::nullopt;
  }
  Held& h = found->second;
  const bool waits = h.state == core::TableState::kUndefined;
  code = h.mode != core::Mode::kLeader           ? kTableIsFollower
         : h.state == core::TableState::kLoading ? core::kTableIsLoading
                                                 : core::kOk;
  if (code != core::kOk) return std::nullopt;
  Directory& d = disk.at(at);
  if (waits) {
    const Entry entry{h.term, h.in_new_file + 1, payload, 0};
    write_to_new_file(d, h, entry);
    return entry;
  }
  about_to_write(d);
  const Entry entry = d.log.append(h.term, payload);
  for (Follower& f : h.followers) {
    if (f.attempt == 0 && !f.woken) wake(at, h, f, world_.random.in(world_.timing.replication));
  }
  return entry;  // Acknowledged, whether it ever reaches anybody or not.
}

Tablet::Appended Tablet::append(const Append& request) {
  ++appends_;
  const auto found = memory.find(request.at);
  if (found == memory.end()) return {core::kTableIsNotExist, 0, process_};
  Held& h = found->second;
  if (h.mode == core::Mode::kLeader) return {core::kTableIsLeader, 0, process_};
  if (h.state == core::TableState::kLoading) return {core::kTableIsLoading, 0, process_};
  if (request.term < h.term) return {core::kFailToAppendEntries, 0, process_};
  if (request.by_leader) h.from_disk = false;
  const core::Offset before = offset(request.at, h);
  if (request.probe) {
    h.term = request.term;  // Only the empty probe raises it.
    return {core::kOk, before, process_};
  }
  // A gap is refused. Before its load has begun it knows of no entry yet, and begins a file first.
  Directory& d = disk.at(request.at);
  if (!h.loaded()) begin_new_file(d, h);
  if (!generation.takes_gaps && request.pre > before) {
    return {core::kFailToAppendEntries, 0, process_};
  }
  if (h.loaded() && !request.entries.empty()) about_to_write(d);
  for (const Entry& entry : request.entries) {
    if (entry.index <= offset(request.at, h)) continue;  // What it has is skipped, and that is ok.
    if (h.loaded()) {
      d.log.add(entry);
    } else {
      write_to_new_file(d, h, entry);
    }
  }
  const core::Offset after = offset(request.at, h);
  const bool tells = after > before || generation.tells_offset_always;
  return {core::kOk, tells ? after : 0, process_};
}

void Tablet::set_followers(core::PartitionKey at, Held& h,
                           const std::vector<std::string>& endpoints) {
  h.run = ++last_run_;
  h.followers.clear();
  h.followers.reserve(endpoints.size());
  for (const std::string& endpoint : endpoints) {
    h.followers.push_back({endpoint, std::nullopt, 0, 0, {}, false});
  }
  for (Follower& f : h.followers) wake(at, h, f, Duration{0});
}

void Tablet::load(core::PartitionKey at, core::Mode mode, core::Term term, Log log) {
  Directory& d = disk[at] = {};
  d.log = std::move(log);
  d.synced = d.log.offset();
  Held& h = memory[at];
  h = {};
  h.instance = ++last_run_;
  h.mode = mode;
  h.term = term;
  set_followers(at, h, {});
}

void Tablet::add_replica(core::PartitionKey at, const std::string& to) {
  Held& h = memory.at(at);
  std::erase_if(h.followers, [&](const Follower& f) { return f.endpoint == to; });
  wake(at, h, h.followers.emplace_back(Follower{to, std::nullopt, 0, 0, {}, false}), Duration{0});
}

Tablet::Follower* Tablet::follower(core::PartitionKey at, std::uint64_t run,
                                   const std::string& endpoint) {
  const auto found = memory.find(at);
  if (found == memory.end() || found->second.run != run) return nullptr;
  for (Follower& f : found->second.followers) {
    if (f.endpoint == endpoint) return &f;
  }
  return nullptr;
}

void Tablet::wake(core::PartitionKey at, Held& h, Follower& f, Duration delay) {
  f.woken = true;
  after(delay, [this, at, run = h.run, to = f.endpoint] { replicate(at, run, to); });
}

void Tablet::replicate(core::PartitionKey at, std::uint64_t run, const std::string& to) {
  Follower* f = follower(at, run, to);
  if (!f || f->attempt != 0) return;
  f->woken = false;
  Append request{at, memory.at(at).term, !f->position, true, f->position.value_or(0), {}};
  core::Offset sent = 0;
  if (f->position) {
    const Directory& d = disk.at(at);
    if (*f->position < d.binlog_from) return;  // What it needs is gone: it never catches up.
    const auto first = d.log.above(*f->position);
    const auto left = static_cast<std::size_t>(d.log.entries().end() - first);
    if (left == 0) return;  // A put will wake it.
    request.entries.assign(first, first + static_cast<std::ptrdiff_t>(std::min(left, kBatch)));
    sent = request.entries.back().index;
  }
  const std::uint64_t attempt = f->attempt = ++last_attempt_;
  f->attempt_began = world_.schedule.now();
  const auto answer = [this, at, run, to, attempt, sent](std::optional<Appended> result) {
    world_.send(to, endpoint_,
                [=, this] { take([=, this] { replicated(at, run, to, attempt, sent, result); }); });
  };
  world_.send(endpoint_, to, [this, to, request = std::move(request), answer] {
    Tablet& other = world_.tablet(to);
    if (!other.powered()) return;
    if (!other.running()) return answer(std::nullopt);
    other.take([&other, request, answer] { answer(other.append(request)); });
  });
  after(world_.timing.replication_timeout,
        [=, this] { replicated(at, run, to, attempt, 0, std::nullopt); });
}

void Tablet::replicated(core::PartitionKey at, std::uint64_t run, const std::string& to,
                        std::uint64_t attempt, core::Offset sent,
                        const std::optional<Appended>& result) {
  Follower* f = follower(at, run, to);
  if (!f || f->attempt != attempt) return;
  f->attempt = 0;
  Held& h = memory.at(at);
  if (!result || result->code != core::kOk) {
    return wake(at, h, *f, world_.timing.replication_error);
  }
  if (!f->position) f->process = result->process;
  f->position = f->position ? sent : result->offset;
  if (log(at).offset() > *f->position) wake(at, h, *f, Duration{0});
}

}  // namespace failoverd::simulation
