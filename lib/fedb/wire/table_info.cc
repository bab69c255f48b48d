#include "lib/fedb/wire/table_info.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/wire_format_lite.h>

#include <set>

#include "proto/openmldb.pb.h"
#include "proto/table_info.pb.h"

namespace failoverd::fedb {
namespace {

namespace wire = ::failoverd::fedb;

using Format = google::protobuf::internal::WireFormatLite;

// What stands at the top of a message under the numbers that tell the numberings apart, or that
// are numbers in both.
struct WireTypes {
  static constexpr int kHighest = 5;
  bool is_number[kHighest + 1] = {};
  bool is_text[kHighest + 1] = {};  // Or a message.
  bool is_other[kHighest + 1] = {};
};

// None: it is no message.
std::optional<WireTypes> wire_types_of(const std::string& value) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(value.data()),
                                            static_cast<int>(value.size()));
  WireTypes types;
  while (const std::uint32_t tag = in.ReadTag()) {
    if (!Format::SkipField(&in, tag)) return std::nullopt;
    const int field = Format::GetTagFieldNumber(tag);
    if (field > WireTypes::kHighest) continue;
    const auto type = Format::GetTagWireType(tag);
    (type == Format::WIRETYPE_VARINT             ? types.is_number
     : type == Format::WIRETYPE_LENGTH_DELIMITED ? types.is_text
                                                 : types.is_other)[field] = true;
  }
  if (!in.ConsumedEntireMessage()) return std::nullopt;
  return types;
}

// Of the fields 2 to 5, only this one is a message: the partition's.
bool may_be(const WireTypes& types, int partition) {
  for (int field = 2; field <= WireTypes::kHighest; ++field) {
    if (types.is_other[field]) return false;
    if ((field == partition ? types.is_number : types.is_text)[field]) return false;
  }
  return true;
}

// What is wrong with it as a table of this numbering; empty: nothing.
template <class Info>
std::string what_is_wrong(const Info& info) {
  if (!info.has_name() || info.name().empty()) return "it has no name";
  if (!info.has_tid() || info.tid() == 0) return "it has no tid";
  if (info.table_partition_size() == 0) return "it has no partitions";
  for (const auto& p : info.table_partition()) {
    if (p.partition_meta_size() == 0)
      return "partition " + std::to_string(p.pid()) + " has no rows";
  }
  return "";
}

template <class Info>
std::string try_parse(const std::string& value, Info& info) {
  if (!info.ParsePartialFromString(value)) return "it does not parse";
  if (!info.IsInitialized()) return "it lacks " + info.InitializationErrorString();
  return what_is_wrong(info);
}

void fill_details(const wire::TableInfo& info, TableDetails& to) {
  to.ttl = info.ttl();
  to.ttl_type = info.ttl_type();
}
void fill_details(const openmldb::TableInfo&, TableDetails& to) { to.ttl_type = "kAbsoluteTime"; }

core::PartitionShape shape_of(const wire::TablePartition& p) {
  core::PartitionShape to;
  to.pid = p.pid();
  for (const auto& row : p.partition_meta()) {
    to.rows.push_back({row.endpoint(), row.is_leader(), row.is_alive()});
  }
  for (const auto& t : p.term_offset()) to.terms.push_back({t.term(), t.offset()});
  return to;
}

void fill_storage(const wire::TableInfo&, core::TableShape&) {}
void fill_storage(const openmldb::TableInfo& info, core::TableShape& shape) {
  if (info.has_storage_mode()) shape.storage = static_cast<core::Storage>(info.storage_mode());
  shape.base_tid = info.base_table_tid();
}

template <class Info>
core::TableShape shape_of(const Info& info, TableDetails* details) {
  core::TableShape shape;
  shape.name = info.name();
  shape.db = info.db();
  shape.tid = info.tid();
  fill_storage(info, shape);
  shape.partitions.reserve(static_cast<std::size_t>(info.table_partition_size()));
  for (const auto& p : info.table_partition()) shape.partitions.push_back(shape_of(p));
  if (details) {
    fill_details(info, *details);
    details->compress_type = CompressType_Name(info.compress_type());
  }
  return shape;
}

template <class Partition>
int place_of(const Partition& p, const core::Endpoint& endpoint) {
  for (int i = 0; i < p.partition_meta_size(); ++i) {
    if (p.partition_meta(i).endpoint() == endpoint) return i;
  }
  return -1;
}

