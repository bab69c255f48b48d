// Whether this daemon may change anything now, and if not, what it stands back for (SAFETY 14): the
// lock and its lease, a nameserver that lives, the switch, what has not been read yet. Owned by the
// brain; the parts that decide ask it.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/core/api/event.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/durable/number_block.h"

namespace failoverd::core {

// Why nothing is changed now; the label values of failoverd_stands_back{reason}.
struct StandsBack {
  // "shadow", "nameserver", "nameserver_ops", "standby", "zookeeper", "not_read", "numbering"; of
  // an Obstacle: "no_cluster", "refused", "epoch".
  std::string reason;
  std::string text;                   // One sentence: why, and what lifts it.
  std::optional<Instant> since = {};  // None: since before the first event.
};

class StandBack {
 public:
  StandBack(const Model& model, Outbox& outbox, const NumberBlock& op_ids)
      : model_(model), outbox_(outbox), op_ids_(op_ids) {}

  // --- Facts
  void lock_gained(std::int64_t epoch);
  void lock_lost();
  // ZooKeeper has answered: the lease reaches so far.
  void contact_made(Instant fresh_until) { fresh_until_ = std::max(fresh_until_, fresh_until); }
  void cluster_was_read() { cluster_read_ = true; }
  void nameservers_listed(const std::vector<std::string>& endpoints);
  void nameserver_answered(const NameserverAnswered&);
  void nameserver_ops_read(const NameserverOpsRead& e);
  // In a new session the nameserver has to be heard anew: it may have been switched on meanwhile.
  void connected(const ZookeeperConnected& e);
  void obstacle(const Obstacle&);
  // True: the switch stands otherwise than it did, or was read for the first time.
  bool switch_was_read(const SwitchRead&);

  // --- What follows from them
  // Something may be changed now. While auto_failover is off, only what has been begun.
  bool may_change() const;
  // The lock is held, and ZooKeeper has answered freshly.
  bool has_lease() const { return active_ && outbox_.now < fresh_until_; }
  // The lock is held, its lease is fresh, and nothing stands in the way; numbers may be reserved.
  bool may_reserve() const;
  // Not yet, or not at this moment: fresh contact with ZooKeeper, something that is being read,
  // numbers for ops, or the certainty that a nameserver has no op are all that is missing.
  bool may_soon_change() const;
  std::vector<StandsBack> reasons(Instant now) const;
  // What in ZooKeeper keeps this daemon from acting; empty: nothing does.
  const std::map<std::string, std::string>& obstacles() const { return obstacles_; }
  // Says it once when what stands in the way is another than before.
  void note();
  // The nameserver that keeps the metadata, so that nothing is written beside it; none: none does.
  std::optional<std::string> nameserver() const;
  // An op of its own that runs on this partition; null: none does.
  const NameserverOp* nameserver_op(const TableShape& table, std::uint32_t pid) const;
  // What it said last; null: it has not been asked yet, or there is none.
  const NameserverAnswered* nameserver_said() const;

  // All that are registered, the leading one first; one may be there several times.
  const std::vector<std::string>& nameservers() const { return nameservers_; }

  bool active() const { return active_; }  // The lock is held.
  std::int64_t epoch() const { return epoch_; }
  bool auto_failover() const { return auto_failover_; }
  bool switch_read() const { return switch_read_; }
  const std::string& switched_by() const { return switched_by_; }
  bool cluster_read() const { return cluster_read_; }

 private:
  void note_switch(bool was_read, bool was) const;
  void add_nameserver(std::vector<StandsBack>& why) const;

  const Model& model_;
  Outbox& outbox_;
  const NumberBlock& op_ids_;
  bool active_ = false;
  std::int64_t epoch_ = 0;
  Instant fresh_until_;
  bool auto_failover_ = false;
  bool switch_read_ = false;
  std::string switched_by_;
  bool cluster_read_ = false;
  bool nameservers_read_ = false;
  std::vector<std::string> nameservers_;
  std::optional<NameserverAnswered> nameserver_said_;        // Of the first one.
  std::optional<std::vector<NameserverOp>> nameserver_ops_;  // That run; none: not read yet.
  std::map<std::string, std::string> obstacles_;             // Texts, by reason.
  std::string noted_;                                        // What note() said last.
  std::map<std::string, Instant> since_;                     // By reason.
};

}  // namespace failoverd::core
