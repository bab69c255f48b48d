#include "daemon/ctl/show.h"

#include <algorithm>
#include <boost/json.hpp>
#include <functional>
#include <map>
#include <vector>

#include "daemon/ctl/format.h"
#include "daemon/ctl/table.h"

namespace failoverd::ctl {
namespace {

namespace json = boost::json;

Failure not_understood(const std::exception& error) {
  return Failure{std::string("the daemon's answer is not understood: ") + error.what()};
}

std::string text(const json::object& row, const char* key) {
  return std::string(row.at(key).as_string());
}

// "-" for null: the tablet never told, or there is none.
std::string text_or_dash(const json::object& row, const char* key) {
  return row.at(key).is_null() ? "-" : text(row, key);
}

std::string number_or_dash(const json::object& row, const char* key) {
  return row.at(key).is_null() ? "-" : std::to_string(row.at(key).to_number<std::uint64_t>());
}

std::int64_t ms(const json::object& row, const char* key) {
  return row.at(key).is_null() ? 0 : row.at(key).to_number<std::int64_t>();
}

Row tablet(const json::object& row) {
  return {text(row, "endpoint"), text(row, "state"), short_duration(ms(row, "age"))};
}

Row replica(const json::object& row) {
  const bool in_minutes = text(row, "ttl_type") != "kLatestTime";
  const auto& memused = row.at("memused");
  return {text(row, "name"),
          number_or_dash(row, "tid"),
          number_or_dash(row, "pid"),
          text(row, "endpoint"),
          text(row, "role"),
          number_or_dash(row, "ttl") + (in_minutes ? "min" : ""),
          row.at("is_alive").as_bool() ? "yes" : "no",
          text(row, "compress_type"),
          number_or_dash(row, "offset"),
          number_or_dash(row, "record_cnt"),
          memused.is_null() ? "-" : short_size(memused.to_number<std::uint64_t>())};
}

Row op(const json::object& row) {
  return {number_or_dash(row, "op_id"),
          text(row, "op_type"),
          text(row, "name"),
          number_or_dash(row, "pid"),
          text(row, "status"),
          local_time(ms(row, "start_time")),
          short_duration(ms(row, "execute_time")),
          local_time(ms(row, "end_time")),
          text_or_dash(row, "cur_task")};
}

// Below the table: why an op failed, or what one waits for that is not done. A line of its own that
// begins with "#", so that the table's columns stay what scripts know.
std::string reason(const json::object& row) {
  const std::string detail = text(row, "detail");
  const std::string status = text(row, "status");
  if (detail.empty() || status == "kDone") return "";
  std::string line = "# " + number_or_dash(row, "op_id") + " " + text(row, "op_type") + " " +
                     text(row, "name") + "/" + number_or_dash(row, "pid") + " " + status;
  if (const auto& progress = row.at("progress"); !progress.is_null()) {
    line += " " + std::to_string(static_cast<int>(progress.to_number<double>() * 100)) + " %";
  }
  return printable(line + ": " + detail) + "\n";
}

Row conf(const json::object& row) { return {text(row, "key"), text(row, "value")}; }

// `below`: a line about a row, which stands below the table; empty for none.
Result<std::string> table(const Row& header, const std::string& answer,
                          const std::function<Row(const json::object&)>& to_row,
                          const std::function<std::string(const json::object&)>& below = {}) {
  try {
    std::vector<Row> rows;
    std::string lines;
    const json::value parsed = json::parse(answer);
    for (const json::value& row : parsed.as_array()) {
      rows.push_back(to_row(row.as_object()));
      if (below) lines += below(row.as_object());
    }
    return {boost::system::in_place_value, to_table(header, rows) + lines};
  } catch (const std::exception& error) {
    return not_understood(error);
  }
}

struct Server {
  std::string endpoint;
  std::string role;  // In the words of a nameserver's client: who acts leads.
  std::string program;
};

// The daemons by their names, then the nameservers in their order.
std::vector<Server> servers_of(const std::vector<std::string>& statuses) {
  std::map<std::string, std::string> roles;
  std::vector<Server> nameservers;
  for (const std::string& text_of_one : statuses) {
    const json::value parsed = json::parse(text_of_one);
    const json::object& status = parsed.as_object();
    const bool active = status.at("active").as_bool();
    const std::string holder = text(status.at("holder").as_object(), "name");
    if (!active && !holder.empty()) roles.try_emplace(holder, "leader");
    roles[text(status, "name")] = active ? "leader" : "standby";
    const json::value* listed = status.if_contains("nameservers");  // Older daemons show none.
    if (!listed || !nameservers.empty()) continue;
    for (const json::value& name : listed->as_array()) {
      nameservers.push_back({std::string(name.as_string()),
                             nameservers.empty() ? "leader" : "standby", "nameserver"});
    }
  }
  std::vector<Server> all;
  all.reserve(roles.size() + nameservers.size());
  for (const auto& [name, role] : roles) all.push_back({name, role, "failoverd"});
  all.insert(all.end(), nameservers.begin(), nameservers.end());
  return all;
}

}  // namespace

Result<std::string> servers_table(const std::vector<std::string>& statuses) {
  try {
    std::vector<Row> rows;
    for (Server& server : servers_of(statuses)) {
      rows.push_back({server.endpoint, server.role, server.program});
    }
    return {boost::system::in_place_value, to_table({"endpoint", "role", "program"}, rows)};
  } catch (const std::exception& error) {
    return not_understood(error);
  }
}

Result<std::string> servers_json(const std::vector<std::string>& statuses) {
  try {
    std::string list;
    for (const Server& server : servers_of(statuses)) {
      const json::object row{
          {"endpoint", server.endpoint}, {"role", server.role}, {"program", server.program}};
      list += (list.empty() ? "\n  " : ",\n  ") + json::serialize(row);
    }
    return {boost::system::in_place_value, "[" + list + "\n]\n"};
  } catch (const std::exception& error) {
    return not_understood(error);
  }
}

Result<std::string> tablets_table(const std::string& answer) {
  return table({"endpoint", "state", "age"}, answer, tablet);
}

Result<std::string> replicas_table(const std::string& answer) {
  return table({"name", "tid", "pid", "endpoint", "role", "ttl", "is_alive", "compress_type",
                "offset", "record_cnt", "memused"},
               answer, replica);
}

Result<std::string> ops_table(const std::string& answer) {
  return table({"op_id", "op_type", "name", "pid", "status", "start_time", "execute_time",
                "end_time", "cur_task"},
               answer, op, reason);
}

Result<std::string> conf_table(const std::string& answer) {
  return table({"key", "value"}, answer, conf);
}

Result<std::string> holds_table(const std::string& answer) {
  try {
    const json::value value = json::parse(answer);
    const json::object& status = value.as_object();
    const auto now = status.at("now").to_number<std::int64_t>();
    std::vector<Row> rows;
    for (const json::value& each : status.at("holds").as_array()) {
      const json::object& hold = each.as_object();
      if (hold.at("id").is_null()) continue;  // Nobody ordered it: status shows it.
      const bool ends = !hold.at("until").is_null();
      rows.push_back(
          {number_or_dash(hold, "id"), printable(text(hold, "what")), printable(text(hold, "by")),
           ends ? short_duration(std::max<std::int64_t>(ms(hold, "until") - now, 0)) : "-",
           printable(text(hold, "why"))});
    }
    return {boost::system::in_place_value,
            to_table({"id", "held", "by", "ends_in", "reason"}, rows)};
  } catch (const std::exception& error) {
    return not_understood(error);
  }
}

Result<std::string> holds_json(const std::string& answer) {
  try {
    const json::value value = json::parse(answer);
    json::array holds;
    for (const json::value& each : value.as_object().at("holds").as_array()) {
      if (!each.as_object().at("id").is_null()) holds.push_back(each);
    }
    return {boost::system::in_place_value, json::serialize(holds) + "\n"};
  } catch (const std::exception& error) {
    return not_understood(error);
  }
}

namespace {

// Of so many that are known: "12 entries in 3", "nothing in 3".
std::string in_all(const json::object& totals, const char* entries, const char* known) {
  const auto number = [&](const char* key) { return totals.at(key).to_number<std::uint64_t>(); };
  const std::uint64_t all = number(entries);
  return (all == 0 ? std::string{"nothing"} : std::to_string(all) + " entries") + " in " +
         std::to_string(number(known));
}

// Of all losses, also those that are not listed.
std::string shadow_summary(const json::object& shadow) {
  const json::object& totals = shadow.at("totals").as_object();
  const auto total = shadow.at("total").to_number<std::uint64_t>();
  const std::size_t listed = shadow.at("failovers").as_array().size();
  const std::string cut =
      listed < total ? " (the newest " + std::to_string(listed) + " are listed)" : "";
  const auto longest = totals.at("longest_ms").to_number<std::uint64_t>();
  return std::to_string(total) + " leaders lost" + cut +
         "; the longest time without one: " + std::to_string(longest) +
         " ms; by the last samples failoverd would have lost " +
         in_all(totals, "would_lose", "would_lose_known") + ", the others have lost " +
         in_all(totals, "lost_entries", "lost_entries_known") + "\n";
}

}  // namespace

Result<std::string> shadow_report(const std::string& answer) {
  try {
    const json::value value = json::parse(answer);
    const json::object& shadow = value.as_object().at("shadow").as_object();
    if (!shadow.at("on").as_bool()) {
      return Failure{
          "this daemon acts: its configuration says mode: act, and shadow is what would "
          "be reported of"};
    }
    const json::array& failovers = shadow.at("failovers").as_array();
    std::vector<Row> rows;
    for (const json::value& each : failovers) {
      const json::object& one = each.as_object();
      const auto name = [&](const char* key) {
        const std::string shown = printable(text(one, key));
        return shown.empty() ? std::string{"-"} : shown;
      };
      rows.push_back({name("partition"), name("leader"), number_or_dash(one, "decided_after_ms"),
                      name("candidate"), number_or_dash(one, "would_lose"), name("led_by"),
                      number_or_dash(one, "led_after_ms"), number_or_dash(one, "lost_entries")});
    }
    return {boost::system::in_place_value,
            to_table({"partition", "lost_leader", "would_elect_after_ms", "would_elect",
                      "would_lose", "led_by", "led_after_ms", "lost"},
                     rows) +
                shadow_summary(shadow)};
  } catch (const std::exception& error) {
    return not_understood(error);
  }
}

}  // namespace failoverd::ctl
