#include "daemon/ctl/status_text.h"

#include <algorithm>
#include <boost/json.hpp>
#include <string_view>

#include "daemon/ctl/format.h"
#include "daemon/ctl/table.h"

namespace failoverd::ctl {
namespace {

namespace json = boost::json;

std::string text(const json::object& from, const char* key) {
  return printable(std::string(from.at(key).as_string()));
}

std::uint64_t number(const json::object& from, const char* key) {
  return from.at(key).to_number<std::uint64_t>();
}

// "8 healthy, 2 leaderless": what is not healthy first.
std::string counts(const json::object& from) {
  std::string healthy;
  std::string others;
  for (const auto& [word, value] : from) {
    const auto count = value.to_number<std::uint64_t>();
    if (count == 0) continue;
    std::string& list = word == "healthy" ? healthy : others;
    list += (list.empty() ? "" : ", ") + std::to_string(count) + " " + printable(std::string(word));
  }
  return others + (others.empty() || healthy.empty() ? "" : ", ") + healthy;
}

std::uint64_t total(const json::object& from) {
  std::uint64_t sum = 0;
  for (const auto& [word, value] : from) sum += value.to_number<std::uint64_t>();
  return sum;
}

class StatusText {
 public:
  explicit StatusText(const json::object& status) : status_(status) {}

  std::string text() {
    headline();
    stands_back();
    wrong();
    holds();
    unreadable();
    left_alone();
    strangers();
    would_do();
    running();
    background();
    return std::move(out_);
  }

 private:
  // "for 5m"; empty where the daemon did not say since when.
  std::string lasting(const json::value& since) const {
    if (since.is_null()) return "";
    const auto now = status_.at("now").to_number<std::int64_t>();
    return "for " + short_duration(now - since.to_number<std::int64_t>());
  }
  // "17s"; empty where there is no end to tell.
  std::string still(const json::value& until) const {
    if (until.is_null()) return "";
    const auto now = status_.at("now").to_number<std::int64_t>();
    return short_duration(std::max<std::int64_t>(until.to_number<std::int64_t>() - now, 0));
  }
  std::string ago(const json::value& at) const {
    if (at.is_null()) return "";
    const auto now = status_.at("now").to_number<std::int64_t>();
    return short_duration(now - at.to_number<std::int64_t>()) + " ago";
  }
  void line(const std::string& words) { out_ += words + "\n"; }

  std::string who_acts() const {
    const std::string name = ctl::text(status_, "name");
    if (status_.at("active").as_bool()) return "active: this daemon (" + name + ")";
    const json::object& holder = status_.at("holder").as_object();
    const std::string active = ctl::text(holder, "name");
    const std::string address = ctl::text(holder, "address");
    if (active.empty()) return "NOBODY ACTS: this daemon (" + name + ") is a standby";
    return "standby: this daemon (" + name + "); active: " + active +
           (address.empty() ? "" : " at " + address);
  }

  void headline() {
    const json::value& automatic = status_.at("auto_failover").at("value");
    std::string words = who_acts() + ", epoch " + std::to_string(number(status_, "epoch"));
    words += ", auto_failover ";
    words += automatic.is_null() ? "not known" : automatic.as_bool() ? "on" : "OFF";
    if (!status_.at("zookeeper").at("connected").as_bool()) words += ", NO CONTACT TO ZOOKEEPER";
    if (!status_.at("ready").as_bool())
      words += ", NOT READY: " + ctl::text(status_, "ready_reason");
    if (!status_.at("stands_back").as_array().empty()) words += ", STANDS BACK";
    const json::object& partitions = status_.at("partitions").as_object();
    const std::uint64_t all = total(partitions);
    words += ", " + std::to_string(all) + (all == 1 ? " partition" : " partitions");
    if (all > 0) words += ": " + counts(partitions);
    line(words);
  }

  void stands_back() {
    for (const json::value& each : status_.at("stands_back").as_array()) {
      const json::object& reason = each.as_object();
      const std::string since = lasting(reason.at("since"));
      line("changes nothing" + (since.empty() ? "" : " " + since) + ": " +
           ctl::text(reason, "text"));
    }
  }

  // "held for 3s, 17s more at most: flow 0: waits for ...; lifted by ...".
  void holds() {
    for (const json::value& each : status_.at("holds").as_array()) {
      const json::object& hold = each.as_object();
      const std::string since = lasting(hold.at("since"));
      const std::string left = still(hold.at("until"));
      const std::string lifted_by = ctl::text(hold, "lifted_by");
      line("held" + (since.empty() ? "" : " " + since) +
           (left.empty() ? "" : ", " + left + " more at most") + ": " + partition_of(hold) +
           ctl::text(hold, "text") + (lifted_by.empty() ? "" : "; lifted by " + lifted_by));
    }
    more("holds", "holds");
  }

  // "db.flow 0: "; empty where it is about no single partition.
  static std::string partition_of(const json::object& hold) {
    if (hold.at("pid").is_null()) return "";
    const std::string db = ctl::text(hold, "db");
    return (db.empty() ? "" : db + ".") + ctl::text(hold, "name") + " " +
           std::to_string(number(hold, "pid")) + ": ";
  }

  void wrong() {
    for (const json::value& each : status_.at("wrong").as_array()) {
      const json::object& row = each.as_object();
      const std::string db = ctl::text(row, "db");
      const std::string since = lasting(row.at("since"));
      line(ctl::text(row, "state") + ": " + (db.empty() ? "" : db + ".") + ctl::text(row, "name") +
           " " + std::to_string(number(row, "pid")) + (since.empty() ? "" : ", " + since) + ": " +
           ctl::text(row, "text"));
      const std::string waits = ctl::text(row, "waits_for");
      if (!waits.empty()) line("  waits for: " + waits);
    }
    more("wrong", "partitions");
  }

