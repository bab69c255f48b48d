#include "lib/core/cluster/relatives.h"

namespace failoverd::core {

std::vector<PartitionKey> relatives(const Model& model, PartitionKey at) {
  std::vector<PartitionKey> all;
  const auto add = [&](std::uint32_t tid) {
    const PartitionKey key{tid, at.pid};
    if (tid != at.tid && model.partition(key)) all.push_back(key);
  };
  const Table* table = model.table(at.tid);
  if (!table) return all;
  if (table->shape.base_tid != 0) add(table->shape.base_tid);
  for (const std::uint32_t aggregate : model.aggregates()) {
    const Table* other = model.table(aggregate);
    if (other && other->shape.base_tid == at.tid) add(aggregate);
  }
  return all;
}

bool base_comes_first(const Model& model, PartitionKey at, TabletIndex tablet) {
  const Table* table = model.table(at.tid);
  if (!table || table->shape.base_tid == 0) return false;
  const Partition* base = model.partition({table->shape.base_tid, at.pid});
  const Replica* r = base ? base->on(tablet) : nullptr;
  if (!r || !r->report.asked_at || !r->report.other.empty()) return false;
  if (r->report.held) return !is_loaded(r->report.state);
  // Whoever loads it has heard that it is there before the next poll says so.
  return !r->report.heard_at || *r->report.heard_at <= *r->report.asked_at;
}

}  // namespace failoverd::core
