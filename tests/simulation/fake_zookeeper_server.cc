#include "tests/simulation/fake_zookeeper_server.h"

#include <utility>

#include "tests/simulation/world.h"

namespace failoverd::simulation {

FakeServer::FakeServer(World& world, Fired fired)
    : world_(world),
      fired_(std::move(fired)),
      znodes_(world.fake_zookeeper.znodes()),
      zxid_(world.fake_zookeeper.zxid()) {
  world_.fake_zookeeper.add(*this);
}

FakeServer::FakeServer(World& world, const FakeServer& as, std::int64_t seen_zxid, Fired fired)
    : world_(world),
      fired_(std::move(fired)),
      znodes_(as.znodes_),
      zxid_(as.zxid_),
      waiting_(as.waiting_) {
  while (zxid_ < seen_zxid && !waiting_.empty()) apply_next();
  for (const Waiting& waiting : waiting_) apply_later(waiting.due);
  world_.fake_zookeeper.add(*this);
}

FakeServer::~FakeServer() { world_.fake_zookeeper.remove(*this); }

void FakeServer::committed(std::shared_ptr<const Transaction> transaction) {
  const Instant earliest = waiting_.empty() ? world_.schedule.now() : waiting_.back().due;
  const Instant due =
      std::max(earliest, world_.schedule.now() + world_.random.in(world_.timing.notice));
  waiting_.push_back({due, std::move(transaction)});
  if (!is_cut_off_) apply_later(due);
}

void FakeServer::apply_later(Instant due) {
  world_.schedule.at(due, lifetime_.guard([this] { apply_due(); }));
}

void FakeServer::apply_due() {
  while (!is_cut_off_ && !waiting_.empty() && waiting_.front().due <= world_.schedule.now()) {
    apply_next();
  }
}

void FakeServer::catch_up() {
  while (!waiting_.empty()) apply_next();
}

void FakeServer::apply_next() {
  const auto next = std::move(waiting_.front().transaction);
  waiting_.pop_front();
  apply(*next);
}

void FakeServer::cut_off(bool is) {
  is_cut_off_ = is;
  if (!is) {
    world_.schedule.after(world_.random.in(world_.timing.notice), lifetime_.guard([this] {
      if (!is_cut_off_) catch_up();
    }));
  }
}

void FakeServer::apply(const Transaction& transaction) {
  zxid_ = transaction.zxid;
  for (const ZnodeState& after : transaction.after) {
    const Znode* before = znodes_.find(after.path);
    const bool was = before != nullptr;
    const bool data = after.znode && (!was || before->stat.mzxid != after.znode->stat.mzxid);
    const bool children = after.znode && was && before->stat.pzxid != after.znode->stat.pzxid;
    znodes_.set(after);
    if (data) fire(Event::kData, after.path);
    if (children) fire(Event::kChildren, after.path);
    if (was && !after.znode) fire(Event::kDeleted, after.path);
  }
}

void FakeServer::watch(Of of, const std::string& path) {
  (of == Of::kData ? data_ : children_).insert(path);
}

void FakeServer::forget_watches() {
  data_.clear();
  children_.clear();
}

// Once: whoever wants to hear of the next change sets another.
void FakeServer::fire(Event event, const std::string& path) {
  bool watched = false;
  if (event != Event::kChildren) watched |= data_.erase(path) > 0;
  if (event != Event::kData) watched |= children_.erase(path) > 0;
  if (watched) fired_(event, path);
}

}  // namespace failoverd::simulation
