// SAFETY 22: which tables ZooKeeper does not take, and when each is tried again. A table whose
// publish was refused, is too long for a request, or seems not to be ours to write is left alone:
// nothing of it is published and none of its elections begin until a trial, which changes nothing,
// has shown that ZooKeeper takes it. No other table waits for it. Also what the servers' limit for
// one request is, as far as it is known. Owned by the brain.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/core/api/event.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/durable/write_pace.h"

namespace failoverd::core {

class Refusals {
 public:
  Refusals(Model& model, Outbox& outbox) : model_(model), outbox_(outbox) {}

  void start();  // The lock is held: what has been read is judged.
  void stop();   // It is lost: the successor finds out for itself.
  // The table is another one than it was: what was refused may be taken now.
  void table_read(Table&);
  // Tries tables that are to be tried now, one after the other; call while we may change things.
  void look();
  void tried(const TableTried&);

  // What an election of this table waits for before its first probe; empty: nothing. `under_way`:
  // elections of the same table whose results have to fit beside it.
  std::string holds(Table&, std::size_t under_way);
  // What the table is left alone for: "ZooKeeper to take ...", with its word.
  static std::string waits_for(const Table&);

  // --- For the publisher
  // Length of a multi that publishes so many partitions of this table, at most.
  std::size_t length(const Table&, std::size_t partitions) const;
  // Of several tables in one multi.
  std::size_t longest_together() const;
  // `rows`: by so much rows that are added make it longer.
  bool fits(const Table& table, std::size_t partitions, std::size_t rows = 0) const {
    return length(table, partitions) + rows <= longest();
  }
  void too_long(Table&);
  void refused(const Refused&);
  void taken(const std::vector<Table*>&);
  // The connection was lost while this multi was under way.
  void lost(const std::vector<Table*>&, std::size_t length);
  // Whatever is lost again and again is sent without company, so that it harms nobody else and is
  // known to be what was lost.
  static bool goes_alone(const Table& table) { return table.lost >= 2; }

  // Partitions of tables that are left alone from now on, or are not any more; the brain takes
  // them.
  std::set<PartitionKey> changed;

 private:
  std::size_t longest() const;
  void judge(Table&);
  void suspect(Table&, RefusalReason, const std::string& why);
  void refuse(Table&, const Refused&);
  void take(Table&);
  void try_at(const Table&, Instant);
  std::optional<std::size_t> length_to_try(const Table&) const;
  void passed(std::size_t length);
  void did_not_pass(std::size_t length);
  void not_tried(Table&);
  void mark(const Table&);
  std::string too_long_text(const Table&) const;

  Model& model_;
  Outbox& outbox_;
  std::size_t passes_ = 0;                 // Requests of this length are known to pass.
  std::optional<std::size_t> dies_;        // One of this length cost a connection ...
  Instant died_at_;                        // ... the last time then.
  std::optional<std::size_t> lost_;        // A multi of this length was lost, for whatever reason.
  std::map<std::string, Instant> trials_;  // By znode: when.
  bool trying_ = false;
  WritePace pace_{outbox_, ReplyTo::Owner::kRefusals};
};

}  // namespace failoverd::core
