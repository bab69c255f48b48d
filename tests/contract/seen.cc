#include "tests/contract/seen.h"

#include <google/protobuf/descriptor.h>

#include <cctype>

#include "proto/tablet.pb.h"

namespace failoverd::contract {

namespace pb = google::protobuf;

namespace {

std::string value_of(const pb::Message& of, const pb::FieldDescriptor* field) {
  const pb::Reflection& at = *of.GetReflection();
  using Field = pb::FieldDescriptor;
  switch (field->cpp_type()) {
    case Field::CPPTYPE_STRING:
      return at.GetString(of, field);
    case Field::CPPTYPE_UINT64:
      return std::to_string(at.GetUInt64(of, field));
    case Field::CPPTYPE_UINT32:
      return std::to_string(at.GetUInt32(of, field));
    case Field::CPPTYPE_INT32:
      return std::to_string(at.GetInt32(of, field));
    case Field::CPPTYPE_BOOL:
      return at.GetBool(of, field) ? "true" : "false";
    case Field::CPPTYPE_ENUM:
      return at.GetEnum(of, field)->name();
    default:
      return "?";
  }
}

void see_fields(const pb::Message& of, const std::string& before, Seen& seen) {
  std::vector<const pb::FieldDescriptor*> fields;
  of.GetReflection()->ListFields(of, &fields);
  for (const pb::FieldDescriptor* field : fields) {
    if (field->is_repeated()) continue;
    if (field->cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE) {
      see_fields(of.GetReflection()->GetMessage(of, field), before + field->name() + ".", seen);
    } else {
      seen.fields[before + field->name()] = value_of(of, field);
    }
  }
}

std::string key_of(const fedb::TaskInfo& task) {
  return std::to_string(task.op_id()) + "/" + fedb::TaskType_Name(task.task_type()) +
         (task.has_task_id() ? "/" + std::to_string(task.task_id()) : "");
}

// Of what the expectation speaks: a tablet, a task, "none", or a field.
bool names_entry(const std::string& key) {
  return key == "none" || std::isupper(static_cast<unsigned char>(key[0])) ||
         std::isdigit(static_cast<unsigned char>(key[0]));
}

}  // namespace

Seen see(const Reply& reply, const std::function<std::string(const std::string&)>& name) {
  Seen seen;
  if (!reply.response) {
    seen.fields["error"] = std::to_string(reply.error_code);
    return seen;
  }
  see_fields(*reply.response, "", seen);
  if (const auto* status = dynamic_cast<const fedb::GetTableStatusResponse*>(&*reply.response)) {
    seen.has_entries = true;
    seen.fields["tables"] = std::to_string(status->all_table_status_size());
    for (const fedb::TableStatus& one : status->all_table_status()) {
      seen.entries[std::to_string(one.tid()) + "/" + std::to_string(one.pid())] =
          fedb::TableState_Name(one.state());
    }
    // Of a single one all fields.
    if (status->all_table_status_size() == 1) see_fields(status->all_table_status(0), "", seen);
  } else if (const auto* followers =
                 dynamic_cast<const fedb::GetTableFollowerResponse*>(&*reply.response)) {
    seen.has_entries = true;
    for (const fedb::FollowerInfo& one : followers->follower_info()) {
      seen.entries[name(one.endpoint())] = std::to_string(one.offset());
    }
  } else if (const auto* tasks =
                 dynamic_cast<const fedb::GetTaskStatusResponse*>(&*reply.response)) {
    seen.has_entries = true;
    for (const fedb::TaskInfo& one : tasks->task()) {
      seen.entries[key_of(one)] = fedb::TaskStatus_Name(one.status());
    }
  }
  return seen;
}

std::string to_text(const Seen& seen) {
  std::string text;
  for (const auto* part : {&seen.fields, &seen.entries}) {
    for (const auto& [key, value] : *part) {
      text += (text.empty() ? "" : " ") + key + "=" + value;
    }
  }
  return text;
}

std::string compare(const std::vector<std::string>& expected, const Seen& seen,
                    const std::function<bool(const std::string&)>& lists) {
  bool names_list = false;
  std::map<std::string, std::string> entries;
  for (const std::string& word : expected) {
    const auto equals = word.find('=');
    const std::string key = word.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (names_entry(key)) {
      if (!seen.has_entries) return "there is no list that could have " + word;
      names_list = true;
      if (key != "none" && lists(key)) entries[key] = value;
      continue;
    }
    const auto found = seen.fields.find(key);
    const std::string got = found == seen.fields.end() ? "absent" : found->second;
    if (got != value) return key + " is " + got + ", not " + value;
  }
  if (names_list && entries != seen.entries) return "the list is another one";
  return "";
}

}  // namespace failoverd::contract
