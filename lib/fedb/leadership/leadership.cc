#include "lib/fedb/leadership/leadership.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "lib/fedb/leadership/epoch.h"
#include "lib/fedb/wire/record_codec.h"

namespace failoverd::fedb {
namespace {

using zookeeper::Code;
using zookeeper::Op;
using zookeeper::Stat;

constexpr auto kTryAgain = std::chrono::milliseconds{100};
constexpr auto kLookAtEpochAgain = std::chrono::seconds{1};

// Of an Obstacle.
constexpr const char* kEpoch = "epoch";

std::int64_t number_in(const std::string& text) {
  std::int64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

}  // namespace

Leadership::Leadership(Loop& loop, zookeeper::Client& session, Paths paths, std::string me,
                       Obstacles& obstacles, Tell tell)
    : loop_(loop),
      session_(session),
      paths_(std::move(paths)),
      obstacles_(obstacles),
      tell_(std::move(tell)),
      lock_(loop, session, paths_.lock(), std::move(me)),
      contact_timer_(loop) {
  lock_.on_gained = [this] { begin(); };
  lock_.may_create = [this] { return may_create(); };
  lock_.answered = [this](const std::string& path, Code code, bool writes) {
    return obstacles_.answered(path, code, writes ? Obstacles::To::kWrite : Obstacles::To::kRead);
  };
  lock_.on_warning = [this](const std::string& line) { on_warning(line); };
  lock_.on_lost = [this] { lose("the lock's znode is gone"); };
}

Leadership::~Leadership() = default;

void Leadership::session_changed(zookeeper::SessionState state, bool new_session) {
  if (state == zookeeper::SessionState::kExpired) lose("the ZooKeeper session expired");
  lock_.session_changed(state, new_session);
  if (state == zookeeper::SessionState::kConnected) keep_contact();
}

void Leadership::begin() { make_ready(++tenure_, 0); }

void Leadership::again(std::uint64_t tenure, Duration pause) {
  loop_.after(pause, lifetime_.guard([this, tenure] {
    if (tenure == tenure_ && lock_.held() && !gained_) make_ready(tenure, 0);
  }));
}

void Leadership::make_ready(std::uint64_t tenure, std::size_t done) {
  const std::array paths{paths_.elections(), paths_.ops(), paths_.replicas(), paths_.epoch()};
  if (done == paths.size()) return look_at_records(tenure);
  const auto made = [this, tenure, done, path = paths[done]](Code code) {
    if (tenure != tenure_) return;
    // That it is there does not mean that it may be read.
    if (code != Code::kOk) return again(tenure, obstacles_.answered(path, code));
    make_ready(tenure, done + 1);
  };
  session_.ensure_path(paths[done], lifetime_.guard(made), may_create);
}

// The records' names tell of epochs that have been, whatever has happened to the znode.
void Leadership::look_at_records(std::uint64_t tenure) {
  session_.children(paths_.elections(),
                    lifetime_.guard([this, tenure](Code code, const auto& names, const Stat&) {
                      if (tenure != tenure_) return;
                      const Duration pause = obstacles_.answered(paths_.elections(), code);
                      if (code != Code::kOk) return again(tenure, pause);
                      for (const std::string& name : names) {
                        highest_epoch_ = std::max(highest_epoch_, epoch_in(name));
                      }
                      raise_epoch(tenure);
                    }));
}

void Leadership::raise_epoch(std::uint64_t tenure) {
  session_.get(paths_.epoch(), lifetime_.guard([this, tenure](Code code, const std::string& value,
                                                              const Stat& stat) {
    if (tenure != tenure_) return;
    const Duration pause = obstacles_.answered(paths_.epoch(), code);
    if (code != Code::kOk) return again(tenure, pause);
    NextEpoch next = next_epoch(value, highest_epoch_);
    const bool is_news = std::exchange(epoch_complaint_, next.wrong) != next.wrong;
    const std::string line = paths_.epoch() + ": " + next.wrong;
    obstacles_.set(kEpoch, paths_.epoch(), next.epoch ? "" : line);
    if (!next.epoch) return again(tenure, kLookAtEpochAgain);
    if (is_news && !next.wrong.empty()) on_warning(line);
    write_epoch(tenure, *next.epoch, stat.version);
  }));
}

void Leadership::write_epoch(std::uint64_t tenure, std::int64_t epoch, std::int32_t version) {
  session_.set(paths_.epoch(), std::to_string(epoch), version,
               lifetime_.guard([this, tenure, epoch](Code code, const Stat& stat) {
                 if (tenure != tenure_) return;
                 const Duration pause =
                     obstacles_.answered(paths_.epoch(), code, Obstacles::To::kWrite);
                 if (code != Code::kOk) return again(tenure, pause);
                 epoch_ = highest_epoch_ = epoch;
                 epoch_version_ = stat.version;
                 read_records(tenure);
               }));
}

// What predecessors left: the children of four znodes.
void Leadership::read_records(std::uint64_t tenure) {
  left_ = {};
  left_by_newer_.clear();
  reads_open_ = 4;
  read_below(tenure, paths_.elections(), &Leadership::election_read);
  read_below(tenure, paths_.ops(), &Leadership::op_read);
  read_below(tenure, paths_.replicas(), &Leadership::kept_read);
  read_below(tenure, paths_.holds(), &Leadership::hold_read);
}

void Leadership::read_below(std::uint64_t tenure, const std::string& parent, Take take) {
  session_.children(
      parent, lifetime_.guard([this, tenure, parent, take](
                                  Code code, const std::vector<std::string>& names, const Stat&) {
        if (tenure != tenure_) return;
        // Made with the first hold.
        const bool nothing = code == Code::kNoNode && parent == paths_.holds();
        const Duration pause = obstacles_.answered(parent, nothing ? Code::kOk : code);
        if (code != Code::kOk && !nothing) return again(++tenure_, pause);
        reads_open_ += names.size();
        for (const std::string& name : names) read_one(tenure, parent, name, take);
        if (--reads_open_ == 0) all_read(tenure);
      }));
}

void Leadership::read_one(std::uint64_t tenure, const std::string& parent, const std::string& name,
                          Take take) {
  std::string path = parent;
  path.append("/").append(name);
  session_.get(path, lifetime_.guard([this, tenure, path, name, take](
                                         Code code, const std::string& value, const Stat&) {
    if (tenure != tenure_) return;
    const Duration pause = obstacles_.answered(path, code);
    if (code != Code::kOk && code != Code::kNoNode) return again(++tenure_, pause);
    bool newer = false;
    std::string wrong = code == Code::kOk ? (this->*take)(name, value, &newer) : "";
    if (newer) left_by_newer_[path] = value;
    if (!wrong.empty()) {
      wrong.insert(0, ": ").insert(0, path).append("; left alone");
      on_warning(wrong);
    }
    if (--reads_open_ == 0) all_read(tenure);
  }));
}

std::string Leadership::election_read(const std::string& name, const std::string& value,
                                      bool* newer) {
  auto record = record_from(name, value, newer);
  if (!record) return record.error().text;
  left_.records.push_back(std::move(*record));
  return "";
}

std::string Leadership::op_read(const std::string& name, const std::string& value, bool* newer) {
  if (name.starts_with("finished-")) {
    auto finished = finished_ops_from(value, clocks_of(loop_), newer);
    if (!finished) return finished.error().text;
    left_.finished.push_back(std::move(*finished));
    return "";
  }
  auto op = begun_op_from(value, clocks_of(loop_), newer);
  if (!op) return op.error().text;
  if (std::to_string(op->id) != name) return "is the record of op " + std::to_string(op->id);
  left_.begun.push_back(std::move(*op));
  return "";
}

std::string Leadership::kept_read(const std::string& name, const std::string& value, bool* newer) {
  auto kept = kept_table_from(value, newer);
  if (!kept) return kept.error().text;
  const auto tid = static_cast<std::uint32_t>(number_in(name));
  if (std::to_string(tid) != name) return "is no tid";
  for (auto& [pid, of] : *kept) {
    core::PartitionLineages& partition = left_.kept.emplace_back();
    partition.at = {tid, pid};
    partition.published = std::move(of.published);
    for (auto& [endpoint, k] : of.replicas) partition.replicas.push_back(std::move(k));
  }
  return "";
}

std::string Leadership::hold_read(const std::string& name, const std::string& value, bool* newer) {
  auto hold = operator_hold_from(name, value, clocks_of(loop_), newer);
  if (!hold) return hold.error().text;
  left_.holds.push_back(std::move(*hold));
  return "";
}

void Leadership::all_read(std::uint64_t tenure) {
  if (tenure != tenure_ || !lock_.held()) return;
  forget_obstacles();
  gained_ = true;
  keep_contact();
  const auto earlier = [](const core::FinishedOps& a, const core::FinishedOps& b) {
    return a.number < b.number;
  };
  std::sort(left_.finished.begin(), left_.finished.end(), earlier);
  left_.epoch = epoch_;
  tell_(std::exchange(left_, {}));
}

void Leadership::forget_obstacles() {
  for (const auto& path :
       {paths_.elections(), paths_.ops(), paths_.replicas(), paths_.holds(), paths_.epoch()}) {
    obstacles_.forget(path);
  }
  obstacles_.set(kEpoch, paths_.epoch(), "");
}

void Leadership::lose(const std::string& why) {
  ++tenure_;
  fresh_until_ = {};
  forget_obstacles();
  if (std::exchange(gained_, false)) tell_(core::LockLost{why});
}

void Leadership::epoch_is_not_ours() {
  if (!gained_) return;
  lose("the epoch is not ours any more");
  // We hold the lock all the same: nobody else can act, so a new epoch is ours to write.
  if (lock_.held()) again(tenure_, kTryAgain);
}

void Leadership::release(std::function<void()> done) {
  lose("this daemon is stopping");
  lock_.release(std::move(done));
}

bool Leadership::may_change() const { return gained_ && loop_.now() < fresh_until_; }

std::string Leadership::left_by_newer(const std::string& path) const {
  const auto found = left_by_newer_.find(path);
  return found == left_by_newer_.end() ? "" : found->second;
}

Op Leadership::epoch_check() const { return Op::check(paths_.epoch(), epoch_version_); }

// A server that was cut off from its leader goes on answering reads, longer than a session lives at
// the leader; a sync is answered only with the leader's help.
void Leadership::keep_contact() {
  if (!gained_) return;
  const Instant sent = loop_.now();
  session_.sync(paths_.epoch(), lifetime_.guard([this, sent, tenure = tenure_](Code code) {
    if (tenure == tenure_ && code == Code::kOk) look_at_epoch(sent);
  }));
  const Duration session = session_.negotiated_timeout();
  contact_timer_.set(std::max<Duration>(session / 6, std::chrono::milliseconds{20}),
                     [this] { keep_contact(); });
}

// Our own read, counted from when it was sent: 2/3 of the negotiated session timeout (SAFETY 14).
void Leadership::look_at_epoch(Instant sent) {
  const Duration session = session_.negotiated_timeout();
  session_.get(paths_.epoch(),
               lifetime_.guard([this, sent, session, tenure = tenure_](
                                   Code code, const std::string&, const Stat& stat) {
                 if (tenure != tenure_) return;
                 obstacles_.answered(paths_.epoch(), code);
                 if (code == Code::kNoNode) return epoch_is_not_ours();
                 if (code != Code::kOk) return;
                 if (stat.version != epoch_version_) return epoch_is_not_ours();
                 fresh_until_ = std::max(fresh_until_, sent + session * 2 / 3);
                 tell_(core::ContactMade{fresh_until_});
               }));
}

}  // namespace failoverd::fedb