// Of those that `to` does not have itself.
template <class Message>
void keep_unknown_fields(const Message& from, Message& to) {
  auto* known = to.GetReflection()->MutableUnknownFields(&to);
  const auto& fields = from.GetReflection()->GetUnknownFields(from);
  std::set<int> there;
  for (int i = 0; i < known->field_count(); ++i) there.insert(known->field(i).number());
  for (int i = 0; i < fields.field_count(); ++i) {
    if (!there.contains(fields.field(i).number())) known->AddField(fields.field(i));
  }
}

// Empty: they came and went.
template <class Partition>
std::string edit_which_rows(Partition& p, const core::PartitionEdit& edit) {
  const auto has = [&](const std::string& what) {
    return "partition " + std::to_string(edit.pid) + " has " + what;
  };
  for (const core::Endpoint& endpoint : edit.removed) {
    const int place = place_of(p, endpoint);
    if (place < 0) return has("no row " + endpoint);
    p.mutable_partition_meta()->DeleteSubrange(place, 1);
  }
  for (const core::RowEdit& row : edit.added) {
    if (place_of(p, row.endpoint) >= 0) return has("two rows " + row.endpoint);
    auto* meta = p.add_partition_meta();
    meta->set_endpoint(row.endpoint);
    meta->set_is_leader(row.is_leader);
    meta->set_is_alive(row.is_alive);
  }
  return p.partition_meta_size() == 0 ? has("no row left") : "";
}

// What we have no names for stays where it was: in the partition, and in a row that stays. A row
// that was alive without saying so goes on like that.
std::string replace_by(wire::TablePartition& p, const core::WholePartition& whole) {
  wire::TablePartition by;
  const bool is_one = by.ParsePartialFromString(whole.message) && by.IsInitialized();
  if (!is_one || by.pid() != p.pid()) {
    return "partition " + std::to_string(p.pid()) + ": what is to replace it is none";
  }
  keep_unknown_fields(p, by);
  for (auto& meta : *by.mutable_partition_meta()) {
    const int place = place_of(p, meta.endpoint());
    if (place < 0) continue;
    const wire::PartitionMeta& was = p.partition_meta(place);
    keep_unknown_fields(was, meta);
    if (meta.is_alive() && !was.has_is_alive()) meta.clear_is_alive();
  }
  p.Swap(&by);
  return "";
}

// What is wrong about it; empty: nothing.
std::string edit_partition(wire::TablePartition& p, const core::PartitionEdit& edit) {
  if (edit.whole) return replace_by(p, *edit.whole);
  for (const core::RowEdit& row : edit.rows) {
    const int place = place_of(p, row.endpoint);
    if (place < 0) return "partition " + std::to_string(edit.pid) + " has no row " + row.endpoint;
    auto& meta = *p.mutable_partition_meta(place);
    meta.set_is_leader(row.is_leader);
    meta.set_is_alive(row.is_alive);
  }
  for (const core::TermPair& t : edit.terms) {
    auto* pair = p.add_term_offset();
    pair->set_term(t.term);
    pair->set_offset(t.offset);
  }
  return edit_which_rows(p, edit);
}

// `edited`: the places of those partitions that it has changed.
template <class Info>
std::string edit_table(Info& info, const core::PartitionEdit& edit, std::set<int>& edited) {
  for (int i = 0; i < info.table_partition_size(); ++i) {
    if (info.table_partition(i).pid() != edit.pid) continue;
    edited.insert(i);
    return edit_partition(*info.mutable_table_partition(i), edit);
  }
  return "it has no partition " + std::to_string(edit.pid);
}

// The value's own bytes, in their own order, but for the partitions at these places.
template <class Info>
std::string with_partitions(const std::string& value, const Info& info,
                            const std::set<int>& edited) {
  constexpr auto kTag =
      Format::MakeTag(Info::kTablePartitionFieldNumber, Format::WIRETYPE_LENGTH_DELIMITED);
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(value.data()),
                                            static_cast<int>(value.size()));
  std::string out;
  int place = -1;
  std::size_t copied = 0;
  while (const std::uint32_t tag = in.ReadTag()) {
    const int after_tag = in.CurrentPosition();
    Format::SkipField(&in, tag);
    if (tag != kTag || !edited.contains(++place)) continue;
    out.append(value, copied, static_cast<std::size_t>(after_tag) - copied);
    const std::string message = info.table_partition(place).SerializeAsString();
    std::uint8_t length[5];  // As many as a varint of 32 bits takes.
    const std::uint8_t* end = google::protobuf::io::CodedOutputStream::WriteVarint32ToArray(
        static_cast<std::uint32_t>(message.size()), length);
    out.append(reinterpret_cast<const char*>(length), static_cast<std::size_t>(end - length))
        .append(message);
    copied = static_cast<std::size_t>(in.CurrentPosition());
  }
  return out.append(value, copied);
}

