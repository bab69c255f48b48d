#include "tests/simulation/table_bytes.h"

#include "proto/table_info.pb.h"

namespace failoverd::simulation {

std::string to_bytes(const core::TableShape& shape) {
  constexpr int kUnknown = 1000;
  constexpr std::size_t kAround = 6;  // Its tag and its length.
  fedb::TableInfo info;
  info.set_name(shape.name);
  info.set_tid(shape.tid);
  if (!shape.db.empty()) info.set_db(shape.db);
  for (const core::PartitionShape& p : shape.partitions) {
    auto* partition = info.add_table_partition();
    partition->set_pid(p.pid);
    for (const core::Row& row : p.rows) {
      auto* meta = partition->add_partition_meta();
      meta->set_endpoint(row.endpoint);
      meta->set_is_leader(row.is_leader);
      meta->set_is_alive(row.is_alive);
    }
    for (const core::TermPair& t : p.terms) {
      auto* pair = partition->add_term_offset();
      pair->set_term(t.term);
      pair->set_offset(t.offset);
    }
  }
  const std::size_t own = info.ByteSizeLong();
  if (own + kAround < shape.bytes) {
    info.mutable_unknown_fields()->AddLengthDelimited(kUnknown)->assign(shape.bytes - own - kAround,
                                                                        'x');
  }
  return info.SerializeAsString();
}

std::string with_ttl(const std::string& bytes, std::uint64_t ttl) {
  fedb::TableInfo info;
  info.ParseFromString(bytes);
  info.set_ttl(ttl);
  return info.SerializeAsString();
}

}  // namespace failoverd::simulation
