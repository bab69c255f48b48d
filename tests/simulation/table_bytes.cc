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

template <class Info>
std::string with_partition(const std::string& bytes, std::uint32_t pid,
                           const std::function<void(fedb::TablePartition&)>& change) {
  Info info = parsed<Info>(bytes);
  for (fedb::TablePartition& p : *info.mutable_table_partition()) {
    if (p.pid() == pid) change(p);
  }
  return info.SerializeAsString();
}

}  // namespace

std::string json_of(const core::PartitionShape& p) {
  const auto flag = [](bool is) { return is ? "true" : "false"; };
  std::string rows;
  for (const core::Row& row : p.rows) {
    rows.append(rows.empty() ? "" : ",").append(R"({"endpoint":")").append(row.endpoint);
    rows.append(R"(","is_leader":)").append(flag(row.is_leader));
    rows.append(R"(,"is_alive":)").append(flag(row.is_alive)).append("}");
  }
  std::string terms;
  for (const core::TermPair& t : p.terms) {
    terms.append(terms.empty() ? "" : ",").append(R"({"term":)").append(std::to_string(t.term));
    terms.append(R"(,"offset":)").append(std::to_string(t.offset)).append("}");
  }
  return R"({"pid":)" + std::to_string(p.pid) + R"(,"partition_meta":[)" + rows +
         R"(],"term_offset":[)" + terms + "]}";
}

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

std::string with_partition(const std::string& bytes, std::uint32_t pid, fedb::Numbering numbering,
                           const std::function<void(fedb::TablePartition&)>& change) {
  return numbering == fedb::Numbering::kFedb
             ? with_partition<fedb::TableInfo>(bytes, pid, change)
             : with_partition<openmldb::TableInfo>(bytes, pid, change);
}

}  // namespace failoverd::simulation
