#include "daemon/status_source.h"

#include <algorithm>
#include <map>
#include <utility>

#include "lib/admin/active_daemon.h"
#include "lib/base/boot_clock.h"

namespace failoverd {
namespace {

using core::Condition;
using core::TabletState;

constexpr std::size_t kMostWrong = 200;  // Partitions named in `status`; the rest is counted.
constexpr std::size_t kMostHolds = 200;  // The same.

std::string hex(std::int64_t id) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(id));
  return text;
}

// 0 for what lies in the future.
std::uint64_t to_ms(Duration d) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(d.count(), 0) / 1000);
}

std::uint64_t age(Instant since) { return to_ms(boot_now() - since); }

std::string diagnosis_word(Condition c) {
  std::string word = core::to_text(c);
  std::replace(word.begin(), word.end(), ' ', '_');
  return word;
}

std::vector<admin::Count> counts_of(const std::map<std::string, std::uint64_t>& by_word) {
  std::vector<admin::Count> counts;
  counts.reserve(by_word.size());
  for (const auto& [word, count] : by_word) counts.push_back({word, count});
  return counts;
}

int badness(const std::string& state) {
  if (state == "leaderless") return 0;
  if (state == "held") return 1;
  if (state == "recovering") return 2;
  return 3;
}

}  // namespace

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
    if (!t.evidence.registered && t.hosts.empty()) continue;
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

void StatusSource::list_wrong(admin::StatusView& view) const {
  std::map<core::PartitionKey, std::vector<core::Hold::Lost>> holds;
  for (const core::Hold& h : driver_.brain().holds()) holds[h.at] = h.waits_for;
  for (const auto& [tid, table] : driver_.brain().model().tables()) {
    for (const auto& [pid, p] : table.partitions) {
      const std::string state = partition_state(p);
      if (state == "healthy") continue;
      admin::PartitionRow row;
      row.name = table.shape.name;
      row.db = table.shape.db;
      row.pid = pid;
      row.state = state;
      row.diagnosis = diagnosis_word(p.diagnosis.condition);
      row.text = p.diagnosis.what;
      row.waits_for = p.diagnosis.waits_for;
      row.since_ms = wall(p.since);
      if (const auto held = holds.find({tid, pid}); held != holds.end()) {
        row.waits_for = core::to_text(held->second);
      }
      view.wrong.push_back(std::move(row));
    }
  }
  view.wrong_total = view.wrong.size();
  std::stable_sort(view.wrong.begin(), view.wrong.end(), [](const auto& a, const auto& b) {
    return badness(a.state) < badness(b.state);
  });
  if (view.wrong.size() > kMostWrong) view.wrong.resize(kMostWrong);
}

void StatusSource::list_holds(admin::StatusView& view) const {
  const std::vector<core::Hold> holds = driver_.brain().holds();
  view.holds_total = holds.size();
  for (const core::Hold& h : holds) {
    if (view.holds.size() == kMostHolds) return;
    const core::Table* table = driver_.brain().model().table(h.at.tid);
    admin::HoldRow row;
    row.word = h.reason;
    row.text = h.text;
    row.since_ms = wall(h.since);
    if (h.until) row.until_ms = wall(*h.until);
    row.lifted_by = h.lifted_by;
    if (table) {
      row.name = table->shape.name;
      row.db = table->shape.db;
    }
    row.pid = h.at.pid;
    for (const core::Hold::Lost& l : h.waits_for) {
      row.waits_for.push_back({l.tablet, l.entries, l.loads});
    }
    view.holds.push_back(std::move(row));
  }
}

void StatusSource::list_left_alone(admin::StatusView& view) const {
  for (const auto& [tid, table] : driver_.brain().model().tables()) {
    if (!table.refusal || !table.refusal->is_known) continue;
    const core::Refusal& r = *table.refusal;
    view.left_alone.push_back({table.shape.name, table.shape.db,
                               config_.cluster.root + "/" + table.shape.znode,
                               core::to_text(r.reason), r.why, wall(r.since)});
  }
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
  return view;
}

