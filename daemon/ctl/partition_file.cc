#include "daemon/ctl/partition_file.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <fstream>
#include <iterator>
#include <string_view>

#include "daemon/ctl/output.h"
#include "lib/base/percent_encoding.h"
#include "lib/base/utf8.h"

namespace failoverd::ctl {
namespace {

namespace json = boost::json;

constexpr std::string_view kNoPartition = "it is not what gettablepartition writes";

bool is_flat(const json::value& value) {
  const auto is_single = [](const json::value& v) { return !v.is_object() && !v.is_array(); };
  if (value.is_array()) return value.get_array().empty();
  if (!value.is_object()) return true;
  const json::object& object = value.get_object();
  return std::all_of(object.begin(), object.end(),
                     [&](const auto& member) { return is_single(member.value()); });
}

std::string in_one_line(const json::value& value) {
  if (!value.is_object()) return json::serialize(value);
  std::string text;
  for (const auto& [key, its] : value.get_object()) {
    text += (text.empty() ? "" : ", ") + json::serialize(json::value(key)) + ": ";
    text += json::serialize(its);
  }
  return "{" + text + "}";
}

// What has no members of its own stands in one line, but for the whole. Nobody nests so deeply that
// this would not end.
void write(const json::value& value, std::size_t depth, std::string& text) {
  if (depth > 0 && is_flat(value)) {
    text += in_one_line(value);
    return;
  }
  const std::string margin(2 * depth, ' ');
  const char* between = "\n";
  const auto next = [&] {
    text.append(between).append(margin).append("  ");
    between = ",\n";
  };
  text += value.is_object() ? "{" : "[";
  if (value.is_object()) {
    for (const auto& [key, its] : value.get_object()) {
      next();
      text += json::serialize(json::value(key)) + ": ";
      write(its, depth + 1, text);
    }
  } else {
    for (const json::value& its : value.get_array()) {
      next();
      write(its, depth + 1, text);
    }
  }
  text.append("\n").append(margin).append(value.is_object() ? "}" : "]");
}

Result<std::string> read_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return Failure{"cannot read " + file};
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) return Failure{"cannot read " + file};
  return {boost::system::in_place_value, std::move(text)};
}

// What is wrong with it; empty: nothing.
std::string what_is_wrong(const json::object& object) {
  constexpr std::array<std::string_view, 5> kKeys{"name", "db", "pid", "etag", "partition"};
  for (const auto& member : object) {
    const std::string_view key = member.key();
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      return "there is no field " + std::string(key) + " beside the partition";
    }
  }
  for (const char* key : {"name", "etag"}) {
    const json::value* value = object.if_contains(key);
    if (!value || !value->is_string())
      return std::string(kNoPartition) + ": " + key + " is missing";
  }
  const json::value* db = object.if_contains("db");
  if (db && !db->is_string()) return "db is not a string";
  const json::value* partition = object.if_contains("partition");
  if (!partition || !partition->is_object()) {
    return std::string(kNoPartition) + ": partition is missing";
  }
  const json::value* pid = object.if_contains("pid");
  const json::value* its = partition->get_object().if_contains("pid");
  if (pid && its && *pid != *its) return "pid is another one than the partition's";
  return "";
}

}  // namespace

Result<std::string> partition_text(const std::string& text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object()) return Failure{"the daemon's answer is not understood"};
  std::string pretty;
  write(value, 0, pretty);
  return {boost::system::in_place_value, pretty + "\n"};
}

Result<std::string> read_partition_file(const std::string& file) {
  const auto text = read_file(file);
  if (!text) return text.error();
  boost::system::error_code error;
  json::value value = json::parse(*text, error);
  if (error) return Failure{file + " is not JSON: " + error.message()};
  if (!value.is_object()) return Failure{file + ": " + std::string(kNoPartition)};
  json::object& object = value.get_object();
  if (const std::string wrong = what_is_wrong(object); !wrong.empty()) {
    return Failure{file + ": " + wrong};
  }
  object.erase("pid");  // The partition says it.
  if (const json::value* db = object.if_contains("db"); db && db->get_string().empty()) {
    object.erase("db");
  }
  return {boost::system::in_place_value, json::serialize(object)};
}

int get_table_partition(Servers& servers, const Options& options) {
  const std::string failed = "failed to get table partition. error msg: ";
  std::string path = "/api/v1/partitions/" + percent_encoded(options.arguments[0]) +
                     "?pid=" + percent_encoded(options.arguments[1]);
  if (options.db) path += "&db=" + percent_encoded(*options.db);
  const auto answer = servers.get(path);
  if (!answer) return fail(failed + answer.error().text);
  if (answer->status != 200) return fail(failed + why(*answer));
  boost::system::error_code error;
  const json::value rows = json::parse(answer->body, error);
  if (error || !rows.is_array()) return fail(failed + "the daemon's answer is not understood");
  if (rows.get_array().empty()) return fail(failed + "pid is not exist");
  const auto text = partition_text(json_shown_safely(json::serialize(rows.get_array()[0])));
  if (!text) return fail(failed + text.error().text);
  if (options.arguments.size() < 3) return print(*text);
  const std::string& file = options.arguments[2];
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << *text << std::flush;
  if (!out) return fail(failed + "cannot write " + file);
  return options.json ? print(*text) : print("get table partition ok\n");
}

}  // namespace failoverd::ctl
