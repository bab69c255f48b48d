#include "lib/fedb/throne.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "lib/base/boot_clock.h"
#include "lib/fedb/epoch.h"
#include "lib/fedb/journal.h"

namespace failoverd::fedb {
namespace {

using zookeeper::Code;
using zookeeper::Op;
using zookeeper::Stat;

constexpr auto kTryAgain = std::chrono::milliseconds{100};

std::int64_t number_in(const std::string& text) {
  std::int64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

}  // namespace

Throne::Throne(boost::asio::io_context& io, zookeeper::Session& session, Paths paths,
               std::string me, Tell tell)
    : io_(io),
      session_(session),
      paths_(std::move(paths)),
      tell_(std::move(tell)),
      lock_(io, session, paths_.lock(), std::move(me)),
      contact_timer_(io) {
  lock_.on_gained = [this] { begin(); };
  lock_.on_lost = [this] { lose("the lock's znode is gone"); };
}

Throne::~Throne() { *alive_ = false; }

void Throne::session_changed(zookeeper::SessionState state, bool new_session) {
  if (state == zookeeper::SessionState::kExpired) lose("the ZooKeeper session expired");
  lock_.session_changed(state, new_session);
  if (state == zookeeper::SessionState::kConnected) keep_contact();
}

void Throne::begin() { make_ready(++reign_, 0); }

void Throne::again(std::uint64_t reign) {
  auto timer = std::make_shared<boost::asio::steady_timer>(io_, kTryAgain);
  timer->async_wait(guarded([this, reign, timer](const boost::system::error_code&) {
    if (reign == reign_ && lock_.held() && !gained_) make_ready(reign, 0);
  }));
}

void Throne::make_ready(std::uint64_t reign, std::size_t done) {
  const std::array paths{paths_.elections(), paths_.ops(), paths_.replicas(), paths_.epoch()};
  if (done == paths.size()) return look_at_records(reign);
  session_.ensure_path(paths[done], guarded([this, reign, done](Code code) {
                         if (reign != reign_) return;
                         if (code != Code::kOk) return again(reign);
                         make_ready(reign, done + 1);
                       }));
}

// The records' names tell of epochs that have been, whatever has happened to the znode.
void Throne::look_at_records(std::uint64_t reign) {
  session_.children(paths_.elections(),
                    guarded([this, reign](Code code, const auto& names, const Stat&) {
                      if (reign != reign_) return;
                      if (code != Code::kOk) return again(reign);
                      for (const std::string& name : names) {
                        highest_epoch_ = std::max(highest_epoch_, epoch_in(name));
                      }
                      raise_epoch(reign);
                    }));
}

void Throne::raise_epoch(std::uint64_t reign) {
  session_.get(paths_.epoch(),
               guarded([this, reign](Code code, const std::string& value, const Stat& stat) {
                 if (reign != reign_) return;
                 if (code != Code::kOk) return again(reign);
                 NextEpoch next = next_epoch(value, highest_epoch_);
                 const bool is_news = std::exchange(epoch_complaint_, next.wrong) != next.wrong;
                 if (is_news && !next.wrong.empty()) {
                   complain(paths_.epoch() + ": " + next.wrong);
                 }
                 if (!next.epoch) return again(reign);
                 write_epoch(reign, *next.epoch, stat.version);
               }));
}

void Throne::write_epoch(std::uint64_t reign, std::int64_t epoch, std::int32_t version) {
  session_.set(paths_.epoch(), std::to_string(epoch), version,
               guarded([this, reign, epoch](Code code, const Stat& stat) {
                 if (reign != reign_) return;
                 if (code != Code::kOk) return again(reign);
                 epoch_ = highest_epoch_ = epoch;
                 epoch_version_ = stat.version;
                 read_records(reign);
               }));
}

// What predecessors left: the children of three znodes.
void Throne::read_records(std::uint64_t reign) {
  left_ = {};
  left_by_newer_.clear();
  reads_open_ = 3;
  read_below(reign, paths_.elections(), &Throne::election_read);
  read_below(reign, paths_.ops(), &Throne::op_read);
  read_below(reign, paths_.replicas(), &Throne::kept_read);
}

void Throne::read_below(std::uint64_t reign, const std::string& parent, Take take) {
  session_.children(
      parent, guarded([this, reign, parent, take](Code code, const std::vector<std::string>& names,
                                                  const Stat&) {
        if (reign != reign_) return;
        if (code != Code::kOk) return again(++reign_);
        reads_open_ += names.size();
        for (const std::string& name : names) read_one(reign, parent, name, take);
        if (--reads_open_ == 0) all_read(reign);
      }));
}

void Throne::read_one(std::uint64_t reign, const std::string& parent, const std::string& name,
                      Take take) {
  std::string path = parent;
  path.append("/").append(name);
  session_.get(path, guarded([this, reign, path, name, take](Code code, const std::string& value,
                                                             const Stat&) {
                 if (reign != reign_) return;
                 if (code != Code::kOk && code != Code::kNoNode) return again(++reign_);
                 bool newer = false;
                 std::string wrong = code == Code::kOk ? (this->*take)(name, value, &newer) : "";
                 if (newer) left_by_newer_[path] = value;
                 if (!wrong.empty()) {
                   wrong.insert(0, ": ").insert(0, path).append("; left alone");
                   complain(wrong);
                 }
                 if (--reads_open_ == 0) all_read(reign);
               }));
}

std::string Throne::election_read(const std::string& name, const std::string& value, bool* newer) {
  auto record = record_from(name, value, newer);
  if (!record) return record.error().text;
  left_.records.push_back(std::move(*record));
  return "";
}

std::string Throne::op_read(const std::string& name, const std::string& value, bool* newer) {
  if (name.starts_with("finished-")) {
    auto finished = finished_ops_from(value, newer);
    if (!finished) return finished.error().text;
    left_.finished.push_back(std::move(*finished));
    return "";
  }
  auto op = begun_op_from(value, newer);
  if (!op) return op.error().text;
  if (std::to_string(op->id) != name) return "is the record of op " + std::to_string(op->id);
  left_.begun.push_back(std::move(*op));
  return "";
}

std::string Throne::kept_read(const std::string& name, const std::string& value, bool* newer) {
  auto kept = kept_table_from(value, newer);
  if (!kept) return kept.error().text;
  const auto tid = static_cast<std::uint32_t>(number_in(name));
  if (std::to_string(tid) != name) return "is no tid";
  for (auto& [pid, replicas] : *kept) {
    core::KeptPartition& partition = left_.kept.emplace_back();
    partition.at = {tid, pid};
    for (auto& [endpoint, k] : replicas) partition.replicas.push_back(std::move(k));
  }
  return "";
}

void Throne::all_read(std::uint64_t reign) {
  if (reign != reign_ || !lock_.held()) return;
  gained_ = true;
  keep_contact();
  const auto earlier = [](const core::FinishedOps& a, const core::FinishedOps& b) {
    return a.number < b.number;
  };
  std::sort(left_.finished.begin(), left_.finished.end(), earlier);
  left_.epoch = epoch_;
  tell_(std::exchange(left_, {}));
}

void Throne::lose(const std::string& why) {
  ++reign_;
  fresh_until_ = {};
  if (std::exchange(gained_, false)) tell_(core::LockLost{why});
}

void Throne::epoch_is_not_ours() {
  if (!gained_) return;
  lose("the epoch is not ours any more");
  // We hold the lock all the same: nobody else can act, so a new epoch is ours to write.
  if (lock_.held()) again(reign_);
}

void Throne::release(std::function<void()> done) {
  lose("this daemon is stopping");
  lock_.release(std::move(done));
}

bool Throne::may_change() const { return gained_ && boot_now() < fresh_until_; }

std::string Throne::left_by_newer(const std::string& path) const {
  const auto found = left_by_newer_.find(path);
  return found == left_by_newer_.end() ? "" : found->second;
}

Op Throne::epoch_check() const { return Op::check(paths_.epoch(), epoch_version_); }

// A server that was cut off from its leader goes on answering reads, longer than a session lives at
// the leader; a sync is answered only with the leader's help.
void Throne::keep_contact() {
  if (!gained_) return;
  const Instant sent = boot_now();
  session_.sync(paths_.epoch(), guarded([this, sent, reign = reign_](Code code) {
                  if (reign == reign_ && code == Code::kOk) look_at_epoch(sent);
                }));
  const Duration session = session_.negotiated_timeout();
  contact_timer_.expires_after(std::max<Duration>(session / 6, std::chrono::milliseconds{20}));
  contact_timer_.async_wait(guarded([this](const boost::system::error_code& e) {
    if (!e) keep_contact();
  }));
}

// Our own read, counted from when it was sent: 2/3 of the negotiated session timeout (SAFETY 14).
void Throne::look_at_epoch(Instant sent) {
  const Duration session = session_.negotiated_timeout();
  session_.get(paths_.epoch(), guarded([this, sent, session, reign = reign_](
                                           Code code, const std::string&, const Stat& stat) {
                 if (reign != reign_) return;
                 if (code == Code::kNoNode) return epoch_is_not_ours();
                 if (code != Code::kOk) return;
                 if (stat.version != epoch_version_) return epoch_is_not_ours();
                 fresh_until_ = std::max(fresh_until_, sent + session * 2 / 3);
                 tell_(core::ContactMade{fresh_until_});
               }));
}

}  // namespace failoverd::fedb
