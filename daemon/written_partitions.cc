// StatusSource: partitions as they are written in the znodes, for those who edit them.
#include <algorithm>
#include <utility>

#include "daemon/status_source.h"
#include "lib/fedb/wire/partition_text.h"

namespace failoverd {

std::optional<admin::ListPage<admin::WrittenPartition>> StatusSource::partitions(
    const admin::PartitionsAsked& asked) {
  const fedb::TableValue* value = table_value(asked.name, asked.db);
  if (!value) return std::nullopt;
  admin::ListPage<admin::WrittenPartition> page;
  for (fedb::PartitionText& p : fedb::partitions_of(value->value, value->numbering)) {
    if (asked.pid && *asked.pid != p.pid) continue;
    ++page.total;
    if (asked.after && p.pid <= *asked.after) continue;
    page.more = page.rows.size() == asked.limit;
    if (page.more) continue;
    page.rows.push_back({asked.name, asked.db, p.pid, std::move(p.etag), std::move(p.json)});
  }
  return page;
}

void StatusSource::look_at_znode(core::operators::SetTablePartition& edit,
                                 const std::string& etag) const {
  constexpr std::int32_t kNone = -1;
  edit.version = kNone;
  const fedb::TableValue* value = table_value(edit.table.name, edit.table.db);
  if (!value) return;
  const auto is_another = [&](const fedb::PartitionText& p) {
    return p.pid == edit.partition.pid && p.etag != etag;
  };
  const auto all = fedb::partitions_of(value->value, value->numbering);
  if (!etag.empty() && std::any_of(all.begin(), all.end(), is_another)) return;
  edit.version = value->version;
  edit.what_changes =
      fedb::what_changes(value->value, value->numbering, edit.partition.pid, edit.message);
}

}  // namespace failoverd
