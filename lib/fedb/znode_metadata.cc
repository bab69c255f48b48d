#include "lib/fedb/znode_metadata.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <optional>
#include <utility>

namespace failoverd::fedb {
namespace {

using zookeeper::Code;
using zookeeper::Op;
using zookeeper::OpResult;
using zookeeper::Stat;

constexpr auto kTellFailureAfter = std::chrono::milliseconds{100};

std::optional<std::uint64_t> number_in(const std::string& text) {
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return n;
}

}  // namespace

struct ZnodeMetadata::Written {
  std::string znode;
  std::string value;
  std::int32_t version = 0;  // Compared with.
};

ZnodeMetadata::ZnodeMetadata(boost::asio::io_context& io, zookeeper::Session& session, Paths paths,
                             Numbering numbering, ClusterView& view, Throne& throne, Tell tell)
    : io_(io),
      session_(session),
      paths_(std::move(paths)),
      numbering_(numbering),
      view_(view),
      throne_(throne),
      tell_(std::move(tell)) {}

ZnodeMetadata::~ZnodeMetadata() { *alive_ = false; }

void ZnodeMetadata::failed_later(std::function<void()> tell) {
  auto timer = std::make_shared<boost::asio::steady_timer>(io_, kTellFailureAfter);
  timer->async_wait(
      guarded([timer, tell = std::move(tell)](const boost::system::error_code&) { tell(); }));
}

// Every multi begins with the epoch check: result 0 is the check's.
void ZnodeMetadata::multi(std::vector<Op> ops, zookeeper::Session::MultiDone done) {
  ops.insert(ops.begin(), throne_.epoch_check());
  session_.multi(std::move(ops), guarded([this, done = std::move(done)](
                                             Code code, const std::vector<OpResult>& results) {
                   if (!results.empty() && results[0].code == Code::kBadVersion) {
                     throne_.epoch_is_not_ours();
                   }
                   done(code, results);
                 }));
}

// --- Tables --------------------------------------------------------------------------------------

void ZnodeMetadata::publish(const core::Publish& command) {
  using Outcome = core::Published::Outcome;
  core::Published refused{command.id, Outcome::kFailed, {}, ""};
  if (!throne_.may_change()) {
    refused.outcome = throne_.gained() ? Outcome::kFailed : Outcome::kNotHeld;
    refused.why = "no lock or no fresh contact with ZooKeeper";
  }
  std::vector<Written> written;
  std::vector<Op> ops;
  for (const core::TableEdit& edit : command.tables) {
    const TableValue* known = view_.table(edit.znode);
    if (!known || known->version != edit.version) {
      refused.outcome = Outcome::kConflict;
      refused.conflicts.push_back(edit.znode);
      continue;
    }
    auto value = apply_edit(known->value, edit, numbering_);
    if (!value) {
      refused.outcome = Outcome::kConflict;
      refused.conflicts.push_back(edit.znode);
      refused.why = value.error().text;
      continue;
    }
    ops.push_back(Op::set(paths_.at(edit.znode), *value, edit.version));
    written.push_back({edit.znode, std::move(*value), edit.version});
  }
  if (!throne_.may_change() || !refused.conflicts.empty()) {
    boost::asio::post(io_, guarded([this, refused] {
                        tell_(refused);
                        for (const std::string& znode : refused.conflicts) view_.read_again(znode);
                      }));
    return;
  }
  bump(ops);
  multi(std::move(ops), [this, id = command.id, written = std::move(written)](
                            Code code, const std::vector<OpResult>& results) {
    published(id, written, code, results);
  });
}

// Clients watch that it changes; what it says means nothing. Where its value is not known yet, any
// value does: tablets and clients compare nothing.
void ZnodeMetadata::bump(std::vector<Op>& ops) {
  ops.push_back(Op::set(paths_.notify(), std::to_string(++notify_), -1));
}

void ZnodeMetadata::published(core::RequestId id, const std::vector<Written>& written, Code code,
                              const std::vector<OpResult>& results) {
  using Outcome = core::Published::Outcome;
  core::Published told{id, Outcome::kFailed, {}, zookeeper::to_text(code)};
  if (code == Code::kOk) {
    for (const Written& w : written) view_.written(w.znode, w.value, w.version + 1);
    told.outcome = Outcome::kDone;
    told.why.clear();
    tell_(std::move(told));
    return;
  }
  if (code == Code::kUnknown || code == Code::kExpired) {
    told.outcome = Outcome::kUnknown;
  } else if (!results.empty() && results[0].code == Code::kBadVersion) {
    told.outcome = Outcome::kNotHeld;
  } else {
    for (std::size_t i = 0; i < written.size() && i + 1 < results.size(); ++i) {
      const Code c = results[i + 1].code;
      if (c == Code::kBadVersion || c == Code::kNoNode) told.conflicts.push_back(written[i].znode);
    }
    if (!told.conflicts.empty()) told.outcome = Outcome::kConflict;
    if (results.size() > written.size() + 1 && results.back().code == Code::kNoNode) {
      session_.ensure_path(paths_.notify(), [](Code) {});
    }
  }
  const auto again = told.conflicts;
  const bool unknown = told.outcome == Outcome::kUnknown;
  tell_(std::move(told));
  for (const std::string& znode : again) view_.read_again(znode);
  if (!unknown) return;
  for (const Written& w : written) view_.read_again(w.znode);
}

// --- Numbers that are given out once
// --------------------------------------------------------------

void ZnodeMetadata::reserve_terms(const core::ReserveTerms& command) {
  if (notify_ == 0) read_notify();
  raise({paths_.term(), 0, command.above, command.count,
         [this, id = command.id](bool ok, std::uint64_t first, std::uint64_t last) {
           tell_(core::TermsReserved{id, ok, first, last});
         }});
}

void ZnodeMetadata::read_notify() {
  session_.get(paths_.notify(), guarded([this](Code code, const std::string& value, const Stat&) {
                 if (code == Code::kNoNode) session_.ensure_path(paths_.notify(), [](Code) {});
                 if (code == Code::kOk) notify_ = std::max(notify_, number_in(value).value_or(0));
               }));
}

void ZnodeMetadata::reserve_op_ids(const core::ReserveOpIds& command) {
  raise({paths_.op_index(), core::kFirstOpId - 1, 0, command.count,
         [this, id = command.id](bool ok, std::uint64_t first, std::uint64_t last) {
           tell_(core::OpIdsReserved{id, ok, first, last});
         }});
}

void ZnodeMetadata::raise(Counter counter) {
  session_.get(counter.path,
               guarded([this, counter](Code code, const std::string& value, const Stat& stat) {
                 if (code != Code::kOk && code != Code::kNoNode) {
                   failed_later([counter] { counter.done(false, 0, 0); });
                   return;
                 }
                 raised_from(counter, code == Code::kOk, value, stat.version);
               }));
}

void ZnodeMetadata::raised_from(const Counter& counter, bool exists, const std::string& value,
                                std::int32_t version) {
  const auto now = exists && !value.empty() ? number_in(value) : 0;
  if (!now) {
    const std::string line = counter.path + ": \"" + value.substr(0, 40) +
                             "\" is not a decimal number; no number is given out until it is";
    if (std::exchange(complaint_, line) != line) complain(line);
    failed_later([counter] { counter.done(false, 0, 0); });
    return;
  }
  const std::uint64_t first = std::max({*now, counter.least, counter.above}) + 1;
  const std::uint64_t last = first + counter.count - 1;
  const std::string next = std::to_string(last);
  multi({exists ? Op::set(counter.path, next, version) : Op::create(counter.path, next)},
        [this, counter, first, last](Code code, const std::vector<OpResult>&) {
          if (code == Code::kOk) return counter.done(true, first, last);
          failed_later([counter] { counter.done(false, 0, 0); });  // The brain asks again.
        });
}

// --- Records -------------------------------------------------------------------------------------

void ZnodeMetadata::write_record(const core::WriteRecord& command) {
  const std::string path = paths_.elections() + "/" + command.record.name;
  const std::string bytes = to_bytes(command.record);
  const auto told = [this, id = command.id](bool ok) {
    if (ok) return tell_(core::RecordWritten{id, true});
    failed_later([this, id] { tell_(core::RecordWritten{id, false}); });
  };
  multi({Op::create(path, bytes)}, [this, path, bytes, told](Code code, const auto& results) {
    if (code == Code::kOk) return told(true);
    if (results.size() < 2 || results[1].code != Code::kNodeExists) return told(false);
    multi({Op::set(path, bytes, -1)}, [told](Code c, const auto&) { told(c == Code::kOk); });
  });
}

void ZnodeMetadata::drop_record(const core::DropRecord& command) {
  multi({Op::remove(paths_.elections() + "/" + command.name, -1)},
        [this, id = command.id](Code code, const auto& results) {
          const bool gone = results.size() > 1 && results[1].code == Code::kNoNode;
          if (code == Code::kOk || gone) return tell_(core::RecordWritten{id, true});
          failed_later([this, id] { tell_(core::RecordWritten{id, false}); });
        });
}

}  // namespace failoverd::fedb
