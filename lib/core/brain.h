// The brain: decides everything, does nothing. It is told facts and answers with commands; it has
// no clock, no I/O, no log and no thread, so that the same facts always give the same decisions.
// Its rooms:
//   Watch       what each tablet is worth: evidence, verdicts, its words; StatusQuestions: the same
//               asked anew when somebody wants to see it
//   diagnose()  what is wrong with a partition
//   Elections   kChangeLeaderOP; Operations: the ops that are lists of tasks
//   Publisher   metadata changes that are ready, in as few multis as possible
//   Blocks      terms and op ids, reserved ahead of need; Records: what a successor must know
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/core/command.h"
#include "lib/core/event.h"
#include "lib/core/hold.h"
#include "lib/core/model.h"
#include "lib/core/op_log.h"

namespace failoverd::core {

// Why nothing is changed now; the label values of failoverd_stands_back{reason}.
struct StandsBack {
  std::string reason;  // "nameserver", "standby", "zookeeper", "not_read", "numbering"
  std::string text;    // One sentence: why, and what lifts it.
  std::optional<Instant> since = {};  // None: since before the first event.
};

// With auto_failover off: what would be done.
struct WouldDo {
  PartitionKey at;
  std::string partition;  // "flow/3", "shop.flow/3".
  std::string text;
};

class Brain {
 public:
  explicit Brain(const Policy& policy);
  ~Brain();
  Brain(const Brain&) = delete;
  Brain& operator=(const Brain&) = delete;

  // The only way in. `now` never goes back.
  std::vector<Command> step(Instant now, const Event& event);

  // --- For showing. Valid until the next step.
  const Model& model() const;
  const OpLog& ops() const;
  bool active() const;         // Holds the lock.
  std::int64_t epoch() const;  // 0: never held the lock.
  bool auto_failover() const;
  bool switch_read() const;
  const std::string& switched_by() const;
  bool cluster_read() const;
  std::vector<StandsBack> stands_back(Instant now) const;
  std::vector<WouldDo> would_do() const;
  std::vector<Hold> holds() const;
  // Verdicts that turned out wrong (SAFETY 15).
  std::uint64_t needless_verdicts() const;

 private:
  struct Rooms;
  std::unique_ptr<Rooms> rooms_;
};

}  // namespace failoverd::core
