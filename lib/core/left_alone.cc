// SAFETY 22: what waits because ZooKeeper does not take its table.
#include "lib/core/diagnosis.h"
#include "lib/core/rooms.h"

namespace failoverd::core {

void Brain::Rooms::table_tried(const TableTried& e) {
  if (!desk.close(e.id)) return;
  refusals.tried(e);
  publisher.tell_refused(e.znode);
}

// True: nothing is begun for it now, and it says what it waits for.
bool Brain::Rooms::is_left_alone(PartitionKey at, Partition& p) {
  Table& table = *model.table(at.tid);
  std::string waits;
  if (table.refusal) {
    waits = Refusals::waits_for(table);
  } else if (elects(p.diagnosis.condition) && !refusals.fits(table, table.partitions.size())) {
    waits = refusals.holds(table, elections.of_table(at.tid));
  }
  if (waits.empty()) return false;
  if (!table.refusal) {  // Others of its table come first.
    const Instant again = desk.now + std::chrono::milliseconds{100};
    desk.timer({Route::Owner::kBrain, packed(at), 0, 0, {}}, again);
  }
  p.diagnosis.waits_for = waits;
  return true;
}

}  // namespace failoverd::core
