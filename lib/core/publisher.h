// Metadata changes that are ready, in as few multis as possible: whatever becomes ready together
// goes out together, merged per table, compare-and-set. A table that met another version is read
// again and its changes are decided anew; it holds up no other table. Owned by the brain.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/core/desk.h"
#include "lib/core/event.h"
#include "lib/core/model.h"

namespace failoverd::core {

// Who wants something published: an election or an operation.
class Publishing {
 public:
  virtual ~Publishing() = default;
  // What to change, given the rows as they are now. None: nothing is left to change (it is there
  // already, or the partition is gone); the op is told published() or gone().
  virtual std::optional<PartitionEdit> edit(OpId, const Partition&) = 0;
  virtual void published(OpId) = 0;
  virtual void gone(OpId, const std::string& why) = 0;  // No such partition any more.
};

class Publisher {
 public:
  Publisher(Model& model, Desk& desk) : model_(model), desk_(desk) {}

  void stop();
  void want(OpId op, PartitionKey at, Publishing& by);
  void forget(OpId op) { wishes_.erase(op); }
  // Sends what is ready. `more_coming`: elections are about to add to it; wait for them, a little.
  void flush(bool more_coming);
  void answered(const Route&, const Published&);
  void timer() { timer_set_ = false; }
  // Partitions whose rows changed by a publish; the brain takes them.
  std::set<PartitionKey> changed;

 private:
  struct Wish {
    PartitionKey at;
    Publishing* by = nullptr;
    Instant since;
    bool in_flight = false;
  };
  struct Flight {
    std::vector<TableEdit> tables;
    std::vector<OpId> wishes;
  };

  // What goes out together, and what turned out to be there already.
  struct Load {
    std::map<std::string, TableEdit> tables;
    Flight flight;
    std::size_t bytes = 0;
    std::vector<OpId> there_already;
  };
  bool collect(OpId, Wish&, Load&);
  void apply(const Flight&);
  void land(const std::vector<OpId>&);

  Model& model_;
  Desk& desk_;
  std::map<OpId, Wish> wishes_;
  std::map<std::uint64_t, Flight> flights_;  // By number.
  std::set<std::string> tables_in_flight_;
  std::uint64_t last_flight_ = 0;
  bool timer_set_ = false;
  std::optional<Instant> not_before_;
};

}  // namespace failoverd::core
