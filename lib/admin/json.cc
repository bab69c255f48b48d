#include "lib/admin/json.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <utility>

#include "lib/base/utf8.h"

namespace failoverd::admin {
namespace {

namespace json = boost::json;

json::value text(std::string_view value) { return json::value(valid_utf8(value)); }

json::value text_or_null(std::string_view value) {
  return value.empty() ? json::value(nullptr) : text(value);
}

json::value number_or_null(const std::optional<std::uint64_t>& number) {
  return number ? json::value(*number) : json::value(nullptr);
}

json::value ratio_or_null(const std::optional<double>& ratio) {
  return ratio ? json::value(*ratio) : json::value(nullptr);
}

json::value time_or_null(std::int64_t ms) {
  return ms != 0 ? json::value(ms) : json::value(nullptr);
}

template <class Row, class ToObject>
json::array list(const std::vector<Row>& rows, ToObject to_object) {
  json::array array;
  array.reserve(rows.size());
  for (const Row& row : rows) array.emplace_back(to_object(row));
  return array;
}

json::object tablet(const TabletRow& row) {
  return {{"endpoint", text(row.endpoint)},
          {"state", text(row.shown)},
          {"age", row.age_ms},
          {"health", text(row.state)},
          {"startup", row.startup},
          {"incarnation", text(row.incarnation)},
          {"last_answer_age_ms", number_or_null(row.last_answer_age_ms)},
          {"detail", text(row.detail)}};
}

json::object replica(const ReplicaRow& row) {
  return {{"name", text(row.name)},
          {"tid", row.tid},
          {"pid", row.pid},
          {"endpoint", text(row.endpoint)},
          {"role", row.is_leader ? "leader" : "follower"},
          {"ttl", row.ttl},
          {"is_alive", row.is_alive},
          {"compress_type", text(row.compress_type)},
          {"offset", number_or_null(row.offset)},
          {"record_cnt", number_or_null(row.record_cnt)},
          {"memused", number_or_null(row.memused)},
          {"db", text(row.db)},
          {"ttl_type", text(row.ttl_type)},
          {"offset_age_ms", number_or_null(row.offset_age_ms)}};
}

json::object op(const OpRow& row, std::int64_t now_ms) {
  const std::int64_t until = row.end_ms != 0 ? row.end_ms : now_ms;
  const std::int64_t took = row.start_ms != 0 && until > row.start_ms ? until - row.start_ms : 0;
  return {{"op_id", row.op_id},
          {"op_type", text(row.op_type)},
          {"name", text(row.name)},
          {"pid", row.pid},
          {"status", text(row.status)},
          {"start_time", time_or_null(row.start_ms)},
          {"execute_time", took},
          {"end_time", time_or_null(row.end_ms)},
          {"cur_task", text_or_null(row.cur_task)},
          {"db", text(row.db)},
          {"endpoint", text_or_null(row.endpoint)},
          {"detail", text(row.detail)},
          {"progress", ratio_or_null(row.progress)},
          {"without_leader", number_or_null(row.without_leader_ms)},
          {"may_have_lost", number_or_null(row.may_have_lost)},
          {"loss_is_exact", row.loss_is_exact}};
}

json::object conf(const ConfRow& row) {
  return {{"key", text(row.key)}, {"value", text(row.value)}};
}

json::object event(const EventRow& row) {
  json::object fields;
  for (const Field& field : row.fields) fields[valid_utf8(field.key)] = text(field.value);
  return {{"id", row.id},           {"time", row.time_ms},    {"severity", text(row.severity)},
          {"kind", text(row.kind)}, {"text", text(row.text)}, {"fields", std::move(fields)}};
}

json::object reason(const Reason& row) {
  return {
      {"reason", text(row.word)}, {"text", text(row.text)}, {"since", time_or_null(row.since_ms)}};
}

json::object lost(const HoldRow::Lost& row) {
  return {{"endpoint", text(row.endpoint)}, {"entries", row.entries}, {"loads", row.loads}};
}

json::object hold(const HoldRow& row) {
  return {{"reason", text(row.word)},
          {"text", text(row.text)},
          {"since", time_or_null(row.since_ms)},
          {"until", time_or_null(row.until_ms)},
          {"lifted_by", text(row.lifted_by)},
          {"name", text_or_null(row.name)},
          {"db", text(row.db)},
          {"pid", row.pid ? json::value(*row.pid) : json::value(nullptr)},
          {"waits_for", list(row.waits_for, lost)},
          {"id", row.id ? json::value(*row.id) : json::value(nullptr)},
          {"what", text(row.what)},
          {"by", text(row.by)},
          {"why", text(row.why)}};
}

json::object shadow_failover(const ShadowRow& row) {
  return {{"partition", text(row.partition)},
          {"why", text(row.why)},
          {"leader", text(row.leader)},
          {"lost", time_or_null(row.lost_ms)},
          {"candidate", text(row.candidate)},
          {"decided_after_ms", row.decided_after_ms},
          {"would_lose", number_or_null(row.would_lose)},
          {"led_by", text(row.led_by)},
          {"led_after_ms", number_or_null(row.led_after_ms)},
          {"lost_entries", number_or_null(row.lost_entries)}};
}

json::object shadow_totals(const ShadowTotals& totals) {
  return {{"would_lose", totals.would_lose},
          {"would_lose_known", totals.would_lose_known},
          {"lost_entries", totals.lost_entries},
          {"lost_entries_known", totals.lost_entries_known},
          {"longest_ms", totals.longest_ms}};
}

json::object data_look(const DataLookView& view) {
  return {{"number", view.number},
          {"by", text(view.by)},
          {"replicas", view.replicas},
          {"still", view.still},
          {"not_loaded_total", view.not_loaded_total},
          {"not_loaded", list(view.not_loaded, [](const std::string& one) { return text(one); })}};
}

json::object data_recovery(const DataRecoveryView& view) {
  return {{"number", view.number},
          {"by", text(view.by)},
          {"partitions", view.partitions},
          {"healthy", view.healthy},
          {"still", view.still},
          {"left_total", view.left_total},
          {"left", list(view.left, [](const std::string& one) { return text(one); })}};
}

json::object partition(const PartitionRow& row) {
  return {{"name", text(row.name)},
          {"pid", row.pid},
          {"db", text(row.db)},
          {"state", text(row.state)},
          {"diagnosis", text(row.diagnosis)},
          {"text", text(row.text)},
          {"waits_for", text(row.waits_for)},
          {"since", time_or_null(row.since_ms)}};
}

json::object stranger(const Reason& row) {
  return {{"endpoint", text(row.word)},
          {"text", text(row.text)},
          {"since", time_or_null(row.since_ms)}};
}

json::object unreadable(const UnreadableTable& row) {
  return {{"name", text(row.name)}, {"znode", text(row.znode)}, {"reason", text(row.reason)}};
}

json::object left_alone(const RefusedTable& row) {
  return {{"name", text(row.name)},     {"db", text(row.db)},     {"znode", text(row.znode)},
          {"reason", text(row.reason)}, {"text", text(row.text)}, {"since", row.since_ms}};
}

json::object counts(const std::vector<Count>& rows) {
  json::object object;
  for (const Count& row : rows) object[valid_utf8(row.word)] = row.count;
  return object;
}

json::object auto_failover(const SwitchView& view) {
  return {{"value", view.known ? json::value(view.value) : json::value(nullptr)},
          {"file", view.file ? json::value(*view.file) : json::value(nullptr)},
          {"who", text(view.who)},
          {"from", text(view.from)},
          {"at", time_or_null(view.at_ms)}};
}

json::object zookeeper(const StatusView& status) {
  return {{"connected", status.zookeeper_connected},
          {"servers", text(status.zookeeper)},
          {"session", text(status.session)},
          {"session_timeout_ms", status.session_timeout_ms},
          {"root", text(status.cluster_root)}};
}

json::object config(const ReloadView& view) {
  return {{"file", text(view.file)},
          {"ok", view.ok},
          {"line", text(view.line)},
          {"at", time_or_null(view.at_ms)}};
}

// One object a line, so that a long list can be read and searched without a tool.
template <class Rows, class ToText>
std::string lines(const Rows& rows, ToText to_text) {
  std::string out = "[";
  for (const auto& row : rows) {
    out += out.size() == 1 ? "\n  " : ",\n  ";
    out += to_text(row);
  }
  out += out.size() == 1 ? "]\n" : "\n]\n";
  return out;
}

template <class Rows, class ToObject>
std::string objects(const Rows& rows, ToObject to_object) {
  return lines(rows, [&](const auto& row) { return json::serialize(to_object(row)); });
}

std::string line(const json::object& object) { return json::serialize(object) + "\n"; }

bool is_list_of_numbers(const json::value& value) {
  if (!value.is_array()) return false;
  const json::array& all = value.get_array();
  return std::all_of(all.begin(), all.end(),
                     [](const json::value& one) { return one.is_number(); });
}

}  // namespace

std::string to_json(const StatusView& status, std::int64_t now_ms) {
  return line(
      {{"version", text(status.version)},
       {"name", text(status.name)},
       {"name_is_taken", status.name_is_taken},
       {"ready", status.ready},
       {"ready_reason", text(status.ready_reason)},
       {"active", status.active},
       {"holder", {{"name", text(status.holder.name)}, {"address", text(status.holder.address)}}},
       {"nameservers", list(status.nameservers, [](const std::string& one) { return text(one); })},
       {"epoch", status.epoch},
       {"now", now_ms},
       {"started", time_or_null(status.started_ms)},
       {"auto_failover", auto_failover(status.auto_failover)},
       {"stands_back", list(status.stands_back, reason)},
       {"holds_total", status.holds_total},
       {"holds", list(status.holds, hold)},
       {"recoverdata_look", data_look(status.data_look)},
       {"recoverdata", data_recovery(status.data_recovery)},
       {"shadow",
        {{"on", status.shadow},
         {"total", status.shadow_total},
         {"totals", shadow_totals(status.shadow_totals)},
         {"failovers", list(status.shadow_failovers, shadow_failover)}}},
       {"partitions", counts(status.partitions)},
       {"wrong_total", status.wrong_total},
       {"wrong", list(status.wrong, partition)},
       {"tables", status.tables},
       {"unreadable_total", status.unreadable_total},
       {"unreadable", list(status.unreadable, unreadable)},
       {"left_alone_total", status.left_alone_total},
       {"left_alone", list(status.left_alone, left_alone)},
       {"strangers_total", status.strangers_total},
       {"strangers", list(status.strangers, stranger)},
       {"tablets", counts(status.tablets)},
       {"would_do_total", status.would_do_total},
       {"would_do", list(status.would_do, [](const std::string& what) { return text(what); })},
       {"running_total", status.running_total},
       {"running", list(status.running, [&](const OpRow& row) { return op(row, now_ms); })},
       {"zookeeper", zookeeper(status)},
       {"config", config(status.config)}});
}

std::string to_json(const std::vector<TabletRow>& rows) { return objects(rows, tablet); }

std::string to_json(const std::vector<ReplicaRow>& rows) { return objects(rows, replica); }

std::string to_json(const std::vector<OpRow>& rows, std::int64_t now_ms) {
  return objects(rows, [now_ms](const OpRow& row) { return op(row, now_ms); });
}

std::string to_json(const std::vector<ConfRow>& rows) { return objects(rows, conf); }

std::string to_json(const std::vector<WrittenPartition>& rows) {
  return objects(rows, [](const WrittenPartition& row) {
    boost::system::error_code error;
    return json::object{{"name", text(row.name)},
                        {"db", text(row.db)},
                        {"pid", row.pid},
                        {"etag", text(row.etag)},
                        {"partition", json::parse(valid_utf8(row.json), error)}};
  });
}

std::string to_json(const LoggedEvents& events) {
  return lines(events, [](const auto& each) -> const std::string& { return each->json(); });
}

std::string to_json(const EventRow& row) { return json::serialize(event(row)); }

std::string to_json(const CommandResult& result) {
  json::object object;
  if (result.kind == CommandResult::Kind::kOk) {
    object["ops"] = json::array(result.ops.begin(), result.ops.end());
    object["message"] = text(result.message);
    if (!result.plan.empty()) {
      object["plan"] = list(result.plan, [](const std::string& what) { return text(what); });
    }
    return line(object);
  }
  if (result.code != 0) object["code"] = result.code;
  object["error"] = text(result.error);
  if (!result.hint.empty()) object["hint"] = text(result.hint);
  if (!result.active.address.empty()) object["active"] = text(result.active.address);
  if (!result.active.name.empty()) object["active_name"] = text(result.active.name);
  return line(object);
}

std::string error_json(std::string_view error) { return line({{"error", text(error)}}); }

Result<std::map<std::string, std::string>> parse_arguments(std::string_view body) {
  std::map<std::string, std::string> arguments;
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return arguments;
  boost::system::error_code error;
  const json::value value = json::parse(body, error);
  if (error) return Failure{"the body is not JSON: " + error.message()};
  if (!value.is_object()) return Failure{"the body is not a JSON object of arguments"};
  for (const auto& [key, argument] : value.get_object()) {
    if (argument.is_string()) {
      arguments[key] = std::string(argument.get_string());
    } else if (argument.is_bool() || argument.is_number() || argument.is_object()) {
      arguments[key] = json::serialize(argument);
    } else if (is_list_of_numbers(argument)) {
      std::string& numbers = arguments[key];
      for (const json::value& number : argument.get_array()) {
        numbers += (numbers.empty() ? "" : ",") + json::serialize(number);
      }
    } else {
      return Failure{"argument " + std::string(key) +
                     " is not a string, number, boolean, object or list of numbers"};
    }
  }
  return arguments;
}

}  // namespace failoverd::admin
