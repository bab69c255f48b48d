#include "daemon/status_source.h"

#include <algorithm>
#include <map>
#include <utility>

#include "daemon/operator_commands.h"
#include "lib/admin/active_daemon.h"
#include "lib/base/boot_clock.h"
#include "lib/base/lower_case.h"

namespace failoverd {
namespace {

using core::Condition;
using core::TabletState;

std::vector<admin::Count> counts_of(const std::map<std::string, std::uint64_t>& by_word) {
  std::vector<admin::Count> counts;
  counts.reserve(by_word.size());
  for (const auto& [word, count] : by_word) counts.push_back({word, count});
  return counts;
}

}  // namespace

std::string asked_by(const admin::CommandRequest& request) {
  return (request.who.empty() ? "somebody" : request.who) + " from " + request.from;
}

std::string in_hex(std::int64_t id) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(id));
  return text;
}

std::uint64_t in_ms(Duration d) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(d.count(), 0) / 1000);
}

StatusSource::StatusSource(Driver& driver, admin::EventLog& events, admin::Metrics& metrics,
                           const config::Config& config, const Log& log)
    : driver_(driver),
      events_(events),
      metrics_(metrics),
      config_(config),
      log_(log),
      started_ms_(wall_now_ms()) {}

std::int64_t StatusSource::wall(Instant at) const {
  return wall_now_ms() - (boot_now() - at).count() / 1000;
}

admin::HolderView StatusSource::holder() const {
  return admin::holder_from(driver_.leadership().holder(), driver_.name());
}

// The word of failoverd_partitions{state}. A standby asks no tablets: there the rows must do.
std::string StatusSource::partition_state(const core::Partition& p) const {
  if (!driver_.brain().active()) {
    if (!p.leader()) return "leaderless";
    const bool all = std::all_of(p.replicas.begin(), p.replicas.end(),
                                 [](const core::Replica& r) { return r.is_alive; });
    return all ? "healthy" : "degraded";
  }
  switch (p.diagnosis.condition) {
    case Condition::kHealthy:
      return "healthy";
    case Condition::kFollowerLost:
    case Condition::kDegraded:
    case Condition::kTwoLeaders:
    case Condition::kFollowerStalled:
    case Condition::kUncertain:
      return "degraded";
    case Condition::kReturned:
      return p.replicas.size() > 1 ? "recovering" : "leaderless";
    case Condition::kQuarantined:
      return "held";
    case Condition::kLeaderLost:
    case Condition::kNoLeader:
    case Condition::kAllDown:
    case Condition::kNoCandidate:
    case Condition::kUnfinished:
    case Condition::kSingleLost:
      return "leaderless";
  }
  return "held";
}

std::vector<admin::Count> StatusSource::tablet_counts() const {
  std::map<std::string, std::uint64_t> counts;
  const core::Model& model = driver_.brain().model();
  for (core::TabletIndex i = 0; i < model.tablet_count(); ++i) {
    const core::Tablet& t = model.tablet(i);
    if (!t.is_of_cluster()) continue;
    // A standby asks no tablets: there the znodes must do.
    const TabletState by_znode = t.evidence.registered ? TabletState::kHealthy : TabletState::kLost;
    ++counts[core::to_text(driver_.brain().active() ? t.verdict.state : by_znode)];
  }
  return counts_of(counts);
}

std::vector<admin::Count> StatusSource::partition_counts() const {
  std::map<std::string, std::uint64_t> counts;
  for (const auto& [tid, table] : driver_.brain().model().tables()) {
    for (const auto& [pid, p] : table.partitions) ++counts[partition_state(p)];
  }
  return counts_of(counts);
}

std::vector<admin::Count> StatusSource::left_alone_counts() const {
  const core::Model& model = driver_.brain().model();
  std::map<std::string, std::uint64_t> counts;
  if (!model.unreadable().empty()) counts["unreadable"] = model.unreadable().size();
  for (const auto& [tid, table] : model.tables()) {
    if (table.refusal && table.refusal->is_known) ++counts[core::to_text(table.refusal->reason)];
  }
  return counts_of(counts);
}

// Who set it is one text in the znode: "ann from 127.0.0.1:5000", "the file of db1:9650".
admin::SwitchView StatusSource::switch_view() const {
  const core::Brain& brain = driver_.brain();
  admin::SwitchView view;
  view.known = brain.switch_read();
  view.value = brain.auto_failover();
  view.from = brain.switched_by();
  if (const auto from = view.from.rfind(" from "); from != std::string::npos) {
    view.who = view.from.substr(0, from);
    view.from.erase(0, from + 6);
  }
  view.at_ms = driver_.switched().written_ms();
  view.file = driver_.switched().file();
  return view;
}

