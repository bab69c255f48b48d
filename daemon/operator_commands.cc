#include "daemon/operator_commands.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/config/units.h"
#include "lib/fedb/wire/partition_text.h"

namespace failoverd {
namespace {

using core::OperatorCommand;
namespace operators = core::operators;

// More partitions than that no table has: a range is not to fill the memory.
constexpr std::size_t kMostPids = 100'000;

std::optional<std::uint64_t> whole_number(std::string_view text, std::uint64_t most) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number > most) return {};
  return number;
}

// Adds "3" or "1-10". False: it is neither, or too much.
bool add_pids(std::string_view text, std::vector<std::uint32_t>& pids) {
  const std::size_t dash = std::min(text.find('-'), text.size());
  const auto first = whole_number(text.substr(0, dash), UINT32_MAX);
  const auto last = dash == text.size() ? first : whole_number(text.substr(dash + 1), UINT32_MAX);
  if (!first || !last || *last < *first) return false;
  if (*last - *first >= kMostPids || pids.size() > kMostPids) return false;
  for (std::uint64_t pid = *first; pid <= *last; ++pid) {
    pids.push_back(static_cast<std::uint32_t>(pid));
  }
  return true;
}

// Each once, in the order in which they were named first.
void drop_repeated(std::vector<std::uint32_t>& pids) {
  std::map<std::uint32_t, bool> seen;
  std::erase_if(pids, [&](std::uint32_t pid) { return !seen.emplace(pid, true).second; });
}

// Takes arguments out of a request, and keeps what was wrong with the first bad one.
class Arguments {
 public:
  explicit Arguments(const admin::CommandRequest& request) : request_(request) {}

  // Text that has to be there. An empty one names nothing that exists, and the brain says so.
  std::string text(const char* key, const char* what) {
    const std::string* value = find(key);
    if (!value) missing(key, what);
    return value ? *value : "";
  }
  std::string text_or_nothing(const char* key) const {
    const std::string* value = find(key);
    return value ? *value : "";
  }
  core::TableName table() { return {text("name", "the table's name"), text_or_nothing("db")}; }
  std::string endpoint(const char* key) { return text(key, "a tablet, such as 127.0.0.1:9520"); }

  std::uint32_t pid() {
    return static_cast<std::uint32_t>(number("pid", "a partition's number, such as 0", UINT32_MAX));
  }
  std::optional<std::uint32_t> pid_or_all() {
    const std::string* value = find("pid");
    if (!value || *value == "*") return {};
    return static_cast<std::uint32_t>(
        number("pid", "a partition's number, such as 0, or * for all", UINT32_MAX));
  }
  // The whole partition, as JSON.
  operators::SetTablePartition partition() {
    operators::SetTablePartition edit;
    edit.table = table();
    const std::string json = text("partition", "a TablePartition, as gettablepartition shows it");
    if (mistake_) return edit;
    auto parsed = fedb::parse_partition(json);
    if (!parsed) {
      mistake_ = Failure{"partition is " + parsed.error().text};
      return edit;
    }
    edit.partition = std::move(parsed->shape);
    edit.message = std::move(parsed->message);
    return edit;
  }
  // What it was when it was read. A nameserver's callers have none.
  std::string etag() {
    return request_.as_nameserver ? "" : text("etag", "what gettablepartition gave with it");
  }

  core::OpId op() { return number("op_id", "an op's id, as showopstatus lists them", UINT64_MAX); }
  // Too many at once is refused by the brain, when it is that check's turn.
  std::uint32_t concurrency() {
    if (!find("concurrency")) return operators::kConcurrency;
    static const std::string kWhat =
        "how many ops run at once: from 1 to " + std::to_string(operators::kMostConcurrency);
    const auto count = number("concurrency", kWhat.c_str(), UINT32_MAX);
    if (count == 0) wrong("concurrency", kWhat.c_str());
    return static_cast<std::uint32_t>(count);
  }
  // "2h": how long it lasts.
  Duration duration(const char* key, const char* what) {
    const std::string* value = find(key);
    if (!value) missing(key, what);
    const auto read = value ? config::parse_duration(*value) : std::nullopt;
    if (value && !read) wrong(key, what);
    return read.value_or(Duration{});
  }
  std::uint64_t id(const char* key, const char* what) { return number(key, what, UINT64_MAX); }
  // Both may be left out.
  core::TableName table_or_nothing() const {
    return {text_or_nothing("name"), text_or_nothing("db")};
  }
  std::optional<std::uint32_t> pid_or_nothing() {
    if (!find("pid")) return {};
    return pid();
  }
  bool flag(const char* key, std::optional<bool> otherwise = false) {
    const std::string* value = find(key);
    const char* const what = "true or false (yes or no)";
    if (!value && !otherwise) missing(key, what);
    if (!value) return otherwise.value_or(false);
    if (*value == "true" || *value == "yes") return true;
    if (*value != "false" && *value != "no") wrong(key, what);
    return false;
  }
  std::vector<std::uint32_t> pids() {
    const char* const what = "partitions: 3, 1-10 or 1,4,7";
    std::vector<std::uint32_t> all;
    const std::string list = text("pids", what);
    // Nothing to name for a nameserver's callers means nothing to do.
    if (list.empty() && request_.as_nameserver) return all;
    for (std::size_t from = 0; from <= list.size();) {
      const std::size_t comma = std::min(list.find(',', from), list.size());
      if (!add_pids(std::string_view{list}.substr(from, comma - from), all)) {
        wrong("pids", what);
        return {};
      }
      from = comma + 1;
    }
    drop_repeated(all);
    return all;
  }

