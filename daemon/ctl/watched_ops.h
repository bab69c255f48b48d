// The ops that a command has begun, and those that follow them, as the daemon lists them: which
// have ended, how, and what to show of the others. Asks nobody and prints nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/result.h"

namespace failoverd::ctl {

// One row of GET /api/v1/ops.
struct ListedOp {
  std::uint64_t id = 0;
  std::string type;
  std::string partition;  // "shop.flow/3".
  std::string endpoint;   // Empty: it is about all replicas.
  std::string status;
  std::string task;    // Empty: at none.
  std::string detail;  // May be empty.
  std::optional<double> progress;
  // Of one that changed a leader: milliseconds without one, entries that may be lost, at least.
  std::optional<std::uint64_t> without_leader = {};
  std::optional<std::uint64_t> may_have_lost = {};
  bool loss_is_exact = false;  // It cannot be more than that.
  std::string json;            // The row itself.
};

// A failure: the text is not such a list.
Result<std::vector<ListedOp>> listed_ops(const std::string& json);

class WatchedOps {
 public:
  // Which op follows another one that is done. kReplica: what a replica needs follows the
  // kRecoverTableOP that found it out. kPartition: all that its partition does next; a tablet that
  // goes offline hands over first, and one that leads again is recovered before. There a handover
  // that failed is replaced by the daemon's next try, and a row's end that was canceled by the
  // handover that has to come first. kNothing: only these ops count.
  enum class Followed : std::uint8_t { kReplica, kPartition, kNothing };

  WatchedOps(const std::vector<std::uint64_t>& ids, Followed followed);

  // Only ops with higher ids have to be listed.
  std::uint64_t after() const { return after_; }
  // What the active daemon lists now. Call it until all have ended.
  void take(const std::vector<ListedOp>& listed);
  // All of them, and what follows has had time to come.
  bool have_ended() const;
  bool are_all_done() const;
  // However they ended; not those that are no longer listed.
  bool are_all_over() const;

  // A line for each whose status, task or tenth of its way has changed since this was called last.
  std::vector<std::string> news();
  // How far they are, at most so many lines of so many letters.
  std::vector<std::string> view(std::size_t most_lines, std::size_t width) const;
  // Those that ended otherwise than well and were not replaced, a line each; of few ops the leader
  // changes, too.
  std::vector<std::string> outcomes() const;
  // "8 ops done, 0 failed". Those that were replaced are counted as that only.
  std::string summary() const;
  // "rows lost: 0, longest pause: 28 ms"; empty where no leader was changed. "none known" instead
  // of 0 where an old leader did not say itself that it held no more.
  std::string what_it_cost() const;
  // The rows of all, a JSON list.
  std::string json() const;

 private:
  struct Op {
    ListedOp row;
    bool is_listed = false;
    bool is_followed = false;
    std::string told;
  };
  // So often the daemon may list ops without one of these before it is given up, or before nothing
  // is expected to follow any more.
  static constexpr int kPatienceForLost = 50;
  static constexpr int kPatienceForNext = 5;

  static constexpr std::size_t kFew = 20;

  static bool has_ended(const Op& op);
  bool may_be_followed(const Op& op) const;
  bool follows(const ListedOp& row, const Op& before) const;
  // It did not end well, and another one does its work: what counts is how that one ends.
  static bool is_replaced(const Op& op);
  std::size_t count(const std::string& status) const;
  std::size_t replaced() const;
  std::size_t lost() const;
  // `done`: "8 ops".
  std::string counted(std::string done) const;

  const Followed followed_;
  std::uint64_t after_ = 0;

  std::map<std::uint64_t, Op> ops_;
  int unchanged_ = 0;  // Lists in a row that brought nothing new.
};

}  // namespace failoverd::ctl
