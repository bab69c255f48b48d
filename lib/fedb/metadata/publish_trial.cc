#include "lib/fedb/metadata/publish_trial.h"

#include <limits>
#include <utility>

namespace failoverd::fedb {
namespace {

using zookeeper::Client;
using zookeeper::Code;
using zookeeper::Op;
using zookeeper::OpResult;
using zookeeper::SessionState;

constexpr auto kAtMost = std::chrono::seconds{3};
constexpr int kLostForSure = 2;

std::size_t bytes_of(const std::vector<Op>& ops) {
  std::size_t bytes = 0;
  for (const Op& op : ops) bytes += op.bytes();
  return bytes;
}

// No version of a znode is another one: the last operation fails if the first does not.
Op contradiction_of(const Op& check) { return Op::check(check.path, check.version + 1); }

void append_varint(std::string& to, std::size_t n) {
  for (; n >= 0x80; n >>= 7) to += static_cast<char>(n | 0x80);
  to += static_cast<char>(n);
}

}  // namespace

// One trial, with its session.
struct PublishTrial::Run : std::enable_shared_from_this<Run> {
  Run(Loop& loop, std::unique_ptr<Client> opened, std::vector<Op> all, Done done)
      : session(std::move(opened)), deadline(loop), ops(std::move(all)), tell(std::move(done)) {}

  void start() {
    session->on_state = [self = weak_from_this()](SessionState state, bool) {
      if (const auto run = self.lock()) run->state_changed(state);
    };
    deadline.set(kAtMost, [self = weak_from_this()] {
      if (const auto run = self.lock()) run->end({});
    });
    session->start();
  }

  void state_changed(SessionState state) {
    if (over()) return close();
    if (state != SessionState::kConnected) return;
    if (lost < kLostForSure) return send();
    session->exists(ops.front().path, [self = weak_from_this()](Code code, const auto&) {
      const auto run = self.lock();
      if (run && code != Code::kUnknown) run->end({Outcome::kConnectionLost, 0, {}});
    });
  }

  void send() {
    is_asked = true;
    session->multi(ops, [self = weak_from_this()](Code code, const std::vector<OpResult>& results) {
      if (const auto run = self.lock()) run->answered(code, results);
    });
  }

  void answered(Code code, const std::vector<OpResult>& results) {
    is_asked = false;
    if (over()) return close();
    if (code == Code::kUnknown) {
      ++lost;
    } else if (code == Code::kExpired) {
      end({});
    } else {
      end(judge(results));
    }
  }

  Result judge(const std::vector<OpResult>& results) const {
    for (std::size_t i = 0; i < results.size(); ++i) {
      const Code code = results[i].code;
      if (code == Code::kOk || code == Code::kNotApplied) continue;
      const bool is_first = i == 0;  // Another epoch than ours: nothing is known.
      if (is_first) return {};
      const bool no = code == Code::kNoAuth || code == Code::kOther;
      return {no ? Outcome::kRefused : Outcome::kTaken, i, results[i]};
    }
    return {};
  }

  bool over() const { return !tell; }

  void end(const Result& result) {
    if (over()) return;
    deadline.cancel();
    std::exchange(tell, nullptr)(result);
  }

  bool hangs() const { return is_asked && session->state() == SessionState::kConnected; }
  void close() {
    if (on_close) std::exchange(on_close, nullptr)();
  }

  const std::unique_ptr<Client> session;
  std::function<void()> on_close;  // It is over, and may be destroyed.
  Timer deadline;
  const std::vector<Op> ops;
  Done tell;
  int lost = 0;
  bool is_asked = false;  // The multi is under way.
};

PublishTrial::PublishTrial(Loop& loop, zookeeper::OpenClient open)
    : loop_(loop), open_(std::move(open)) {}

PublishTrial::~PublishTrial() {
  if (run_) run_->tell = nullptr;
  for (const auto& run : hanging_) run->on_close = nullptr;
}

// The server of this one hangs; it goes when that is over.
void PublishTrial::leave(const std::shared_ptr<Run>& run) {
  hanging_.push_back(run);
  run->on_close = [this, which = run.get()] {
    std::erase_if(hanging_, [&](const auto& r) { return r.get() == which; });
  };
}

void PublishTrial::run(std::vector<Op> ops, Done done) {
  if (run_) run_->end({});
  ops.push_back(contradiction_of(ops.front()));
  constexpr std::size_t kAnyLength = std::numeric_limits<std::size_t>::max();
  run_ = std::make_shared<Run>(loop_, open_(kAnyLength), std::move(ops),
                               [this, done = std::move(done)](const Result& result) {
                                 const auto ended = std::exchange(run_, nullptr);
                                 if (ended->hangs()) leave(ended);
                                 done(result);
                               });
  run_->start();
}

std::size_t PublishTrial::fill_up(std::vector<Op>& ops, std::size_t which, std::size_t bytes) {
  // The highest field number there is, length-delimited.
  static const std::string kTag = "\xfa\xff\xff\xff\x0f";
  constexpr std::size_t kShortestLength = 1;  // With a longer one it becomes longer than asked for.
  const std::size_t own = bytes_of(ops) + contradiction_of(ops.front()).bytes();
  if (own + kTag.size() + kShortestLength < bytes) {
    const std::size_t more = bytes - own - kTag.size() - kShortestLength;
    std::string& value = ops[which].value;
    value += kTag;
    append_varint(value, more);
    value.append(more, 'x');
  }
  return bytes_of(ops) + contradiction_of(ops.front()).bytes();
}

}  // namespace failoverd::fedb
