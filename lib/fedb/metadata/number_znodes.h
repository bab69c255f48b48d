// Numbers that are given out once, in blocks: terms from the cluster's own counter, op ids from
// ours. A counter of terms that is of no use gives none, because everybody counts there (SAFETY 4);
// op ids go on with the clock's, because a list's numbers must not stop a failover. A nameserver
// counts terms in its memory and may write less than we have given out, also while no daemon acts:
// so a mark of our own rises with them. Owned by ZnodeStore; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
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
  // Raises table/term to `least`, and to all that was ever given out by us, where it is lower: a
  // nameserver that reads it from then on counts above those. done(ok), once.
  void raise_terms(core::Term least, std::function<void(bool ok)> done);

  // We do not act any more.
  void end() { highest_term_ = 0; }
  // The highest term that was reserved, or that table/term was raised to, since we act; 0: none.
  core::Term highest_term() const { return highest_term_; }

 private:
  void terms_are_ours_up_to(core::Term last);
  void watch_terms();
  void watch_terms_again();
  void raise_again(const std::string& value, std::int32_t version, bool with_mark = true);

  struct Counter {
    std::string path;
    std::uint64_t least = 0;  // The value is taken as at least this.
    std::uint64_t above = 0;
    std::uint64_t count = 0;
    bool is_ours = false;  // Nobody else counts there.
    std::string mark;      // Ours: the highest number that was given out. Empty: none is kept.
    // ok, first, last.
    std::function<void(bool, std::uint64_t, std::uint64_t)> done;
  };
  // A znode as it was read.
  struct Seen {
    zookeeper::Code code = zookeeper::Code::kNoNode;
    std::string value;
    std::int32_t version = 0;
  };
  void raise(Counter counter);
  void raised_from(Counter counter, const Seen& seen, const Seen& mark);
  std::optional<std::uint64_t> number_of(const std::string& path, const Seen&, std::uint64_t most,
                                         const char* then);
  // Takes the mark away from a counter whose mark cannot be read. None: to be read again.
  std::optional<std::uint64_t> marked(Counter& counter, const Seen& mark);
  void raise_to(const Counter& counter, std::vector<zookeeper::Op> ops, std::uint64_t last);
  void from_the_clock(const Counter& counter, const std::string& why);
  std::uint64_t clock_number() const;
  void complain(const std::string& path, const std::string& what);
  void failed_later(std::function<void()> tell);

  Loop& loop_;
  zookeeper::Client& session_;
  const Paths paths_;
  const Multi multi_;
  Tell tell_;
  core::Term highest_term_ = 0;
  bool terms_watched_ = false;
  core::OpId highest_op_id_ = 0;  // That is known to have been given out.
  // By znode the latest: said once, not at every attempt.
  std::map<std::string, std::string> complaints_;
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
