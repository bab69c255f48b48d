// What a successor must know of elections that are under way (SAFETY 3, 5, 8): kept in ZooKeeper,
// one znode for all elections that begin together. Writing goes on beside the elections and never
// holds one up.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lib/core/api/event.h"
#include "lib/core/api/outbox.h"
#include "lib/core/durable/write_pace.h"

namespace failoverd::core {

class ElectionRecords {
 public:
  explicit ElectionRecords(Outbox& outbox) : outbox_(outbox) {}

  // A new tenure: what predecessors left, and the epoch that names our own.
  void start(std::int64_t epoch, const std::vector<ElectionRecord>& left);
  void stop();

  // The partition's followers are being probed with this term; restart: they had to be loaded.
  void begun(PartitionKey at, Term probe_term, bool restart);
  // Whether ZooKeeper knows that this election has begun, with its present term.
  bool is_written(PartitionKey at) const;
  // This replica is being told to lead.
  void may_lead(PartitionKey at, const MayLead& replica);
  // Its election is published, or the partition is gone.
  void done(PartitionKey at);

  // Writes what changed in this step; one write at a time per record.
  void flush();
  void answered(const ReplyTo&, bool ok);

 private:
  struct Entry {
    ElectionRecord record;
    bool dirty = false;
    bool writing = false;
    bool written = false;  // It exists in ZooKeeper.
    Instant begun_at;
    std::uint64_t number = 0;
    // Rises with every election that begins; up to which one it is sent, and written.
    std::uint64_t version = 0;
    std::uint64_t sent_version = 0;
    std::uint64_t written_version = 0;
  };
  // Where an election of ours is recorded.
  struct Place {
    std::uint64_t number = 0;
    std::uint64_t version = 0;
  };

  BegunElection* find(PartitionKey at, Entry** in);

  Outbox& outbox_;
  std::int64_t epoch_ = 0;
  std::uint64_t last_number_ = 0;
  WritePace pace_{outbox_, ReplyTo::Owner::kRecords};
  std::map<std::uint64_t, Entry> entries_;  // By number.
  std::map<PartitionKey, Place> entry_of_;  // Our own elections.
};

}  // namespace failoverd::core