  // What a list that was cut does not name. Older daemons cut none.
  void more(const std::string& list, const std::string& of_what) {
    const json::value* told = status_.if_contains(list + "_total");
    const std::uint64_t all = told ? told->to_number<std::uint64_t>() : 0;
    const std::uint64_t shown = status_.at(list).as_array().size();
    if (all > shown) line("... and " + std::to_string(all - shown) + " more " + of_what);
  }

  void unreadable() {
    for (const json::value& each : status_.at("unreadable").as_array()) {
      const json::object& row = each.as_object();
      line("left alone: table " + ctl::text(row, "name") + " (" + ctl::text(row, "znode") +
           "): " + ctl::text(row, "reason"));
    }
    more("unreadable", "tables that cannot be read");
  }

  void left_alone() {
    const json::value* rows = status_.if_contains("left_alone");
    if (!rows) return;  // An older daemon's.
    for (const json::value& each : rows->as_array()) {
      const json::object& row = each.as_object();
      const std::string db = ctl::text(row, "db");
      line("left alone " + lasting(row.at("since")) + ": table " + (db.empty() ? "" : db + ".") +
           ctl::text(row, "name") + " (" + ctl::text(row, "znode") +
           "): " + ctl::text(row, "text"));
    }
    more("left_alone", "tables that are left alone");
  }

  void strangers() {
    const json::value* all = status_.if_contains("strangers");  // Older daemons show none.
    if (!all) return;
    for (const json::value& each : all->as_array()) {
      const json::object& row = each.as_object();
      line("stranger on " + ctl::text(row, "endpoint") + " " + lasting(row.at("since")) + ": " +
           ctl::text(row, "text"));
    }
    more("strangers", "strangers");
  }

  void would_do() {
    const json::array& rows = status_.at("would_do").as_array();
    if (rows.empty()) return;
    line("would be done were auto_failover on:");
    for (const json::value& each : rows) line("  " + printable(std::string(each.as_string())));
    more("would_do", "things to do");
  }

  void running() {
    for (const json::value& each : status_.at("running").as_array()) {
      const json::object& row = each.as_object();
      const json::value& task = row.at("cur_task");
      const std::string detail = ctl::text(row, "detail");
      line("op " + std::to_string(number(row, "op_id")) + ": " + ctl::text(row, "op_type") + " " +
           ctl::text(row, "name") + " " + std::to_string(number(row, "pid")) + ", " +
           ctl::text(row, "status") +
           (task.is_null() ? "" : " at " + printable(std::string(task.as_string()))) + ", for " +
           short_duration(row.at("execute_time").to_number<std::int64_t>()) +
           (detail.empty() ? "" : ": " + detail));
    }
    more("running", "ops under way");
  }

  void background() {
    const json::object& config = status_.at("config").as_object();
    if (!config.at("ok").as_bool()) {
      line("configuration refused " + ago(config.at("at")) +
           ", the old one holds: " + ctl::text(config, "line"));
    }
    // Older daemons do not say.
    const json::value* taken = status_.if_contains("name_is_taken");
    if (taken && taken->as_bool()) {
      line("another daemon lives that is called " + ctl::text(status_, "name") +
           ", too: this one's file does not change auto_failover");
    }
    out_ += '\n';
    const json::object& tablets = status_.at("tablets").as_object();
    line("tablets:       " + (total(tablets) == 0 ? std::string("none") : counts(tablets)));
    line("tables:        " + std::to_string(number(status_, "tables")));
    line("auto_failover: " + switched());
    const json::object& zookeeper = status_.at("zookeeper").as_object();
    const bool connected = zookeeper.at("connected").as_bool();
    line("zookeeper:     " + ctl::text(zookeeper, "servers") + ctl::text(zookeeper, "root") +
         (connected ? ", session " + ctl::text(zookeeper, "session") + " of " +
                          std::to_string(number(zookeeper, "session_timeout_ms")) + " ms"
                    : std::string(", not connected")));
    if (config.at("ok").as_bool()) {
      line("configuration: " + ctl::text(config, "file") + ", read " + ago(config.at("at")));
    } else {
      line("configuration: " + ctl::text(config, "file"));
    }
    const std::string up = lasting(status_.at("started"));
    line("failoverd:     " + ctl::text(status_, "version") + (up.empty() ? "" : ", up " + up));
  }

  std::string switched() const {
    const json::object& view = status_.at("auto_failover").as_object();
    if (view.at("value").is_null()) return "not known";
    std::string words = view.at("value").as_bool() ? "on" : "off";
    const std::string who = ctl::text(view, "who");
    const std::string from = ctl::text(view, "from");
    const std::string at = ago(view.at("at"));
    std::string set;
    if (!who.empty()) set += " by " + who;
    if (!from.empty()) set += " from " + from;
    if (!at.empty()) set += (set.empty() ? " " : ", ") + at;
    if (!set.empty()) words += ", set" + set;
    const json::value* file = view.if_contains("file");  // Older daemons do not say.
    if (file && file->is_bool() && file->as_bool() != view.at("value").as_bool()) {
      words += std::string("; this daemon's file says ") + (file->as_bool() ? "true" : "false");
    }
    return words;
  }

  const json::object& status_;
  std::string out_;
};

}  // namespace

Result<std::string> status_text(const std::string& answer) {
  try {
    const json::value status = json::parse(answer);
    return {boost::system::in_place_value, StatusText(status.as_object()).text()};
  } catch (const std::exception& error) {
    return Failure{std::string("the daemon's answer is not understood: ") + error.what()};
  }
}

}  // namespace failoverd::ctl