admin::StatusView StatusSource::status() {
  const core::Brain& brain = driver_.brain();
  admin::StatusView view;
  view.version = FAILOVERD_VERSION;
  view.name = driver_.name();
  const admin::Readiness ready = readiness();
  view.ready = ready.ready;
  view.ready_reason = ready.reason;
  view.active = brain.active();
  view.holder = holder();
  view.epoch = static_cast<std::uint64_t>(brain.epoch());
  view.zookeeper_connected = !driver_.zookeeper_away_since();
  view.zookeeper = config_.cluster.zookeeper;
  if (driver_.session().session_id() != 0) view.session = hex(driver_.session().session_id());
  view.session_timeout_ms =
      static_cast<std::uint64_t>(driver_.session().negotiated_timeout().count() / 1000);
  view.cluster_root = config_.cluster.root;
  view.auto_failover = switch_view();
  for (const core::StandsBack& s : brain.stands_back(boot_now())) {
    if (s.reason == "standby") continue;
    view.stands_back.push_back({s.reason, s.text, s.since ? wall(*s.since) : started_ms_});
  }
  view.tablets = tablet_counts();
  view.partitions = partition_counts();
  view.tables = brain.model().tables().size();
  list_wrong(view);
  list_holds(view);
  for (const auto& [znode, why] : brain.model().unreadable()) {
    view.unreadable.push_back(
        {znode.substr(znode.rfind('/') + 1), config_.cluster.root + "/" + znode, why});
  }
  list_left_alone(view);
  for (core::TabletIndex i = 0; i < brain.model().tablet_count(); ++i) {
    const core::Tablet& t = brain.model().tablet(i);
    if (t.verdict.state != TabletState::kStranger || t.hosts.empty()) continue;
    view.strangers.push_back({t.endpoint, t.verdict.why, wall(t.since)});
  }
  for (const core::WouldDo& w : brain.would_do()) {
    view.would_do.push_back(w.partition + ": " + w.text);
  }
  for (const auto& [id, op] : brain.ops().running()) view.running.push_back(op_row(op));
  view.config = reload;
  view.started_ms = started_ms_;
  return view;
}

std::vector<admin::TabletRow> StatusSource::tablets() {
  const core::Model& model = driver_.brain().model();
  std::vector<admin::TabletRow> rows;
  for (core::TabletIndex i = 0; i < model.tablet_count(); ++i) {
    const core::Tablet& t = model.tablet(i);
    if (!t.evidence.registered && t.hosts.empty()) continue;
    admin::TabletRow row;
    row.endpoint = t.endpoint;
    row.state = core::to_text(t.verdict.state);
    const bool answers =
        t.verdict.state == TabletState::kHealthy || t.verdict.state == TabletState::kRestarted;
    const bool asked = driver_.brain().active();
    row.shown =
        (asked ? answers || (t.verdict.state == TabletState::kUnknown && t.evidence.registered)
               : t.evidence.registered)
            ? "kTabletHealthy"
            : "kTabletOffline";
    row.age_ms = age(t.since);
    row.startup = t.startup;
    if (t.evidence.registered) row.incarnation = hex(t.incarnation);
    if (t.evidence.last_answer) row.last_answer_age_ms = age(*t.evidence.last_answer);
    row.detail = t.verdict.why;
    rows.push_back(std::move(row));
  }
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.endpoint < b.endpoint; });
  return rows;
}

void StatusSource::tables(const admin::TableFilter& filter,
                          std::function<void(std::vector<admin::ReplicaRow>)> done) {
  std::vector<std::uint32_t> tids;
  for (const auto& [tid, table] : driver_.brain().model().tables()) {
    if (filter.matches(table.shape.name, table.shape.db)) tids.push_back(tid);
  }
  const Instant asked_at = boot_now();
  driver_.ask_status(std::move(tids), [this, filter, asked_at, done = std::move(done)] {
    done(replica_rows(filter, driver_.brain().active() ? asked_at : boot_now()));
  });
}