template <class Info>
Result<std::string> apply(const std::string& value, const core::TableEdit& edit) {
  Info info;
  if (const std::string wrong = try_parse(value, info); !wrong.empty()) {
    return Failure{edit.znode + ": " + wrong};
  }
  std::set<int> edited;
  for (const core::PartitionEdit& p : edit.partitions) {
    if (const std::string wrong = edit_table(info, p, edited); !wrong.empty()) {
      return Failure{edit.znode + ": " + wrong};
    }
  }
  return {boost::system::in_place_value, with_partitions(value, info, edited)};
}

}  // namespace

const char* to_text(Numbering numbering) {
  return numbering == Numbering::kFedb ? "fedb" : "openmldb";
}

TableLooks looks_of(const std::string& value) {
  TableLooks looks;
  const auto types = wire_types_of(value);
  if (!types || types->is_number[1] || types->is_other[1]) {
    looks.wrong = "it does not parse";
    return looks;
  }
  if (!types->is_text[1]) {
    looks.wrong = "it has no name";
    return looks;
  }
  const bool is_fedb = may_be(*types, wire::TableInfo::kTablePartitionFieldNumber);
  const bool is_openmldb = may_be(*types, openmldb::TableInfo::kTablePartitionFieldNumber);
  if (is_fedb != is_openmldb) {
    looks.numbering = is_fedb ? Numbering::kFedb : Numbering::kOpenmldb;
  } else if (is_fedb) {
    looks.wrong = "it has neither tid nor partitions";
  } else {
    looks.is_of_another = true;
    looks.wrong = "its fields are neither fedb's nor openmldb's";
  }
  return looks;
}

Result<core::TableShape> parse_table(const std::string& znode, const std::string& value,
                                     std::int32_t version, Numbering numbering,
                                     TableDetails* details) {
  wire::TableInfo old_numbers;
  openmldb::TableInfo new_numbers;
  const bool is_fedb = numbering == Numbering::kFedb;
  const std::string wrong = is_fedb ? try_parse(value, old_numbers) : try_parse(value, new_numbers);
  if (!wrong.empty()) {
    const bool other =
        (is_fedb ? try_parse(value, new_numbers) : try_parse(value, old_numbers)).empty();
    return Failure{std::string{"is no TableInfo of numbering "} + to_text(numbering) + ": " +
                   wrong +
                   (other ? std::string{"; it looks like cluster.numbering: "} +
                                to_text(is_fedb ? Numbering::kOpenmldb : Numbering::kFedb)
                          : "")};
  }
  core::TableShape shape =
      is_fedb ? shape_of(old_numbers, details) : shape_of(new_numbers, details);
  shape.znode = znode;
  shape.version = version;
  shape.bytes = static_cast<std::uint32_t>(value.size());
  return shape;
}

Result<std::string> apply_edit(const std::string& value, const core::TableEdit& edit,
                               Numbering numbering) {
  return numbering == Numbering::kFedb ? apply<wire::TableInfo>(value, edit)
                                       : apply<openmldb::TableInfo>(value, edit);
}

std::optional<core::PartitionShape> partition_shape(const std::string& message) {
  wire::TablePartition partition;
  const bool is_one = partition.ParsePartialFromString(message) && partition.IsInitialized();
  if (!is_one) return std::nullopt;
  return shape_of(partition);
}

Result<std::string> apply_partition_edit(const std::string& message,
                                         const core::PartitionEdit& edit) {
  wire::TablePartition partition;
  const bool is_one = partition.ParsePartialFromString(message) && partition.IsInitialized();
  if (!is_one || partition.pid() != edit.pid) {
    return Failure{"that is no partition " + std::to_string(edit.pid)};
  }
  if (const std::string wrong = edit_partition(partition, edit); !wrong.empty()) {
    return Failure{wrong};
  }
  return {boost::system::in_place_value, partition.SerializeAsString()};
}

std::map<std::uint32_t, std::string> partition_messages(const std::string& value,
                                                        Numbering numbering) {
  std::map<std::uint32_t, std::string> messages;
  const auto fill = [&](auto info) {
    if (!info.ParsePartialFromString(value) || !info.IsInitialized()) return;
    for (const auto& p : info.table_partition()) messages[p.pid()] = p.SerializeAsString();
  };
  numbering == Numbering::kFedb ? fill(wire::TableInfo{}) : fill(openmldb::TableInfo{});
  return messages;
}

}  // namespace failoverd::fedb
