#include "lib/core/reserving.h"

#include "lib/core/api/timing.h"

namespace failoverd::core {

void Reserving::look() {
  if (outbox_.now < not_before_ || !stand_back_.may_reserve()) return;
  // With auto_failover off the cluster's own znodes stay as they are.
  if (terms_.due() && (stand_back_.auto_failover() || elections_.any())) {
    std::size_t partitions = 0;
    for (const auto& [tid, table] : model_.tables()) partitions += table.partitions.size();
    terms_.want_size(4 * partitions);
    op_ids_.want_size(2 * partitions);
    terms_.asked();
    const RequestId id = outbox_.open({ReplyTo::Owner::kTerms, 0, 0, 0, {}});
    outbox_.out.emplace_back(ReserveTerms{id, terms_.above(), terms_.size()});
  }
  if (op_ids_.due()) {
    op_ids_.asked();
    const RequestId id = outbox_.open({ReplyTo::Owner::kOpIds, 0, 0, 0, {}});
    outbox_.out.emplace_back(ReserveOpIds{id, op_ids_.size()});
  }
}

void Reserving::terms_reserved(const TermsReserved& e) {
  if (!outbox_.close(e.id)) return;
  if (!e.ok) {
    terms_.failed();
    return later();
  }
  terms_.reserved(e.first, e.last);
  elections_.terms_came();
}

void Reserving::op_ids_reserved(const OpIdsReserved& e) {
  if (!outbox_.close(e.id)) return;
  if (e.ok) return op_ids_.reserved(e.first, e.last);
  op_ids_.failed();
  later();
}

// Asked again at once, a connection that is down would be asked without end. The timer's step asks.
void Reserving::later() {
  not_before_ = outbox_.now + kWriteAgain;
  outbox_.timer({ReplyTo::Owner::kTerms, 0, 0, 0, {}}, not_before_);
}

}  // namespace failoverd::core
