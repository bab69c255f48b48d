// Metadata changes that are ready, in as few multis as possible: whatever becomes ready together
// goes out together, merged per table, compare-and-set. A table that met another version is read
// again and its changes are decided anew; one that ZooKeeper does not take is left alone. Neither
// holds up another table (SAFETY 22). Owned by the brain.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/core/api/event.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/durable/refusals.h"
#include "lib/core/durable/write_pace.h"

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
  // ZooKeeper does not take its table: it is published when it does, if it is wanted still.
  virtual void refused(OpId, const std::string& /*why*/) {}
  // It could not be written, and is tried again.
  virtual void waits(OpId, const std::string& /*why*/) {}
};

class Publisher {
 public:
  Publisher(Model& model, Outbox& outbox, Refusals& refusals)
      : model_(model), outbox_(outbox), refusals_(refusals) {}

  void stop();
  // Who waits for it: clients for a new leader, nobody for a follower's row.
  enum class Urgency : std::uint8_t { kClientsWait, kNobodyWaits };
  void want(OpId op, PartitionKey at, Publishing& by, Urgency urgency);
  void forget(OpId op);
  bool wants(OpId op) const { return wishes_.contains(op); }  // It is not published yet.
  bool publishes(PartitionKey at) const;  // Somebody wants something of it published.
  // How far elections are that will add to what is ready.
  enum class ElectionProgress : std::uint8_t { kNone, kUnderWay, kAboutToEnd };
  // Sends what is ready, or waits for elections, a little: for those that are about to end so that
  // theirs goes along, and with what nobody waits for so that it does not go in front of theirs.
  void flush(ElectionProgress elections);
  void published(const ReplyTo&, const Published&);
  // Whoever wants to publish something of a table that is left alone is told.
  void tell_refused(const std::string& znode);
  // Partitions whose rows changed by a publish; the brain takes them.
  std::set<PartitionKey> changed;

 private:
  struct Wish {
    PartitionKey at;
    Publishing* by = nullptr;
    Instant since;
    Urgency urgency{};
    bool in_flight = false;
  };
  struct Flight {
    std::vector<TableEdit> tables;
    std::vector<OpId> wishes;
    std::size_t bytes = 0;
    bool alone = false;  // Nothing else is sent beside it.
  };

  // What goes out together, and what turned out to be there already.
  struct Load {
    std::map<std::string, TableEdit> tables;
    Flight flight;
    std::vector<OpId> there_already;
  };
  // Ready: it is not in flight.
  void becomes_ready(OpId, const Wish&);
  void no_longer_ready(OpId, const Wish&);
  std::optional<Instant> when_to_send(ElectionProgress) const;
  bool is_left_alone(const Table&, const PartitionEdit&) const;
  void complete(PartitionKey, const TableEdit* beside, PartitionEdit&) const;
  void name_published(TableEdit&) const;
  enum class Room : std::uint8_t { kLeft, kNone };  // For more of this table.
  Room collect(OpId, Wish&, Load&);
  void collect(std::uint32_t tid, Load&);
  void add(Load&, const Table&, PartitionEdit);
  void collect_all(Load&);
  Load next_load();
  bool send();
  std::vector<Table*> tables_of(const Flight&);
  void refused(const Published&);
  void lost(const Flight&, bool by_nameserver);
  void failed(const std::string& why);
  void apply(const Flight&);
  void keep(const Flight&, bool all);
  void land(const std::vector<OpId>&);

  Model& model_;
  Outbox& outbox_;
  Refusals& refusals_;
  std::map<OpId, Wish> wishes_;
  // Those that are ready: by table, and by what they wait for, the oldest first.
  std::map<std::uint32_t, std::set<OpId>> ready_;
  std::set<std::pair<Instant, OpId>> clients_wait_;
  std::set<std::pair<Instant, OpId>> nobody_waits_;
  std::map<std::uint64_t, Flight> flights_;  // By number.
  std::set<std::string> tables_in_flight_;
  std::uint64_t last_flight_ = 0;
  WritePace pace_{outbox_, ReplyTo::Owner::kPublisher};
  int lost_in_a_row_ = 0;
  bool alone_next_ = false;             // It is the turn of one that goes alone.
  std::optional<Instant> fails_since_;  // Whatever is published.
  std::string why_failed_;              // Has been said.
};

}  // namespace failoverd::core
