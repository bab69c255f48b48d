#include "tests/nameserver/table.h"

#include <google/protobuf/unknown_field_set.h>

#include "lib/fedb/wire/paths.h"

namespace failoverd::mininameserver {
namespace {

// Numbers of openmldb's TableInfo that its definition here leaves to the unknown fields.
constexpr int kColumnDesc = 9;
constexpr int kColumnKey = 10;

template <class Number, class Info>
Number said(Info& info, bool says, Number number, Number otherwise, void (Info::*set)(Number)) {
  if (says) return number;
  (info.*set)(otherwise);
  return otherwise;
}

}  // namespace

std::optional<Table> Table::parse(const std::string& bytes, const Kind& kind) {
  Table table;
  if (kind.wire == &minitablet::openmldb()) table.info_ = openmldb::TableInfo{};
  const bool parses = std::visit(
      [&](auto& info) {
        return info.ParsePartialFromString(bytes) && info.IsInitialized() && !info.name().empty();
      },
      table.info_);
  if (!parses) return std::nullopt;
  return table;
}

std::string Table::bytes() const {
  return std::visit([](const auto& info) { return info.SerializeAsString(); }, info_);
}

const std::string& Table::name() const {
  return std::visit([](const auto& info) -> const std::string& { return info.name(); }, info_);
}

const std::string& Table::db() const {
  return std::visit([](const auto& info) -> const std::string& { return info.db(); }, info_);
}

std::uint32_t Table::tid() const {
  return std::visit([](const auto& info) { return info.tid(); }, info_);
}

void Table::set_tid(std::uint32_t tid) {
  std::visit([&](auto& info) { info.set_tid(tid); }, info_);
}

std::uint32_t Table::partition_num(std::uint32_t otherwise) {
  return std::visit(
      [&]<class Info>(Info& info) {
        return said(info, info.has_partition_num(), info.partition_num(), otherwise,
                    &Info::set_partition_num);
      },
      info_);
}

std::uint32_t Table::replica_num(std::uint32_t otherwise) {
  return std::visit(
      [&]<class Info>(Info& info) {
        return said(info, info.has_replica_num(), info.replica_num(), otherwise,
                    &Info::set_replica_num);
      },
      info_);
}

Partitions& Table::partitions() {
  return std::visit([](auto& info) -> Partitions& { return *info.mutable_table_partition(); },
                    info_);
}

const Partitions& Table::partitions() const {
  return std::visit([](const auto& info) -> const Partitions& { return info.table_partition(); },
                    info_);
}

fedb::TablePartition* Table::partition(std::uint32_t pid) {
  for (fedb::TablePartition& partition : partitions()) {
    if (partition.pid() == pid) return &partition;
  }
  return nullptr;
}

minitablet::TableMeta Table::meta(std::uint32_t pid, bool with_columns) const {
  minitablet::TableMeta meta;
  meta.set_tid(static_cast<std::int32_t>(tid()));
  meta.set_name(name());
  meta.set_pid(static_cast<std::int32_t>(pid));
  std::visit(
      [&]<class Info>(const Info& info) {
        meta.set_seg_cnt(static_cast<std::int32_t>(info.seg_cnt()));
        if constexpr (requires { info.ttl(); }) meta.set_ttl(info.ttl());
        if (info.has_db()) meta.set_db(info.db());
        if (!with_columns) return;
        meta.set_ttl_type(fedb::kAbsoluteTime);
        meta.set_schema("");
        meta.set_compress_type(info.compress_type());
        if constexpr (std::is_same_v<Info, openmldb::TableInfo>) {
          const auto& fields = info.GetReflection()->GetUnknownFields(info);
          for (int i = 0; i < fields.field_count(); ++i) {
            const auto& field = fields.field(i);
            if (field.type() != google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) continue;
            if (field.number() == kColumnDesc) meta.add_column_desc(field.length_delimited());
            if (field.number() == kColumnKey) meta.add_column_key(field.length_delimited());
          }
        }
      },
      info_);
  return meta;
}

std::string Table::path() const {
  if (db().empty()) return fedb::Paths::kTables + ("/" + name());
  return fedb::Paths::kDbTables + ("/" + std::to_string(tid()));
}

fedb::PartitionMeta* row_of(fedb::TablePartition& partition, const std::string& endpoint) {
  for (fedb::PartitionMeta& row : *partition.mutable_partition_meta()) {
    if (row.endpoint() == endpoint) return &row;
  }
  return nullptr;
}

std::string leader_of(const fedb::TablePartition& partition) {
  for (const fedb::PartitionMeta& row : partition.partition_meta()) {
    if (row.is_leader() && row.is_alive()) return row.endpoint();
  }
  return "";
}

}  // namespace failoverd::mininameserver
