#include "tests/chaos/held_rows.h"

#include <memory>
#include <stdexcept>

namespace failoverd::chaos {
namespace {

using minitablet::control::DumpRequest;
using minitablet::control::DumpResponse;

std::set<ClientRow> rows_at(testkit::Client& client, PartitionId partition) {
  std::set<ClientRow> rows;
  DumpRequest request;
  request.set_tid(partition.tid);
  request.set_pid(partition.pid);
  for (;;) {
    const auto page = client.dump(request);
    if (!page || page->code() != 0) {
      throw std::runtime_error("the leader of tid " + std::to_string(partition.tid) + " pid " +
                               std::to_string(partition.pid) + " does not show its rows: " +
                               (page ? page->msg() : client.last_answer().error_text));
    }
    for (const auto& row : page->rows()) rows.insert({row.pk(), row.ts(), row.value()});
    if (!page->more() || page->rows().empty()) return rows;
    request.set_after_index(page->rows(page->rows_size() - 1).index());
  }
}

}  // namespace

HeldRows read_held_rows(e2e::Cluster& cluster) {
  HeldRows held;
  std::map<std::string, std::unique_ptr<testkit::Client>> clients;
  for (const fedb::TableInfo& table : cluster.znodes().tables()) {
    for (const fedb::TablePartition& partition : table.table_partition()) {
      for (const fedb::PartitionMeta& row : partition.partition_meta()) {
        if (!row.is_leader() || !row.is_alive()) continue;
        auto& client = clients[row.endpoint()];
        if (!client) client = std::make_unique<testkit::Client>(cluster.io(), row.endpoint());
        const PartitionId id{table.tid(), partition.pid()};
        held[id] = rows_at(*client, id);
      }
    }
  }
  return held;
}

}  // namespace failoverd::chaos
