#include "lib/fedb/wire/partition_text.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "proto/openmldb.pb.h"
#include "proto/table_info.pb.h"

namespace failoverd::fedb {
namespace {

namespace wire = ::failoverd::fedb;
namespace json = google::protobuf::util;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

template <class Info>
std::vector<wire::TablePartition> read(const std::string& value) {
  Info info;
  if (!info.ParsePartialFromString(value) || !info.IsInitialized()) return {};
  return {info.table_partition().begin(), info.table_partition().end()};
}

std::vector<wire::TablePartition> read(const std::string& value, Numbering numbering) {
  return numbering == Numbering::kFedb ? read<wire::TableInfo>(value)
                                       : read<openmldb::TableInfo>(value);
}

// FNV-1a: it tells one state from the next, and nobody is to be kept from making up two alike.
std::string etag_of(const std::string& bytes) {
  std::uint64_t hash = 14695981039346656037U;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

std::string json_of(const Message& message) {
  json::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  return json::MessageToJsonString(message, &text, options).ok() ? text : "{}";
}

// One line, whatever the parser says.
std::string in_one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; }, ' ');
  constexpr std::size_t kMost = 300;
  return text.substr(0, kMost);
}

// --- What changes --------------------------------------------------------------------------------

// A single field as text: its value, given or by default, or that it is not there.
std::string value_of(const Message& message, const FieldDescriptor& field) {
  const auto* reflection = message.GetReflection();
  if (!reflection->HasField(message, &field) && !field.has_default_value()) return "-";
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_UINT32:
      return std::to_string(reflection->GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return std::to_string(reflection->GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection->GetString(message, &field);
    default:
      return "?";
  }
}

// Single fields of two messages of one kind: "is_alive true -> false, offset - -> 5".
std::string single_fields(const Message& was, const Message& is) {
  std::string text;
  const auto* type = was.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor& field = *type->field(i);
    if (field.is_repeated()) continue;
    const std::string before = value_of(was, field);
    const std::string after = value_of(is, field);
    if (before == after) continue;
    text.append(text.empty() ? "" : ", ").append(field.name());
    text.append(" ").append(before).append(" -> ").append(after);
  }
  return text;
}

using Rows = google::protobuf::RepeatedPtrField<wire::PartitionMeta>;

std::string order_of(const Rows& rows) {
  std::string text;
  for (const auto& row : rows) text += (text.empty() ? "" : ", ") + row.endpoint();
  return text;
}

// `what`: in front of each line.
void compare(const std::string& what, const Rows& was, const Rows& is,
             std::vector<std::string>& lines) {
  std::map<std::string, const wire::PartitionMeta*> before;
  std::map<std::string, const wire::PartitionMeta*> after;
  for (const auto& row : was) before[row.endpoint()] = &row;
  for (const auto& row : is) after[row.endpoint()] = &row;
  const std::size_t first = lines.size();
  for (const auto& [endpoint, row] : before) {
    const auto found = after.find(endpoint);
    const std::string changed = found == after.end() ? "its row goes: " + json_of(*row)
                                                     : single_fields(*row, *found->second);
    if (changed.empty()) continue;
    lines.push_back(what);
    lines.back().append(endpoint).append(": ").append(changed);
  }
  for (const auto& row : is) {
    if (before.contains(row.endpoint())) continue;
    lines.push_back(what + row.endpoint() + ": a new row: " + json_of(row));
  }
  if (lines.size() == first && order_of(was) != order_of(is)) {
    lines.push_back(what + "the rows' order: " + order_of(is));
  }
}

std::string history_of(const wire::TablePartition& p) {
  std::string text;
  for (const auto& t : p.term_offset()) {
    text += (text.empty() ? "" : ", ") + std::to_string(t.term()) + " from offset " +
            std::to_string(t.offset());
  }
  return text.empty() ? "none" : text;
}

}  // namespace

std::vector<PartitionText> partitions_of(const std::string& value, Numbering numbering) {
  std::vector<PartitionText> all;
  for (wire::TablePartition& p : read(value, numbering)) {
    std::string etag = etag_of(p.SerializeAsString());
    // Fresh rows do not say it; whoever edits one wants to see it.
    for (auto& row : *p.mutable_partition_meta()) row.set_is_alive(row.is_alive());
    all.push_back({p.pid(), std::move(etag), json_of(p)});
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.pid < b.pid; });
  return all;
}

Result<ParsedPartition> parse_partition(const std::string& json) {
  wire::TablePartition p;
  const auto status = json::JsonStringToMessage(json, &p);
  if (!status.ok()) return Failure{"no TablePartition: " + in_one_line(status.ToString())};
  if (!p.IsInitialized()) {
    return Failure{"no TablePartition: it lacks " + p.InitializationErrorString()};
  }
  ParsedPartition parsed;
  parsed.shape.pid = p.pid();
  for (const auto& row : p.partition_meta()) {
    parsed.shape.rows.push_back({row.endpoint(), row.is_leader(), row.is_alive()});
  }
  for (const auto& t : p.term_offset()) parsed.shape.terms.push_back({t.term(), t.offset()});
  parsed.message = p.SerializeAsString();
  return parsed;
}

std::vector<std::string> what_changes(const std::string& value, Numbering numbering,
                                      std::uint32_t pid, const std::string& message) {
  std::vector<std::string> lines;
  wire::TablePartition is;
  if (!is.ParsePartialFromString(message) || !is.IsInitialized()) return lines;
  for (const wire::TablePartition& was : read(value, numbering)) {
    if (was.pid() != pid) continue;
    const std::string changed = single_fields(was, is);
    if (!changed.empty()) lines.push_back(changed);
    compare("", was.partition_meta(), is.partition_meta(), lines);
    compare("remote: ", was.remote_partition_meta(), is.remote_partition_meta(), lines);
    if (history_of(was) != history_of(is)) {
      lines.push_back("term_offset: " + history_of(was) + " -> " + history_of(is));
    }
  }
  return lines;
}

}  // namespace failoverd::fedb
