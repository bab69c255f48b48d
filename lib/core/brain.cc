#include "lib/core/brain.h"

#include <algorithm>
#include <utility>

#include "lib/base/check.h"
#include "lib/base/overload.h"
#include "lib/core/blocks.h"
#include "lib/core/desk.h"
#include "lib/core/diagnosis.h"
#include "lib/core/elections.h"
#include "lib/core/operations.h"
#include "lib/core/publisher.h"
#include "lib/core/records.h"
#include "lib/core/rooms.h"
#include "lib/core/watch.h"

namespace failoverd::core {

Brain::Brain(const Policy& policy) : rooms_(std::make_unique<Rooms>(policy)) {}
Brain::~Brain() = default;

std::vector<Command> Brain::step(Instant now, const Event& event) {
  Rooms& rooms = *rooms_;
  CHECK(rooms.desk.out.empty());
  rooms.desk.now = now;
  rooms.take(event);
  rooms.settle();
  return std::exchange(rooms.desk.out, {});
}

const Model& Brain::model() const { return rooms_->model; }
const OpLog& Brain::ops() const { return rooms_->ops; }
bool Brain::active() const { return rooms_->active; }
std::int64_t Brain::epoch() const { return rooms_->epoch; }
bool Brain::auto_failover() const { return rooms_->auto_failover; }
bool Brain::switch_read() const { return rooms_->switch_read; }
const std::string& Brain::switched_by() const { return rooms_->switched_by; }
bool Brain::cluster_read() const { return rooms_->cluster_read; }
std::uint64_t Brain::needless_verdicts() const { return rooms_->watch.needless_verdicts(); }

std::vector<StandsBack> Brain::stands_back(Instant now) const { return rooms_->stands_back(now); }

std::vector<WouldDo> Brain::would_do() const { return rooms_->would_do(); }
std::vector<Hold> Brain::holds() const { return rooms_->elections.holds(); }

}  // namespace failoverd::core
