// The lists of StatusSource. None costs more than its page: what is beyond is counted, not copied.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "daemon/shadow_totals.h"
#include "daemon/status_source.h"
#include "lib/base/boot_clock.h"

namespace failoverd {
namespace {

using core::TabletState;

int badness(const std::string& state) {
  if (state == "leaderless") return 0;
  if (state == "held") return 1;
  if (state == "recovering") return 2;
  return 3;
}

std::string diagnosis_word(core::Condition c) {
  std::string word = core::to_text(c);
  std::replace(word.begin(), word.end(), ' ', '_');
  return word;
}

std::uint64_t age(Instant since) { return in_ms(boot_now() - since); }

// What a znode is called in its parent.
std::string last_of(const std::string& znode) { return znode.substr(znode.rfind('/') + 1); }

// The first `limit` of these in order, and how many there are.
template <class T, class Less>
void keep_first(std::vector<T>& all, std::size_t limit, Less less) {
  if (all.size() > limit) {
    std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(limit), all.end(),
                     less);
    all.resize(limit);
  }
  std::sort(all.begin(), all.end(), less);
}

// One replica where it stands in the model.
struct Place {
  std::uint32_t tid = 0;
  const core::Table* table = nullptr;
  std::uint32_t pid = 0;
  const core::Replica* replica = nullptr;
};

using Tables = std::vector<std::pair<std::uint32_t, const core::Table*>>;

auto name_of(const core::Table& table) { return std::tie(table.shape.db, table.shape.name); }

Tables tables_in_order(const core::Model& model, const admin::TableFilter& filter) {
  Tables tables;
  for (const auto& [tid, table] : model.tables()) {
    if (filter.matches(table.shape.name, table.shape.db)) tables.emplace_back(tid, &table);
  }
  std::sort(tables.begin(), tables.end(), [](const auto& a, const auto& b) {
    return std::tuple(name_of(*a.second), a.first) < std::tuple(name_of(*b.second), b.first);
  });
  return tables;
}

// The replicas of one partition in the order of their endpoints.
std::vector<const core::Replica*> replicas_in_order(const core::Model& model,
                                                    const core::Partition& partition) {
  std::vector<const core::Replica*> replicas;
  replicas.reserve(partition.replicas.size());
  for (const core::Replica& r : partition.replicas) replicas.push_back(&r);
  std::sort(replicas.begin(), replicas.end(), [&](const auto* a, const auto* b) {
    return model.tablet(a->tablet).endpoint < model.tablet(b->tablet).endpoint;
  });
  return replicas;
}

admin::ListPage<Place> page_of(const core::Model& model, const admin::TablesAsked& asked) {
  admin::ListPage<Place> page;
  for (const auto& [tid, table] : tables_in_order(model, asked.filter)) {
    const auto& after = asked.after;
    const bool is_passed = after && name_of(*table) < std::tie(after->db, after->name);
    const bool is_cut = after && name_of(*table) == std::tie(after->db, after->name);
    for (const auto& [pid, p] : table->partitions) {
      page.total += p.replicas.size();
      if (is_passed || page.more || (is_cut && pid < after->pid)) continue;
      for (const core::Replica* r : replicas_in_order(model, p)) {
        if (is_cut && pid == after->pid && model.tablet(r->tablet).endpoint <= after->endpoint) {
          continue;
        }
        page.more = page.rows.size() == asked.limit;
        if (page.more) break;
        page.rows.push_back({tid, table, pid, r});
      }
    }
  }
  return page;
}

}  // namespace

void StatusSource::list_wrong(admin::StatusView& view) const {
  struct Wrong {
    core::PartitionKey at;
    const core::Table* table = nullptr;
    const core::Partition* partition = nullptr;
    std::string state;
  };
  std::vector<Wrong> all;
  for (const auto& [tid, table] : driver_.brain().model().tables()) {
    for (const auto& [pid, p] : table.partitions) {
      std::string state = partition_state(p);
      if (state != "healthy") all.push_back({{tid, pid}, &table, &p, std::move(state)});
    }
  }
  view.wrong_total = all.size();
  keep_first(all, kMostInStatus, [](const Wrong& a, const Wrong& b) {
    return std::tuple(badness(a.state), a.at) < std::tuple(badness(b.state), b.at);
  });
  // An op says what it is waiting for, such as a replica that would not lead.
  std::map<core::PartitionKey, std::string> ops;
  for (const auto& [id, op] : driver_.brain().ops().running()) {
    if (!op.detail.empty()) ops[op.at] = op.detail;
  }
  std::map<core::PartitionKey, std::string> holds;
  for (const core::Hold& h : driver_.brain().holds()) {
    holds[h.at] = h.waits_for.empty() ? h.lifted_by : core::to_text(h.waits_for);
  }
  for (Wrong& each : all) {
    admin::PartitionRow row;
    row.name = each.table->shape.name;
    row.db = each.table->shape.db;
    row.pid = each.at.pid;
    row.state = std::move(each.state);
    row.diagnosis = diagnosis_word(each.partition->diagnosis.condition);
    row.text = each.partition->diagnosis.what;
    row.waits_for = each.partition->diagnosis.waits_for;
    row.since_ms = wall(each.partition->since);
    if (const auto held = holds.find(each.at); held != holds.end()) {
      row.waits_for = held->second;
    } else if (const auto op = ops.find(each.at); op != ops.end()) {
      row.waits_for = op->second;
    }
    view.wrong.push_back(std::move(row));
  }
}

