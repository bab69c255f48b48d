// Numbers that are given out once, in blocks: terms from the cluster's own counter, op ids from
// ours. A counter of terms that is of no use gives none, because everybody counts there (SAFETY 4);
// op ids go on with the clock's, because a list's numbers must not stop a failover. Owned by
// ZnodeStore; one thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/lifetime.h"
#include "lib/base/loop.h"
#include "lib/core/api/command.h"
#include "lib/core/api/event.h"
#include "lib/fedb/wire/paths.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

// A decimal number and nothing else; none: it is none, or above 2^64.
std::optional<std::uint64_t> number_in(const std::string& text);

class NumberZnodes {
 public:
  using Tell = std::function<void(core::Event)>;
  // Sends what it is given behind the epoch check, whose result is the first.
  using Multi = std::function<void(std::vector<zookeeper::Op>, zookeeper::Client::MultiDone)>;

  NumberZnodes(Loop& loop, zookeeper::Client& session, Paths paths, Multi multi, Tell tell);

  // One line about a counter's znode that is of no use. Must be set.
  std::function<void(const std::string&)> on_warning;

  // We act now.
  void begin(const core::LockGained& left);
  // Answered by one TermsReserved or OpIdsReserved.
  void reserve_terms(const core::ReserveTerms& command);
  void reserve_op_ids(const core::ReserveOpIds& command);

  // We do not act any more.
  void end() { highest_term_ = 0; }
  // The highest term that was reserved since we act; 0: none was.
  core::Term highest_term() const { return highest_term_; }

 private:
  void watch_terms();
  void raise_again(const std::string& value, std::int32_t version);

  struct Counter {
    std::string path;
    std::uint64_t least = 0;  // The value is taken as at least this.
    std::uint64_t above = 0;
    std::uint64_t count = 0;
    bool is_ours = false;  // Nobody else counts there.
    // ok, first, last.
    std::function<void(bool, std::uint64_t, std::uint64_t)> done;
  };
  void raise(Counter counter);
  void raised_from(const Counter& counter, bool exists, const std::string& value,
                   std::int32_t version);
  void raise_to(const Counter& counter, zookeeper::Op op, std::uint64_t last);
  void from_the_clock(const Counter& counter, const std::string& why);
  std::uint64_t clock_number() const;
  void complain(const std::string& line);
  void failed_later(std::function<void()> tell);

  Loop& loop_;
  zookeeper::Client& session_;
  const Paths paths_;
  const Multi multi_;
  Tell tell_;
  core::Term highest_term_ = 0;
  bool terms_watched_ = false;
  core::OpId highest_op_id_ = 0;  // That is known to have been given out.
  std::string complaint_;         // The latest: said once, not at every attempt.
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