  const std::optional<Failure>& mistake() const { return mistake_; }

 private:
  const std::string* find(const char* key) const {
    const auto found = request_.args.find(key);
    return found == request_.args.end() ? nullptr : &found->second;
  }
  std::uint64_t number(const char* key, const char* what, std::uint64_t most) {
    const std::string* value = find(key);
    if (!value) missing(key, what);
    const auto read = value ? whole_number(*value, most) : std::nullopt;
    if (value && !read) wrong(key, what);
    return read.value_or(0);
  }
  void missing(const char* key, const char* what) {
    if (!mistake_) mistake_ = Failure{std::string{key} + " is missing: " + what};
  }
  void wrong(const char* key, const char* what) {
    if (mistake_) return;
    mistake_ = Failure{std::string{key} + " is " + what + ", not \"" + *find(key) + "\""};
  }

  const admin::CommandRequest& request_;
  std::optional<Failure> mistake_;
};

struct Verb {
  const char* done;  // What is said when it is done, or has begun.
  std::vector<const char*> keys;
  OperatorCommand (*read)(Arguments&);
};

using Verbs = std::map<std::string, Verb>;

// About ops, holds and the cluster as a whole.
Verbs verbs_of_cluster() {
  return {
      {"cancelop",
       {"Cancel op ok!",
        {"op_id"},
        [](Arguments& a) -> OperatorCommand { return operators::CancelOp{a.op()}; }}},
      {"holdadd",
       {"hold ok",
        {"tablet", "name", "db", "pid", "all", "reason", "for", "by"},
        [](Arguments& a) -> OperatorCommand {
          operators::AddHold hold;
          hold.tablet = a.text_or_nothing("tablet");
          hold.table = a.table_or_nothing();
          hold.pid = a.pid_or_nothing();
          hold.everything = a.flag("all");
          hold.reason = a.text("reason", "why it is held");
          hold.by = a.text_or_nothing("by");
          hold.lasts = a.duration("for", "how long it lasts, such as 30m or 2h");
          return hold;
        }}},
      {"holdremove",
       {"hold removed",
        {"hold"},
        [](Arguments& a) -> OperatorCommand {
          return operators::RemoveHold{a.id("hold", "a hold's number, as hold list shows them")};
        }}},
      {"recoverdata",
       {"recover data ok",
        {"look"},
        [](Arguments& a) -> OperatorCommand { return operators::RecoverData{a.flag("look")}; }}},
  };
}