void StatusSource::list_holds(admin::StatusView& view) const {
  const std::vector<core::Hold> holds = driver_.brain().holds();
  const std::vector<core::OperatorHold> ordered = driver_.brain().operator_holds();
  view.holds_total = holds.size() + ordered.size();
  for (const core::OperatorHold& h : ordered) {
    if (view.holds.size() == kMostInStatus) return;
    admin::HoldRow& row = view.holds.emplace_back();
    row.word = "operator";
    row.text = core::to_text(h);
    row.since_ms = wall(h.since);
    if (h.until) row.until_ms = wall(*h.until);
    row.lifted_by = h.offline ? "failoverctl recoverendpoint " + h.tablet
                              : "failoverctl hold remove " + std::to_string(h.id);
    row.name = h.table;
    row.db = h.db;
    row.id = h.id;
    row.what = core::held_text(h) + (h.offline ? ", offline" : "");
    row.by = h.by;
    row.why = h.reason;
  }
  for (const core::Hold& h : holds) {
    if (view.holds.size() == kMostInStatus) return;
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

void StatusSource::list_recovery(admin::StatusView& view) const {
  const core::DataLookState& look = driver_.brain().data_look();
  view.data_look = {look.number, look.by, look.replicas, look.still, {}, look.not_loaded.size()};
  for (const std::string& line : look.not_loaded) {
    if (view.data_look.not_loaded.size() == kMostInStatus) break;
    view.data_look.not_loaded.push_back(line);
  }
  const core::DataRecoveryState& now = driver_.brain().data_recovery();
  view.data_recovery = {now.number, now.by, now.partitions, now.healthy, now.still, {}, 0};
  view.data_recovery.left_total = now.left.size();
  for (const std::string& line : now.left) {
    if (view.data_recovery.left.size() == kMostInStatus) return;
    view.data_recovery.left.push_back(line);
  }
}

void StatusSource::list_left_alone(admin::StatusView& view) const {
  const core::Model& model = driver_.brain().model();
  const std::string root = config_.cluster.root + "/";
  view.unreadable_total = model.unreadable().size();
  for (const auto& [znode, why] : model.unreadable()) {
    if (view.unreadable.size() == kMostInStatus) break;
    view.unreadable.push_back({last_of(znode), root + znode, why});
  }
  for (const auto& [tid, table] : model.tables()) {
    if (!table.refusal || !table.refusal->is_known) continue;
    if (++view.left_alone_total > kMostInStatus) continue;
    const core::Refusal& r = *table.refusal;
    view.left_alone.push_back({table.shape.name, table.shape.db, root + table.shape.znode,
                               core::to_text(r.reason), r.why, wall(r.since)});
  }
}

void StatusSource::list_strangers(admin::StatusView& view) const {
  const core::Model& model = driver_.brain().model();
  for (core::TabletIndex i = 0; i < model.tablet_count(); ++i) {
    const core::Tablet& t = model.tablet(i);
    if (t.verdict.state != TabletState::kStranger || t.hosts.empty()) continue;
    if (++view.strangers_total > kMostInStatus) continue;
    view.strangers.push_back({t.endpoint, t.verdict.why, wall(t.since)});
  }
}

void StatusSource::list_ops(admin::StatusView& view) const {
  for (const core::WouldDo& w : driver_.brain().would_do()) {
    if (++view.would_do_total > kMostInStatus) continue;
    view.would_do.push_back(w.partition + ": " + w.text);
  }
  const auto& running = driver_.brain().ops().running();
  view.running_total = running.size();
  for (const auto& [id, op] : running) {
    if (view.running.size() == kMostInStatus) return;
    view.running.push_back(op_row(op));
  }
}

// The newest ones; the totals are of all.
void StatusSource::list_shadow(admin::StatusView& view) const {
  const core::Shadow* shadow = driver_.brain().shadow();
  view.shadow = shadow != nullptr;
  if (!shadow) return;
  const auto& all = shadow->failovers();
  view.shadow_total = all.size();
  view.shadow_totals = shadow_totals(all);
  const auto cut = std::min(all.size(), kMostInStatus);
  for (auto one = all.end() - static_cast<std::ptrdiff_t>(cut); one != all.end(); ++one) {
    admin::ShadowRow& row = view.shadow_failovers.emplace_back();
    row.partition = one->partition;
    row.why = one->why;
    row.leader = one->leader;
    row.candidate = one->candidate;
    row.led_by = one->led_by;
    row.lost_ms = wall(one->lost);
    row.decided_after_ms = in_ms(one->decided - one->lost);
    if (one->led) row.led_after_ms = in_ms(*one->led - one->lost);
    row.would_lose = one->would_lose;
    row.lost_entries = one->lost_entries;
  }
}

admin::TabletRow StatusSource::tablet_row(const core::Tablet& t) const {
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
  if (t.evidence.registered) row.incarnation = in_hex(t.incarnation);
  if (t.evidence.last_answer) row.last_answer_age_ms = age(*t.evidence.last_answer);
  row.detail = t.verdict.why;
  return row;
}

admin::ListPage<admin::TabletRow> StatusSource::tablets(const std::string& after,
                                                        std::size_t limit) {
  const core::Model& model = driver_.brain().model();
  admin::ListPage<admin::TabletRow> page;
  std::vector<const core::Tablet*> all;
  for (core::TabletIndex i = 0; i < model.tablet_count(); ++i) {
    const core::Tablet& t = model.tablet(i);
    if (!t.is_of_cluster()) continue;
    ++page.total;
    if (t.endpoint > after) all.push_back(&t);
  }
  page.more = all.size() > limit;
  keep_first(all, limit, [](const auto* a, const auto* b) { return a->endpoint < b->endpoint; });
  for (const core::Tablet* t : all) page.rows.push_back(tablet_row(*t));
  return page;
}

void StatusSource::tables(const admin::TablesAsked& asked, std::function<void(ReadTables)> done) {
  std::set<std::uint32_t> tids;
  for (const Place& place : page_of(driver_.brain().model(), asked).rows) tids.insert(place.tid);
  const Instant asked_at = boot_now();
  driver_.ask_status({tids.begin(), tids.end()}, [this, asked, asked_at, done = std::move(done)] {
    done([this, asked, asked_at] {
      return replica_rows(asked, driver_.brain().active() ? asked_at : boot_now());
    });
  });
}

std::string StatusSource::why_unreadable(const std::string& name) {
  for (const auto& [znode, why] : driver_.brain().model().unreadable()) {
    if (last_of(znode) == name) return why;
  }
  return "";
}

// Null: there is none, or it cannot be read.
const fedb::TableValue* StatusSource::table_value(const std::string& name,
                                                  const std::string& db) const {
  for (const auto& [tid, table] : driver_.brain().model().tables()) {
    if (table.shape.name != name || table.shape.db != db) continue;
    if (const auto* value = driver_.view().table(table.shape.znode)) return value;
  }
  return nullptr;
}

std::optional<admin::TableBytes> StatusSource::table_info(const std::string& name,
                                                          const std::string& db) {
  const fedb::TableValue* value = table_value(name, db);
  if (!value) return std::nullopt;
  return admin::TableBytes{value->value, value->numbering == fedb::Numbering::kOpenmldb};
}

bool StatusSource::cluster_is_openmldb() {
  return driver_.numbering().known() == fedb::Numbering::kOpenmldb;
}

std::string StatusSource::nameserver() {
  const auto& all = driver_.brain().nameservers();
  return all.empty() ? "" : all.front();
}

admin::ListPage<admin::ReplicaRow> StatusSource::replica_rows(const admin::TablesAsked& asked,
                                                              Instant asked_at) const {
  const core::Model& model = driver_.brain().model();
  const admin::ListPage<Place> places = page_of(model, asked);
  admin::ListPage<admin::ReplicaRow> page{{}, places.total, places.more};
  page.rows.reserve(places.rows.size());
  for (const auto& [tid, table, pid, replica] : places.rows) {
    const core::Replica& r = *replica;
    const fedb::TableValue* value = driver_.view().table(table->shape.znode);
    admin::ReplicaRow row;
    row.name = table->shape.name;
    row.db = table->shape.db;
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
      row.offset_age_ms = in_ms(asked_at - r.report.heard_at.value_or(*r.report.asked_at));
    }
    page.rows.push_back(std::move(row));
  }
  return page;
}

admin::ListPage<admin::OpRow> StatusSource::ops(const admin::OpsAsked& asked) {
  admin::ListPage<admin::OpRow> page;
  std::vector<const core::OpRecord*> all;
  const auto look_at = [&](const core::OpRecord& op) {
    if (asked.name && op.table != *asked.name) return;
    if (asked.db && op.db != *asked.db) return;
    if (asked.pid && op.at.pid != *asked.pid) return;
    ++page.total;
    if (op.id > asked.after) all.push_back(&op);
  };
  for (const core::OpRecord& op : driver_.brain().ops().ended()) look_at(op);
  for (const auto& [id, op] : driver_.brain().ops().running()) look_at(op);
  page.more = all.size() > asked.limit;
  keep_first(all, asked.limit, [](const auto* a, const auto* b) { return a->id < b->id; });
  for (const core::OpRecord* op : all) page.rows.push_back(op_row(*op));
  return page;
}

admin::LoggedEvents StatusSource::events(std::uint64_t since, std::size_t limit) {
  return events_.since(since, limit);
}

}  // namespace failoverd
