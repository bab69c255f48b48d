#include "tests/simulation/writer.h"

#include "tests/simulation/world.h"

namespace failoverd::simulation {
namespace {

constexpr Duration kPatience = std::chrono::seconds{1};

}  // namespace

void Writer::start() {
  stopped_ = false;
  next();
}

void Writer::write(int rows) {
  for (int i = 0; i < rows; ++i) put(false);
}

void Writer::next() {
  world_.schedule.after(world_.random.in(every_), [this] {
    if (!stopped_) put(true);
  });
}

void Writer::put(bool then_next) {
  const core::PartitionShape* p = world_.fake_zookeeper.partition(at_);
  const core::Row* leader = nullptr;
  for (std::size_t i = 0; p && i < p->rows.size(); ++i) {
    if (p->rows[i].is_leader && p->rows[i].is_alive) leader = &p->rows[i];
  }
  if (!leader) {
    if (then_next) next();
    return;
  }
  const std::uint64_t attempt = ++attempt_;
  const auto over = [this, then_next, attempt] {
    if (!then_next || attempt != attempt_) return;
    ++attempt_;
    next();
  };
  world_.schedule.after(kPatience, over);
  world_.send(World::kClient, leader->endpoint, [this, over, to = leader->endpoint] {
    Tablet& tablet = world_.tablet(to);
    if (!tablet.running()) return over();
    tablet.take([this, over, &tablet] {
      int code = 0;
      const auto entry = tablet.put(at_, world_.next_payload(), code);
      world_.send(tablet.endpoint(), World::kClient, [this, over, entry, &tablet] {
        if (entry) {
          world_.written.insert(at_);
          world_.tell(&Observer::acknowledged, at_, tablet.endpoint(), *entry);
        }
        over();
      });
    });
  });
}

}  // namespace failoverd::simulation
