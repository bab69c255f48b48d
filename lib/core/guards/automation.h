// Whether failoverd acts on a partition by itself: by the switch, by what operators hold, and by
// what recoverdata has put into its care. Owned by the brain; the parts that decide ask it.
#pragma once

#include <set>

#include "lib/core/guards/operator_holds.h"
#include "lib/core/guards/stand_back.h"

namespace failoverd::core {

class Automation {
 public:
  Automation(const Model& model, const OperatorHolds& holds, const StandBack& stand_back)
      : model_(model), holds_(holds), stand_back_(stand_back) {}

  bool acts_on(PartitionKey at) const {
    return (stand_back_.auto_failover() || in_care_.contains(at)) && !is_prepared(at);
  }
  // The switch is on, or something is in its care.
  bool acts_at_all() const { return stand_back_.auto_failover() || !in_care_.empty(); }

  // What keeps it from an election, from setting this replica's row, or from bringing it back;
  // null: nothing does.
  const OperatorHold* held(PartitionKey at, TabletIndex tablet) const {
    return in_care_.contains(at) ? nullptr : holds_.on(at, tablet);
  }
  // What keeps it from bringing this replica back. A tablet that is offline stays so in its care,
  // too.
  const OperatorHold* kept_away(PartitionKey at, TabletIndex tablet) const {
    const OperatorHold* offline = holds_.offline(model_.tablet(tablet).endpoint);
    return offline ? offline : held(at, tablet);
  }

  // An operator has taken that tablet offline.
  bool is_offline(TabletIndex tablet) const {
    return holds_.offline(model_.tablet(tablet).endpoint) != nullptr;
  }

  // An operator's rows come first: until then nothing is decided from those that are there.
  void prepare(PartitionKey at) { prepared_.insert(at); }
  bool is_prepared(PartitionKey at) const { return prepared_.contains(at); }
  // It is brought to health, whatever the switch and holds say.
  void take_care(PartitionKey at) {
    prepared_.erase(at);
    in_care_.insert(at);
  }
  void release(PartitionKey at) {
    prepared_.erase(at);
    in_care_.erase(at);
  }

 private:
  const Model& model_;
  const OperatorHolds& holds_;
  const StandBack& stand_back_;
  std::set<PartitionKey> prepared_;
  std::set<PartitionKey> in_care_;
};

}  // namespace failoverd::core