// Every command takes `plan`, too. The words are the original client's.
Verbs verbs_of_tables() {
  return {
      {"changeleader",
       {"change leader ok",
        {"name", "db", "pid", "candidate", "accept_loss", "force"},
        [](Arguments& a) -> OperatorCommand {
          return operators::ChangeLeader{a.table(), a.pid(), a.text_or_nothing("candidate"),
                                         a.flag("accept_loss"), a.flag("force")};
        }}},
      {"offlineendpoint",
       {"offline endpoint ok",
        {"endpoint", "concurrency"},
        [](Arguments& a) -> OperatorCommand {
          return operators::OfflineEndpoint{a.endpoint("endpoint"), a.concurrency()};
        }}},
      {"recoverendpoint",
       {"recover endpoint ok",
        {"endpoint", "need_restore", "concurrency"},
        [](Arguments& a) -> OperatorCommand {
          return operators::RecoverEndpoint{a.endpoint("endpoint"), a.flag("need_restore"),
                                            a.concurrency()};
        }}},
      {"recovertable",
       {"recover table ok",
        {"name", "db", "pid", "endpoint"},
        [](Arguments& a) -> OperatorCommand {
          return operators::RecoverTable{a.table(), a.pid(), a.endpoint("endpoint")};
        }}},
      {"migrate",
       {"partition migrate ok",
        {"src", "name", "db", "pids", "des"},
        [](Arguments& a) -> OperatorCommand {
          return operators::Migrate{a.endpoint("src"), a.table(), a.pids(), a.endpoint("des")};
        }}},
      {"addreplica",
       {"AddReplica ok",
        {"name", "db", "pids", "endpoint"},
        [](Arguments& a) -> OperatorCommand {
          return operators::AddReplicas{a.table(), a.pids(), a.endpoint("endpoint")};
        }}},
      {"delreplica",
       {"DelReplica ok",
        {"name", "db", "pids", "endpoint"},
        [](Arguments& a) -> OperatorCommand {
          return operators::DelReplicas{a.table(), a.pids(), a.endpoint("endpoint")};
        }}},
      {"makesnapshot",
       {"MakeSnapshot ok",
        {"name", "db", "pid"},
        [](Arguments& a) -> OperatorCommand {
          return operators::MakeSnapshot{a.table(), a.pid()};
        }}},
      {"updatetablealive",
       {"update ok",
        {"name", "db", "pid", "endpoint", "alive"},
        [](Arguments& a) -> OperatorCommand {
          return operators::UpdateTableAlive{a.table(), a.pid_or_all(), a.endpoint("endpoint"),
                                             a.flag("alive", std::nullopt)};
        }}},
      {"settablepartition",
       {"set table partition ok",
        {"name", "db", "etag", "partition"},
        [](Arguments& a) -> OperatorCommand { return a.partition(); }}},
  };
}

const Verbs& verbs() {
  static const Verbs all = [] {
    Verbs both = verbs_of_tables();
    both.merge(verbs_of_cluster());
    return both;
  }();
  return all;
}

// An argument that the command does not take would be one that is silently not heeded.
std::optional<Failure> unknown_argument(const admin::CommandRequest& request, const Verb& verb) {
  for (const auto& argument : request.args) {
    const std::string& key = argument.first;
    const auto is_it = [&](const char* one) { return key == one; };
    // It is the partition's own.
    if (request.as_nameserver && key == "pid" && request.name == "settablepartition") continue;
    if (key == "plan" || std::any_of(verb.keys.begin(), verb.keys.end(), is_it)) continue;
    std::string mistake = "there is no argument " + key + ": " + request.name + " takes ";
    for (const char* one : verb.keys) mistake.append(one).append(", ");
    return Failure{mistake + "plan"};
  }
  return {};
}

}  // namespace

bool is_operator_command(const std::string& name) { return verbs().contains(name); }

std::string operator_commands() {
  std::string names;
  for (const auto& [name, verb] : verbs()) names += (names.empty() ? "" : ", ") + name;
  return names;
}

Result<OperatorQuestion> to_operator_question(const admin::CommandRequest& request) {
  const Verb& verb = verbs().at(request.name);
  if (auto unknown = unknown_argument(request, verb)) return std::move(*unknown);
  Arguments arguments{request};
  OperatorQuestion question{verb.read(arguments), arguments.flag("plan"), {}};
  const bool is_edit = std::holds_alternative<operators::SetTablePartition>(question.what);
  if (is_edit) question.etag = arguments.etag();
  if (arguments.mistake()) return *arguments.mistake();
  return question;
}

admin::CommandResult to_command_result(const OperatorQuestion& question, const std::string& name,
                                       const core::OperatorAnswer& answer) {
  using Kind = admin::CommandResult::Kind;
  admin::CommandResult result;
  if (answer.code != 0) {
    result.kind = answer.code == core::kInvalidParameter ? Kind::kBadArguments : Kind::kRefused;
    result.code = answer.code;
    result.error = answer.error;
    result.hint = answer.hint;
    return result;
  }
  result.message =
      question.only_plan ? "nothing was begun: this is the plan" : verbs().at(name).done;
  const auto* recovers = std::get_if<operators::RecoverData>(&question.what);
  if (recovers && recovers->look) result.message = "what nobody leads is loaded, to be seen";
  const bool healthy = recovers && answer.plan.empty();
  if (healthy) result.message = "every partition is healthy: nothing is to be done";
  if (std::holds_alternative<operators::AddHold>(question.what) && !question.only_plan) {
    result.message += ": hold " + std::to_string(answer.hold);
  }
  result.ops = answer.ops;
  result.plan = answer.plan;
  return result;
}

}  // namespace failoverd
