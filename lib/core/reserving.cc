#include "lib/core/reserving.h"

#include "lib/core/api/timing.h"

namespace failoverd::core {

void Reserving::look() {
  if (!pace_.may_write() || !stand_back_.may_reserve()) return;
  // With auto_failover off the cluster's own znodes stay as they are.
  const bool wanted = automation_.acts_at_all() || elections_.any() || handovers_.any();
  const bool terms = terms_.due() && wanted;
  const bool op_ids = op_ids_.due();
  if (!terms && !op_ids) return;
  std::size_t partitions = 0;
  for (const auto& [tid, table] : model_.tables()) partitions += table.partitions.size();
  if (terms) {
    terms_.want_size(4 * partitions);
    terms_.asked();
    const RequestId id = outbox_.open({ReplyTo::Owner::kTerms, 0, 0, 0, {}});
    outbox_.out.emplace_back(ReserveTerms{id, terms_.above(), terms_.size()});
  }
  if (op_ids) {
    op_ids_.want_size(2 * partitions);
    op_ids_.asked();
    const RequestId id = outbox_.open({ReplyTo::Owner::kOpIds, 0, 0, 0, {}});
    outbox_.out.emplace_back(ReserveOpIds{id, op_ids_.size()});
  }
}

void Reserving::terms_reserved(const TermsReserved& e) {
  if (!outbox_.close(e.id)) return;
  if (!e.ok) {
    terms_.failed();
    return pace_.failed();
  }
  terms_.reserved(e.first, e.last);
  elections_.terms_came();
}

void Reserving::op_ids_reserved(const OpIdsReserved& e) {
  if (!outbox_.close(e.id)) return;
  if (e.ok) return op_ids_.reserved(e.first, e.last);
  op_ids_.failed();
  pace_.failed();
}

}  // namespace failoverd::core