admin::StatusView StatusSource::status() {
  const core::Brain& brain = driver_.brain();
  admin::StatusView view;
  view.version = FAILOVERD_VERSION;
  view.name = driver_.name();
  view.name_is_taken = driver_.switched().name_is_taken();
  const admin::Readiness ready = readiness();
  view.ready = ready.ready;
  view.ready_reason = ready.reason;
  view.active = brain.active();
  view.holder = holder();
  for (const std::string& one : brain.nameservers()) {
    const auto end = view.nameservers.end();
    if (std::find(view.nameservers.begin(), end, one) == end) view.nameservers.push_back(one);
  }
  view.epoch = static_cast<std::uint64_t>(brain.epoch());
  view.zookeeper_connected = !driver_.zookeeper_away_since();
  view.zookeeper = config_.cluster.zookeeper;
  if (driver_.session().session_id() != 0) view.session = in_hex(driver_.session().session_id());
  view.session_timeout_ms =
      static_cast<std::uint64_t>(driver_.session().negotiated_timeout().count() / 1000);
  view.cluster_root = config_.cluster.root;
  view.auto_failover = switch_view();
  view.stands_back = stands_back();
  view.tablets = tablet_counts();
  view.partitions = partition_counts();
  view.tables = brain.model().tables().size();
  list_wrong(view);
  list_holds(view);
  list_recovery(view);
  list_left_alone(view);
  list_strangers(view);
  list_ops(view);
  list_shadow(view);
  view.config = reload;
  view.started_ms = started_ms_;
  return view;
}

admin::OpRow StatusSource::op_row(const core::OpRecord& op) const {
  admin::OpRow row;
  row.op_id = op.id;
  row.op_type = core::to_text(op.type);
  row.name = op.table;
  row.db = op.db;
  row.pid = op.at.pid;
  row.endpoint = op.replica;
  row.status = core::to_text(op.status);
  row.start_ms = wall(op.started);
  const bool running = op.status == core::OpStatus::kInited || op.status == core::OpStatus::kDoing;
  if (!running) row.end_ms = wall(op.ended);
  if (op.task != core::Task::kNone) row.cur_task = core::to_text(op.task);
  row.detail = op.detail;
  if (running) row.progress = op.progress;
  if (op.without_leader) row.without_leader_ms = in_ms(*op.without_leader);
  row.may_have_lost = op.may_have_lost;
  row.loss_is_exact = op.loss_is_exact;
  return row;
}

std::vector<admin::ConfRow> StatusSource::conf() {
  return {{"auto_failover", driver_.brain().auto_failover() ? "true" : "false"}};
}

admin::Subscription StatusSource::subscribe(std::function<void(const admin::EventRow&)> callback) {
  return events_.subscribe(std::move(callback));
}

admin::Readiness StatusSource::readiness() {
  admin::Readiness r;
  r.active = driver_.brain().active();
  if (!r.active) r.holder = holder();
  r.process = driver_.name() + "/" + std::to_string(started_ms_);
  const auto away = driver_.zookeeper_away_since();
  const Duration session = driver_.session().negotiated_timeout();
  const auto& obstacles = driver_.brain().obstacles();
  if (!driver_.brain().cluster_read() || obstacles.contains("no_cluster")) {
    r.reason = away ? "waits for ZooKeeper at " + config_.cluster.zookeeper
               : obstacles.empty()
                   ? "the cluster below " + config_.cluster.root + " has not been read yet"
                   : obstacles.begin()->second;
    r.cluster_unread = r.reason;
  } else if (away && boot_now() - *away > session) {
    r.reason = "ZooKeeper at " + config_.cluster.zookeeper + " has been away for " +
               std::to_string(in_ms(boot_now() - *away) / 1000) + " s";
  } else if (!obstacles.empty()) {
    r.reason = obstacles.begin()->second;
  } else {
    r.ready = true;
  }
  if (!driver_.brain().switch_read()) {
    r.switch_unread = r.ready ? "the switch auto_failover has not been read yet" : r.reason;
  }
  return r;
}

