#include "lib/fedb/metadata/number_znodes.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include "lib/core/durable/number_block.h"
#include "lib/fedb/leadership/obstacles.h"

namespace failoverd::fedb {
namespace {

using zookeeper::Code;
using zookeeper::Op;
using zookeeper::OpResult;
using zookeeper::Stat;

constexpr auto kTellFailureAfter = std::chrono::milliseconds{100};

// What is kept of ours and is above that is garbage, and must not use up all numbers.
constexpr std::uint64_t kCredible = core::NumberBlock::kHighest / 2;

core::OpId highest_op_id(const core::LockGained& left) {
  core::OpId highest = 0;
  const auto look_at = [&](core::OpId id) {
    if (id < kCredible) highest = std::max(highest, id);
  };
  for (const core::BegunOp& op : left.begun) look_at(op.id);
  for (const core::FinishedOps& finished : left.finished) {
    for (const core::OpRecord& op : finished.ops) look_at(op.id);
  }
  return highest;
}

}  // namespace

std::optional<std::uint64_t> number_in(const std::string& text) {
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return n;
}

NumberZnodes::NumberZnodes(Loop& loop, zookeeper::Client& session, Paths paths, Multi multi,
                           Tell tell)
    : loop_(loop),
      session_(session),
      paths_(std::move(paths)),
      multi_(std::move(multi)),
      tell_(std::move(tell)) {}

void NumberZnodes::begin(const core::LockGained& left) {
  highest_term_ = 0;
  terms_watched_ = false;  // That of an earlier session never fires.
  highest_op_id_ = highest_op_id(left);
}

void NumberZnodes::failed_later(std::function<void()> tell) {
  loop_.after(kTellFailureAfter, lifetime_.guard(std::move(tell)));
}

void NumberZnodes::reserve_terms(const core::ReserveTerms& command) {
  raise({paths_.term(), 0, command.above, command.count, /*is_ours=*/false, paths_.term_index(),
         [this, id = command.id](bool ok, std::uint64_t first, std::uint64_t last) {
           if (ok) terms_are_ours_up_to(last);
           tell_(core::TermsReserved{id, ok, first, last});
         }});
}

// A block of none.
void NumberZnodes::raise_terms(core::Term least, std::function<void(bool)> done) {
  const std::uint64_t above = std::max(std::min(least, core::kHighestTerm), highest_term_);
  raise({paths_.term(), 0, above, 0, /*is_ours=*/false, paths_.term_index(),
         [this, done = std::move(done)](bool ok, std::uint64_t, std::uint64_t last) {
           if (ok) terms_are_ours_up_to(last);
           done(ok);
         }});
}

void NumberZnodes::terms_are_ours_up_to(core::Term last) {
  highest_term_ = std::max(highest_term_, last);
  watch_terms_again();
}

// A nameserver counts in its memory and writes that: below what was reserved, whoever comes after
// us would give terms out twice (SAFETY 4).
void NumberZnodes::watch_terms() {
  terms_watched_ = true;
  session_.get(paths_.term(),
               lifetime_.guard([this](Code code, const std::string& value, const Stat& stat) {
                 if (code == Code::kOk) return raise_again(value, stat.version);
                 terms_watched_ = false;  // The next reservation watches anew.
                 if (code == Code::kUnknown) failed_later([this] { watch_terms_again(); });
               }),
               lifetime_.guard([this] {
                 terms_watched_ = false;
                 watch_terms_again();
               }));
}

void NumberZnodes::watch_terms_again() {
  if (highest_term_ != 0 && !terms_watched_) watch_terms();
}

// With the mark, which tells that the write is ours; it may have been deleted, or be refused.
void NumberZnodes::raise_again(const std::string& value, std::int32_t version, bool with_mark) {
  const auto now = number_in(value);
  if (!now || *now >= highest_term_) return;
  const std::string next = std::to_string(highest_term_);
  std::vector<Op> ops{Op::set(paths_.term(), next, version)};
  if (with_mark) ops.push_back(Op::set(paths_.term_index(), next, -1));
  multi_(std::move(ops),
         [this, value, version, with_mark](Code code, const std::vector<OpResult>& results) {
           if (code == Code::kOk) return;
           // Met another version: it is watched, and read.
           if (code == Code::kUnknown) return failed_later([this] { watch_terms(); });
           const Code mark = with_mark && results.size() > 2 ? results[2].code : Code::kNotApplied;
           if (mark != Code::kNotApplied && mark != Code::kOk) raise_again(value, version, false);
         });
}

void NumberZnodes::reserve_op_ids(const core::ReserveOpIds& command) {
  raise({paths_.op_index(), core::kFirstOpId - 1, 0, command.count, /*is_ours=*/true, "",
         [this, id = command.id](bool ok, std::uint64_t first, std::uint64_t last) {
           if (ok) highest_op_id_ = last;
           tell_(core::OpIdsReserved{id, ok, first, last});
         }});
}

// Both are asked at once, and are answered in this order.
void NumberZnodes::raise(Counter counter) {
  const auto mark = std::make_shared<Seen>();
  if (!counter.mark.empty()) {
    session_.get(counter.mark,
                 lifetime_.guard([mark](Code code, const std::string& value, const Stat& stat) {
                   *mark = {code, value, stat.version};
                 }));
  }
  session_.get(
      counter.path,
      lifetime_.guard([this, counter, mark](Code code, const std::string& value, const Stat& stat) {
        if (code == Code::kOk || code == Code::kNoNode) {
          return raised_from(counter, {code, value, stat.version}, *mark);
        }
        if (counter.is_ours && Obstacles::is_refusal(code)) {
          return from_the_clock(counter,
                                std::string{"cannot be read: "} + zookeeper::to_text(code));
        }
        failed_later([counter] { counter.done(false, 0, 0); });
      }));
}

// The number in a znode, whose absence is 0; none: what stands there is none up to `most`, and is
// named, with what follows.
std::optional<std::uint64_t> NumberZnodes::number_of(const std::string& path, const Seen& seen,
                                                     std::uint64_t most, const char* then) {
  if (seen.code != Code::kOk || seen.value.empty()) return 0;
  const auto number = number_in(seen.value);
  if (number && *number <= most) return number;
  complain(path, "\"" + seen.value.substr(0, 40) + "\" is not a decimal number of at most " +
                     std::to_string(most) + "; " + then);
  return std::nullopt;
}

// A znode of ours that somebody has broken must not stop a failover.
std::optional<std::uint64_t> NumberZnodes::marked(Counter& counter, const Seen& mark) {
  if (Obstacles::is_refusal(mark.code)) {
    complain(counter.mark, std::string{"cannot be read: "} + zookeeper::to_text(mark.code) +
                               "; terms that were given out before are not known by it");
    counter.mark.clear();
  } else if (mark.code != Code::kOk && mark.code != Code::kNoNode) {
    return std::nullopt;
  }
  return number_of(counter.mark, mark, kCredible, "it is written anew").value_or(0);
}

void NumberZnodes::raised_from(Counter counter, const Seen& seen, const Seen& mark) {
  auto now = number_of(counter.path, seen, core::NumberBlock::kHighest,
                       counter.is_ours ? "goes on with numbers from the clock"
                                       : "no number is given out until it is");
  if (!now && counter.is_ours) now = clock_number();
  const auto given_out = now ? marked(counter, mark) : now;
  if (!given_out) return failed_later([counter] { counter.done(false, 0, 0); });
  const std::uint64_t last =
      std::max({*now, counter.least, counter.above, *given_out}) + counter.count;
  if (counter.count == 0 && last == *now) return counter.done(true, last, last);
  const auto written = [&](const std::string& path, const Seen& before) {
    const std::string next = std::to_string(last);
    return before.code == Code::kOk ? Op::set(path, next, before.version) : Op::create(path, next);
  };
  std::vector<Op> ops{written(counter.path, seen)};
  if (!counter.mark.empty()) ops.push_back(written(counter.mark, mark));
  raise_to(counter, std::move(ops), last);
}

void NumberZnodes::raise_to(const Counter& counter, std::vector<Op> ops, std::uint64_t last) {
  multi_(std::move(ops), [this, counter, last](Code code, const std::vector<OpResult>& results) {
    if (code == Code::kOk) return counter.done(true, last - counter.count + 1, last);
    const auto is_refused = [&](std::size_t op) {
      return results.size() > op && Obstacles::is_refusal(results[op].code);
    };
    if (counter.is_ours && is_refused(1)) {
      return from_the_clock(counter, "cannot be written: " + results[1].word);
    }
    if (is_refused(2)) {
      complain(counter.mark, "cannot be written: " + results[2].word +
                                 "; a successor will not know by it which terms were given out");
      Counter without = counter;
      without.mark.clear();
      return raise(std::move(without));
    }
    failed_later([counter] { counter.done(false, 0, 0); });  // The brain asks again.
  });
}

// Nobody counts like a clock in microseconds, so these numbers are not given out twice though none
// is written. A list's numbers must not stop a failover.
void NumberZnodes::from_the_clock(const Counter& counter, const std::string& why) {
  complain(counter.path, why + "; goes on with numbers from the clock");
  const std::uint64_t above = std::max(clock_number(), counter.least);
  counter.done(true, above + 1, above + counter.count);
}

std::uint64_t NumberZnodes::clock_number() const {
  const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(loop_.wall_now_ms(), 0));
  return std::max(ms * 1000, highest_op_id_);
}

void NumberZnodes::complain(const std::string& path, const std::string& what) {
  if (std::exchange(complaints_[path], what) != what) on_warning(path + ": " + what);
}

}  // namespace failoverd::fedb
