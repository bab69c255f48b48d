// Reserves terms and op ids ahead of need (SAFETY 4).
#include "lib/core/rooms.h"

namespace failoverd::core {

void Brain::Rooms::reserve_blocks() {
  if (!active || desk.now >= fresh_until || !stands_back(desk.now).empty()) return;
  if (desk.now < reserve_not_before_) return;
  if (terms.due() && (auto_failover || elections.any())) {  // Off: the cluster's znodes stay.
    std::size_t partitions = 0;
    for (const auto& [tid, table] : model.tables()) partitions += table.partitions.size();
    terms.want_size(4 * partitions);
    op_ids.want_size(2 * partitions);
    terms.asked();
    const RequestId id = desk.open({Route::Owner::kTerms, 0, 0, 0, {}});
    desk.out.emplace_back(ReserveTerms{id, terms.above(), terms.size()});
  }
  if (op_ids.due()) {
    op_ids.asked();
    const RequestId id = desk.open({Route::Owner::kOpIds, 0, 0, 0, {}});
    desk.out.emplace_back(ReserveOpIds{id, op_ids.size()});
  }
}

// Asked again at once, a connection that is down would be asked without end. The timer's step asks.
void Brain::Rooms::reserve_later() {
  reserve_not_before_ = desk.now + std::chrono::milliseconds{100};
  desk.timer({Route::Owner::kTerms, 0, 0, 0, {}}, reserve_not_before_);
}

}  // namespace failoverd::core