Service::State StatusSource::service_state() {
  const admin::Readiness ready = readiness();
  if (!ready.ready) return {false, ready.reason};
  const core::Brain& brain = driver_.brain();
  const bool off = brain.switch_read() && !brain.auto_failover();
  std::string line;
  if (ready.active) {
    line = "active, epoch " + std::to_string(brain.epoch()) +
           (off ? "; auto_failover is off: begins nothing" : "");
  } else {
    const admin::HolderView acts = holder();
    line = acts.name.empty() ? "standby: nobody acts yet" : "standby: " + acts.name + " acts";
  }
  for (const admin::Reason& s : stands_back()) line += "; " + s.text;
  if (!reload.ok) line += "; the configuration file is refused, the old one holds";
  return {true, line};
}

std::string StatusSource::metrics() {
  const core::Brain& brain = driver_.brain();
  admin::MetricsInput now;
  if (brain.switch_read()) now.auto_failover_enabled = brain.auto_failover();
  now.active = brain.active();
  now.zookeeper_connected = !driver_.zookeeper_away_since();
  now.tablets = tablet_counts();
  now.partitions = partition_counts();
  now.tables_left_alone = left_alone_counts();
  for (const auto& [id, op] : brain.ops().running()) now.running.push_back(op_row(op));
  for (const admin::Reason& s : stands_back()) now.stands_back.push_back(s.word);
  std::map<std::string, std::uint64_t> holds;
  for (const core::Hold& h : brain.holds()) ++holds[h.reason];
  if (const std::size_t ordered = brain.operator_holds().size()) holds["operator"] = ordered;
  now.holds = counts_of(holds);
  now.needless_verdicts = brain.needless_verdicts();
  now.log_lines_dropped = log_.dropped();
  now.config_ok = reload.ok;
  now.config_success_ms = config_success_ms;
  return metrics_.text(now);
}

// --- Commands ------------------------------------------------------------------------------------

void StatusSource::command(admin::CommandRequest request,
                           std::function<void(admin::CommandResult)> done) {
  admin::CommandResult result;
  const bool steers = request.name == "takeover" || request.name == "release";
  if (request.name != "confset" && !steers && !is_operator_command(request.name)) {
    result.kind = admin::CommandResult::Kind::kUnknown;
    result.error = "no such command: " + request.name;
    result.hint = "there are confset, " + operator_commands() + ", release, takeover";
    done(std::move(result));
    return;
  }
  if (!driver_.brain().active()) {
    result.kind = admin::CommandResult::Kind::kStandby;
    result.active = holder();
    done(std::move(result));
    return;
  }
  if (request.name == "confset") return confset(request, std::move(done));
  if (steers) return steer(request, std::move(done));
  ask_brain(request, std::move(done));
}

void StatusSource::ask_brain(const admin::CommandRequest& request,
                             std::function<void(admin::CommandResult)> done) {
  auto question = to_operator_question(request);
  if (!question) return done(admin::bad_arguments(question.error().text));
  if (auto* edit = std::get_if<core::operators::SetTablePartition>(&question->what)) {
    look_at_znode(*edit, question->etag);
  }
  driver_.ask_operator(
      question->what, asked_by(request), question->only_plan, request.as_nameserver,
      [question = *question, name = request.name, done = std::move(done)](
          const core::OperatorAnswer& answer) { done(to_command_result(question, name, answer)); });
}

void StatusSource::confset(const admin::CommandRequest& request,
                           std::function<void(admin::CommandResult)> done) {
  const auto argument = [&](const char* name) {
    const auto found = request.args.find(name);
    return found == request.args.end() ? std::string{} : found->second;
  };
  const std::string key = argument("key");
  // The original takes the value in any case, over RPC and from its client.
  const std::string value = lower_case(argument("value"));
  if (key != "auto_failover") {
    return done(admin::bad_arguments("the only key is auto_failover, not \"" + key + "\""));
  }
  if (value != "true" && value != "false") {
    return done(
        admin::bad_arguments("auto_failover is true or false, not \"" + argument("value") + "\""));
  }
  driver_.switched().set(value == "true", asked_by(request),
                         [done = std::move(done)](bool ok, const std::string& why) {
                           admin::CommandResult answer;
                           answer.message = "set auto_failover ok";
                           if (!ok) {
                             answer = {};
                             answer.kind = admin::CommandResult::Kind::kRefused;
                             answer.code = 304;  // set zk failed
                             answer.error = "set zk failed";
                             answer.hint = "ZooKeeper answered: " + why;
                           }
                           done(std::move(answer));
                         });
}

}  // namespace failoverd