std::vector<admin::ReplicaRow> StatusSource::replica_rows(const admin::TableFilter& filter,
                                                          Instant asked_at) const {
  const core::Model& model = driver_.brain().model();
  std::vector<admin::ReplicaRow> rows;
  for (const auto& [tid, table] : model.tables()) {
    if (!filter.matches(table.shape.name, table.shape.db)) continue;
    const fedb::TableValue* value = driver_.view().table(table.shape.znode);
    for (const auto& [pid, p] : table.partitions) {
      for (const core::Replica& r : p.replicas) {
        admin::ReplicaRow row;
        row.name = table.shape.name;
        row.db = table.shape.db;
        row.tid = tid;
        row.pid = pid;
        row.endpoint = model.tablet(r.tablet).endpoint;
        row.is_leader = r.is_leader;
        row.is_alive = r.is_alive;
        if (value) {
          row.ttl = value->details.ttl;
          row.ttl_type = value->details.ttl_type;
          row.compress_type = value->details.compress_type;
        }
        if (r.report.asked_at) {
          row.offset = r.report.offset;
          row.record_cnt = r.report.record_cnt;
          row.memused = r.report.record_bytes;
          row.offset_age_ms = to_ms(asked_at - r.report.heard_at.value_or(*r.report.asked_at));
        }
        rows.push_back(std::move(row));
      }
    }
  }
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return std::tie(a.db, a.name, a.pid, a.endpoint) < std::tie(b.db, b.name, b.pid, b.endpoint);
  });
  return rows;
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
  return row;
}

std::vector<admin::OpRow> StatusSource::ops(const std::optional<std::string>& name,
                                            std::optional<std::uint32_t> pid) {
  std::vector<admin::OpRow> rows;
  const auto add = [&](const core::OpRecord& op) {
    if ((!name || op.table == *name) && (!pid || op.at.pid == *pid)) rows.push_back(op_row(op));
  };
  for (const core::OpRecord& op : driver_.brain().ops().ended()) add(op);
  for (const auto& [id, op] : driver_.brain().ops().running()) add(op);
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.op_id < b.op_id; });
  return rows;
}

std::vector<admin::ConfRow> StatusSource::conf() {
  return {{"auto_failover", driver_.brain().auto_failover() ? "true" : "false"}};
}

std::vector<admin::EventRow> StatusSource::events(std::uint64_t since, std::size_t limit) {
  return events_.since(since, limit);
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
  if (!driver_.brain().cluster_read()) {
    r.reason = away ? "waits for ZooKeeper at " + config_.cluster.zookeeper
                    : "the cluster below " + config_.cluster.root + " has not been read yet";
    r.cluster_unread = r.reason;
  } else if (away && boot_now() - *away > session) {
    r.reason = "ZooKeeper at " + config_.cluster.zookeeper + " has been away for " +
               std::to_string(age(*away) / 1000) + " s";
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
  for (const core::StandsBack& s : brain.stands_back(boot_now())) {
    if (s.reason != "standby") line += "; " + s.text;
  }
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
  for (const core::StandsBack& s : brain.stands_back(boot_now())) {
    if (s.reason != "standby") now.stands_back.push_back(s.reason);
  }
  std::map<std::string, std::uint64_t> holds;
  for (const core::Hold& h : brain.holds()) ++holds[h.reason];
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
  if (request.name != "confset") {
    result.kind = admin::CommandResult::Kind::kUnknown;
    result.error = "no such command: " + request.name;
    result.hint = "there is confset";
    done(std::move(result));
    return;
  }
  if (!driver_.brain().active()) {
    result.kind = admin::CommandResult::Kind::kStandby;
    result.active = holder();
    done(std::move(result));
    return;
  }
  confset(request, std::move(done));
}

void StatusSource::confset(const admin::CommandRequest& request,
                           std::function<void(admin::CommandResult)> done) {
  const auto argument = [&](const char* name) {
    const auto found = request.args.find(name);
    return found == request.args.end() ? std::string{} : found->second;
  };
  const std::string key = argument("key");
  const std::string value = argument("value");
  if (key != "auto_failover") {
    return done(admin::bad_arguments("the only key is auto_failover, not \"" + key + "\""));
  }
  if (value != "true" && value != "false") {
    return done(admin::bad_arguments("auto_failover is true or false, not \"" + value + "\""));
  }
  const std::string by = (request.who.empty() ? "somebody" : request.who) + " from " + request.from;
  driver_.switched().set(value == "true", by,
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
