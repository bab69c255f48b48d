#include "lib/core/guards/stand_back.h"

#include <algorithm>
#include <utility>

namespace failoverd::core {

void StandBack::lock_gained(std::int64_t epoch) {
  active_ = true;
  epoch_ = epoch;
  outbox_.note(Severity::kInfo, "lock", "this daemon is active, epoch " + std::to_string(epoch),
               {{"epoch", std::to_string(epoch)}});
}

void StandBack::lock_lost() {
  active_ = false;
  fresh_until_ = {};
}

void StandBack::nameservers_listed(const std::vector<std::string>& endpoints) {
  nameservers_ = endpoints;
  nameservers_read_ = true;
  if (nameserver_said_ && (endpoints.empty() || nameserver_said_->endpoint != endpoints.front())) {
    nameserver_said_.reset();
  }
}

void StandBack::nameserver_answered(const NameserverAnswered& e) {
  if (!nameservers_.empty() && nameservers_.front() == e.endpoint) nameserver_said_ = e;
}

void StandBack::obstacle(const Obstacle& e) {
  if (e.text.empty()) {
    obstacles_.erase(e.reason);
  } else {
    obstacles_[e.reason] = e.text;
  }
}

std::optional<std::string> StandBack::nameserver() const {
  if (nameservers_.empty() || outbox_.policy.metadata != Metadata::kAuto) return std::nullopt;
  return nameservers_.front();
}

const NameserverAnswered* StandBack::nameserver_said() const {
  return nameserver_said_ ? &*nameserver_said_ : nullptr;
}

void StandBack::nameserver_ops_read(const NameserverOpsRead& e) { nameserver_ops_ = e.running; }

void StandBack::connected(const ZookeeperConnected& e) {
  if (!e.new_session) return;
  nameserver_said_.reset();
  nameserver_ops_.reset();
}

const NameserverOp* StandBack::nameserver_op(const TableShape& table, std::uint32_t pid) const {
  if (!nameserver() || !nameserver_ops_) return nullptr;  // Or they are of one that is gone.
  const auto op = std::ranges::find_if(*nameserver_ops_, [&](const NameserverOp& o) {
    return o.pid == pid && o.table == table.name && o.db == table.db;
  });
  return op == nameserver_ops_->end() ? nullptr : &*op;
}

// Two drivers must never steer one cluster.
void StandBack::add_nameserver(std::vector<StandsBack>& why) const {
  const auto lives = nameserver();
  if (!lives) return;
  if (!nameserver_said_ || !nameserver_ops_) {
    why.push_back({"not_read", "nameserver " + *lives + " lives and has not been asked yet"});
  } else if (nameserver_said_->auto_failover) {
    const bool is_known = nameserver_said_->state == NameserverAnswered::State::kLeads;
    why.push_back(
        {"nameserver", "the nameserver's auto_failover is on (" + *lives +
                           (is_known ? "); `failoverctl takeover` switches it off"
                                     : ", which does not lead yet or does not answer); waits until "
                                       "it leads, or its znode has gone")});
  } else if (nameserver_said_->drains) {
    const std::string& running = nameserver_said_->running;
    why.push_back({"nameserver_ops", running.empty()
                                         ? "makes sure that no op of nameserver " + *lives + " runs"
                                         : "waits until the ops of nameserver " + *lives +
                                               " have ended: " + running});
  }
}

bool StandBack::switch_was_read(const SwitchRead& e) {
  const bool was_read = std::exchange(switch_read_, true);
  const bool was = std::exchange(auto_failover_, e.auto_failover);
  const bool news = !was_read || was != e.auto_failover;
  switched_by_ = e.by;
  if (news) note_switch(was_read, was);
  return news;
}

void StandBack::note_switch(bool was_read, bool was) const {
  const auto text = [](bool on) { return std::string{on ? "true" : "false"}; };
  std::vector<std::pair<std::string, std::string>> fields;
  if (was_read) fields.emplace_back("old", text(was));  // At the first look nothing has changed.
  fields.emplace_back("new", text(auto_failover_));
  fields.emplace_back("by", switched_by_);
  outbox_.note(Severity::kInfo, "switch",
               "auto_failover is " + text(auto_failover_) +
                   (switched_by_.empty() ? "" : ", set by " + switched_by_),
               std::move(fields));
}

// SAFETY 14; and while somebody else steers, or nothing is known yet, nothing is changed.
bool StandBack::may_change() const {
  return active_ && cluster_read_ && switch_read_ && outbox_.now < fresh_until_ &&
         !op_ids_.empty() && reasons(outbox_.now).empty();
}

bool StandBack::may_soon_change() const {
  const auto why = reasons(outbox_.now);
  const bool no_op_is_known = nameserver_said_ && nameserver_said_->running.empty();
  return active_ && !may_change() && std::ranges::all_of(why, [&](const StandsBack& s) {
           return s.reason == "zookeeper" || s.reason == "not_read" ||
                  (s.reason == "nameserver_ops" && no_op_is_known);
         });
}

bool StandBack::may_reserve() const { return has_lease() && reasons(outbox_.now).empty(); }

std::vector<StandsBack> StandBack::reasons(Instant now) const {
  std::vector<StandsBack> why;
  if (!cluster_read_ || !nameservers_read_) {
    why.push_back({"not_read", "the cluster has not been read yet"});
  }
  if (!active_) why.push_back({"standby", "another daemon holds the lock, or nobody does yet"});
  if (active_ && now >= fresh_until_) {
    why.push_back({"zookeeper", "no fresh contact with ZooKeeper; waits for it to answer"});
    if (fresh_until_ != Instant{}) why.back().since = fresh_until_;
  }
  if (outbox_.policy.shadow) {
    why.push_back({"shadow",
                   "mode is shadow: it changes nothing, and remembers what it would have "
                   "done (failoverctl shadow report)"});
  }
  add_nameserver(why);
  if (active_ && !switch_read_) {
    why.push_back({"not_read", "the switch auto_failover has not been read yet"});
  }
  const bool none_is_read = model_.tables().empty() && !model_.unreadable().empty();
  if (cluster_read_ && none_is_read && !obstacles_.contains("numbering")) {
    const auto& [znode, what] = *model_.unreadable().begin();
    why.push_back({"numbering", "not one table can be read: " + znode + ": " + what});
  }
  for (const auto& [reason, text] : obstacles_) why.push_back({reason, text});
  for (StandsBack& s : why) {
    const auto known = since_.find(s.reason);
    if (!s.since && known != since_.end()) s.since = known->second;
  }
  return why;
}

void StandBack::note() {
  std::string all;
  std::string reason;
  std::string news;  // Of an obstacle the reason: one more znode of the same kind is no news.
  std::map<std::string, Instant> since;
  for (const StandsBack& s : reasons(outbox_.now)) {
    since.emplace(s.reason, s.since.value_or(outbox_.now));
    const bool is_obstacle = obstacles_.contains(s.reason);
    if (!s.reason.starts_with("nameserver") && s.reason != "shadow" && s.reason != "numbering" &&
        !is_obstacle)
      continue;
    all += (all.empty() ? "" : "; ") + s.text;
    news += (is_obstacle ? s.reason : s.text) + ";";
    reason = s.reason;
  }
  since_ = std::move(since);
  if (news == noted_) return;
  noted_ = news;
  if (all.empty()) {
    outbox_.note(Severity::kInfo, "stands_back", "nothing stands in the way any more");
  } else {
    outbox_.note(Severity::kWarning, "stands_back", "changes nothing: " + all,
                 {{"reason", reason}});
  }
}

}  // namespace failoverd::core
