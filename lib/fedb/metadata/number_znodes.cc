#include "lib/fedb/metadata/number_znodes.h"

#include <algorithm>
#include <charconv>
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

// Garbage must not use up all numbers.
core::OpId highest_op_id(const core::LockGained& left) {
  core::OpId highest = 0;
  const auto look_at = [&](core::OpId id) {
    if (id < core::NumberBlock::kHighest / 2) highest = std::max(highest, id);
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
  raise({paths_.term(), 0, command.above, command.count, /*is_ours=*/false,
         [this, id = command.id](bool ok, std::uint64_t first, std::uint64_t last) {
           if (ok) highest_term_ = last;
           if (ok && !terms_watched_) watch_terms();
           tell_(core::TermsReserved{id, ok, first, last});
         }});
}

// A nameserver counts in its memory and writes that: below what was reserved, whoever comes after
// us would give terms out twice (SAFETY 4).
void NumberZnodes::watch_terms() {
  terms_watched_ = true;
  session_.get(paths_.term(),
               lifetime_.guard([this](Code code, const std::string& value, const Stat& stat) {
                 if (code != Code::kOk)
                   terms_watched_ = false;  // The next reservation watches anew.
                 if (code == Code::kOk) raise_again(value, stat.version);
               }),
               lifetime_.guard([this] {
                 terms_watched_ = false;
                 if (highest_term_ != 0) watch_terms();
               }));
}

void NumberZnodes::raise_again(const std::string& value, std::int32_t version) {
  const auto now = number_in(value);
  if (!now || *now >= highest_term_) return;
  multi_({Op::set(paths_.term(), std::to_string(highest_term_), version)},
         [this](Code code, const std::vector<OpResult>&) {
           // Met another version: it is watched, and read.
           if (code == Code::kUnknown) failed_later([this] { watch_terms(); });
         });
}

void NumberZnodes::reserve_op_ids(const core::ReserveOpIds& command) {
  raise({paths_.op_index(), core::kFirstOpId - 1, 0, command.count, /*is_ours=*/true,
         [this, id = command.id](bool ok, std::uint64_t first, std::uint64_t last) {
           if (ok) highest_op_id_ = last;
           tell_(core::OpIdsReserved{id, ok, first, last});
         }});
}

void NumberZnodes::raise(Counter counter) {
  session_.get(counter.path, lifetime_.guard([this, counter](Code code, const std::string& value,
                                                             const Stat& stat) {
    if (code == Code::kOk || code == Code::kNoNode) {
      return raised_from(counter, code == Code::kOk, value, stat.version);
    }
    if (counter.is_ours && Obstacles::is_refusal(code)) {
      return from_the_clock(counter, std::string{"cannot be read: "} + zookeeper::to_text(code));
    }
    failed_later([counter] { counter.done(false, 0, 0); });
  }));
}

void NumberZnodes::raised_from(const Counter& counter, bool exists, const std::string& value,
                               std::int32_t version) {
  auto now = exists && !value.empty() ? number_in(value) : 0;
  if (!now || *now > core::NumberBlock::kHighest) {
    const std::string wrong = "\"" + value.substr(0, 40) +
                              "\" is not a decimal number of at most " +
                              std::to_string(core::NumberBlock::kHighest);
    if (!counter.is_ours) {
      complain(counter.path + ": " + wrong + "; no number is given out until it is");
      return failed_later([counter] { counter.done(false, 0, 0); });
    }
    complain(counter.path + ": " + wrong + "; goes on with numbers from the clock");
    now = clock_number();
  }
  const std::uint64_t last = std::max({*now, counter.least, counter.above}) + counter.count;
  const std::string next = std::to_string(last);
  raise_to(counter, exists ? Op::set(counter.path, next, version) : Op::create(counter.path, next),
           last);
}

void NumberZnodes::raise_to(const Counter& counter, Op op, std::uint64_t last) {
  multi_({std::move(op)}, [this, counter, last](Code code, const std::vector<OpResult>& results) {
    if (code == Code::kOk) return counter.done(true, last - counter.count + 1, last);
    const bool is_refused = results.size() > 1 && Obstacles::is_refusal(results[1].code);
    if (counter.is_ours && is_refused) {
      return from_the_clock(counter, "cannot be written: " + results[1].word);
    }
    failed_later([counter] { counter.done(false, 0, 0); });  // The brain asks again.
  });
}

// Nobody counts like a clock in microseconds, so these numbers are not given out twice though none
// is written. A list's numbers must not stop a failover.
void NumberZnodes::from_the_clock(const Counter& counter, const std::string& why) {
  complain(counter.path + ": " + why + "; goes on with numbers from the clock");
  const std::uint64_t above = std::max(clock_number(), counter.least);
  counter.done(true, above + 1, above + counter.count);
}

std::uint64_t NumberZnodes::clock_number() const {
  const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(loop_.wall_now_ms(), 0));
  return std::max(ms * 1000, highest_op_id_);
}

void NumberZnodes::complain(const std::string& line) {
  if (std::exchange(complaint_, line) != line) on_warning(line);
}

}  // namespace failoverd::fedb
