// From a returned tablet's znode to the last of its rows alive.
#include "tests/e2e/recovery.h"

#include <algorithm>
#include <stdexcept>

#include "tests/bench/measure.h"
#include "tests/bench/returning.h"
#include "tests/bench/table_watch.h"

namespace failoverd::bench {
namespace {

bool is_alive(const fedb::TableInfo& table) {
  for (const fedb::TablePartition& partition : table.table_partition()) {
    for (const fedb::PartitionMeta& row : partition.partition_meta()) {
      if (!row.is_alive()) return false;
    }
  }
  return true;
}

// A figure for something else than what was to be measured would be worse than none.
void expect_ops(e2e::Daemon& daemon, const RecoveryCase& what) {
  const std::string wanted = what.copies ? "kReAddReplicaOP" : "kReAddReplicaNoSendOP";
  const auto ops = e2e::shown_ops(daemon);
  const auto done = std::count_if(ops.begin(), ops.end(), [&](const e2e::ShownOp& op) {
    return op.type == wanted && op.status == "kDone";
  });
  if (done == static_cast<std::ptrdiff_t>(what.partitions)) return;
  throw std::runtime_error(std::to_string(done) + " of " + std::to_string(what.partitions) +
                           " replicas came back by " + wanted + "\n" + e2e::to_text(ops));
}

}  // namespace

double measure_recovery(const RecoveryCase& what) {
  Returning returning{what};
  TableWatch alive{returning.cluster().znodes(), kReturningTable, is_alive};
  const auto began = returning.start_again();
  if (!returning.cluster().wait_until([&] { return alive.done(); }, "every row is alive",
                                      std::chrono::minutes{5})) {
    throw std::runtime_error("no recovery:\n" + e2e::to_text(e2e::shown_ops(returning.daemon())));
  }
  returning.expect_all_rows();
  expect_ops(returning.daemon(), what);
  return milliseconds(alive.when() - began);
}

}  // namespace failoverd::bench
