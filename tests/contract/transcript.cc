#include "tests/contract/transcript.h"

#include <google/protobuf/descriptor.h>

#include <fstream>
#include <regex>
#include <stdexcept>
#include <vector>

#include "proto/tablet.pb.h"

namespace failoverd::contract {

namespace pb = google::protobuf;

namespace {

std::string nested_text_of(const pb::Message& message);

// A value as the transcript has it: in a message of its own, strings look like Python's.
std::string value_of(const pb::Message& message, const pb::FieldDescriptor* field, int index,
                     bool in_message) {
  const pb::Reflection& at = *message.GetReflection();
  const bool many = field->is_repeated();
  using Field = pb::FieldDescriptor;
  switch (field->cpp_type()) {
    case Field::CPPTYPE_STRING: {
      const std::string text =
          many ? at.GetRepeatedString(message, field, index) : at.GetString(message, field);
      return in_message ? "b'" + text + "'" : text;
    }
    case Field::CPPTYPE_MESSAGE:
      return nested_text_of(many ? at.GetRepeatedMessage(message, field, index)
                                 : at.GetMessage(message, field));
    case Field::CPPTYPE_UINT64:
      return std::to_string(at.GetUInt64(message, field));
    case Field::CPPTYPE_UINT32:
      return std::to_string(at.GetUInt32(message, field));
    case Field::CPPTYPE_INT32:  // -1 as it is on the wire.
      return std::to_string(static_cast<std::uint64_t>(at.GetInt32(message, field)));
    case Field::CPPTYPE_BOOL:
      return at.GetBool(message, field) ? "1" : "0";
    case Field::CPPTYPE_ENUM:
      return std::to_string(at.GetEnumValue(message, field));
    default:
      throw std::logic_error("no answer has such a field: " + field->full_name());
  }
}

// What is set, in the order of its numbers.
template <class Take>
void for_each_field(const pb::Message& message, const Take& take) {
  std::vector<const pb::FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const pb::FieldDescriptor* field : fields) {
    const int many = field->is_repeated() ? message.GetReflection()->FieldSize(message, field) : 1;
    for (int i = 0; i < many; ++i) take(field, i);
  }
}

// "[(1, 50), (5, b'127.0.0.1:9520')]".
std::string nested_text_of(const pb::Message& message) {
  std::string text;
  for_each_field(message, [&](const pb::FieldDescriptor* field, int i) {
    text += (text.empty() ? "(" : ", (") + std::to_string(field->number()) + ", " +
            value_of(message, field, i, true) + ")";
  });
  return "[" + text + "]";
}

}  // namespace

std::string text_of(const pb::Message& message) {
  std::string text;
  for_each_field(message, [&](const pb::FieldDescriptor* field, int i) {
    text += (text.empty() ? "" : " ") + std::to_string(field->number()) + "=" +
            value_of(message, field, i, false);
  });
  return text;
}

std::string transcript_text_of(const pb::Message& response) {
  std::string list;
  const auto add = [&list](const std::string& text) { list += (list.empty() ? "" : ", ") + text; };
  if (const auto* status = dynamic_cast<const fedb::GetTableStatusResponse*>(&response)) {
    for (const fedb::TableStatus& one : status->all_table_status()) {
      add("'tid " + std::to_string(one.tid()) + " pid " + std::to_string(one.pid()) + " off " +
          std::to_string(one.offset()) + " mode " + std::to_string(one.mode()) + " state " +
          std::to_string(one.state()) + "'");
    }
  } else if (const auto* tasks = dynamic_cast<const fedb::GetTaskStatusResponse*>(&response)) {
    for (const fedb::TaskInfo& task : tasks->task()) add(nested_text_of(task));
  } else {
    return text_of(response);
  }
  return "[" + list + "]";
}

std::string Transcript::Names::put_into(std::string text) {
  static const std::regex endpoint{R"(127\.0\.0\.1:\d+)"};
  std::smatch found;
  while (std::regex_search(text, found, endpoint)) {
    const auto [at, is_new] = known_.emplace(found.str(), "T" + std::to_string(known_.size()));
    text.replace(static_cast<std::size_t>(found.position()),
                 static_cast<std::size_t>(found.length()), at->second);
  }
  static const std::regex snapshot{R"(\d{12,14}\.sdb)"};
  return std::regex_replace(text, snapshot, "SNAPSHOT");
}

Transcript::Transcript(const std::string& file) {
  constexpr std::size_t kAnswerColumn = 63;
  std::ifstream in{file};
  if (!in) throw std::runtime_error("cannot read " + file);
  for (std::string line; std::getline(in, line);) {
    const bool has_label = line[0] != '[';
    std::string label = has_label ? line.substr(0, kAnswerColumn) : "";
    label.erase(label.find_last_not_of(' ') + 1);
    lines_.push_back({label, line.substr(has_label ? kAnswerColumn : 0)});
  }
}

std::string Transcript::take(const std::string& label) {
  if (lines_.empty() || lines_.front().label != label) {
    throw std::runtime_error("'" + label + "' does not come next, but '" +
                             (lines_.empty() ? "the end" : lines_.front().label) + "'");
  }
  std::string answer = lines_.front().answer;
  lines_.pop_front();
  return answer;
}

}  // namespace failoverd::contract
