#include "tests/simulation/table_bytes.h"

#include "proto/openmldb.pb.h"
#include "proto/table_info.pb.h"

namespace failoverd::simulation {
namespace {

void set_storage(fedb::TableInfo&, const core::TableShape&) {}
void set_storage(openmldb::TableInfo& info, const core::TableShape& shape) {
  if (shape.is_on_disk()) info.set_storage_mode(static_cast<fedb::StorageMode>(shape.storage));
  if (shape.base_tid != 0) info.set_base_table_tid(shape.base_tid);
}

template <class Info>
std::string bytes_of(const core::TableShape& shape) {
  constexpr int kUnknown = 1000;
  constexpr std::size_t kAround = 6;  // Its tag and its length.
  Info info;
  info.set_name(shape.name);
  info.set_tid(shape.tid);
  if (!shape.db.empty()) info.set_db(shape.db);
  set_storage(info, shape);
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

template <class Info>
Info parsed(const std::string& bytes) {
  Info info;
  info.ParseFromString(bytes);
  return info;
}

}  // namespace

std::string to_bytes(const core::TableShape& shape, fedb::Numbering numbering) {
  return numbering == fedb::Numbering::kFedb ? bytes_of<fedb::TableInfo>(shape)
                                             : bytes_of<openmldb::TableInfo>(shape);
}

std::string with_touch(const std::string& bytes, std::uint64_t value, fedb::Numbering numbering) {
  if (numbering == fedb::Numbering::kFedb) {
    auto info = parsed<fedb::TableInfo>(bytes);
    info.set_ttl(value);
    return info.SerializeAsString();
  }
  auto info = parsed<openmldb::TableInfo>(bytes);
  info.set_key_entry_max_height(static_cast<std::uint32_t>(value));
  return info.SerializeAsString();
}

std::uint64_t touch_of(const std::string& bytes, fedb::Numbering numbering) {
  return numbering == fedb::Numbering::kFedb
             ? parsed<fedb::TableInfo>(bytes).ttl()
             : parsed<openmldb::TableInfo>(bytes).key_entry_max_height();
}

}  // namespace failoverd::simulation
