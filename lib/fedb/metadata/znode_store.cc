#include "lib/fedb/metadata/znode_store.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace failoverd::fedb {
namespace {

using zookeeper::Code;
using zookeeper::Op;
using zookeeper::OpResult;
using zookeeper::Stat;

constexpr auto kTellFailureAfter = std::chrono::milliseconds{100};

std::string finished_name(std::uint64_t number) {
  return "finished-" + std::to_string(number % core::kFinishedZnodes);
}

core::RefusalReason reason_of(const OpResult& failed) {
  return failed.code == Code::kNoAuth ? core::RefusalReason::kNoAuth : core::RefusalReason::kOther;
}

// A table's znode, and what is kept of its replicas.
core::Refused refused_for(const std::string& znode, const OpResult& failed) {
  return {znode, reason_of(failed), failed.word, false};
}
core::Refused refused_for(const std::string& znode, const OpResult& failed, std::uint32_t tid) {
  return {znode, reason_of(failed),
          "failoverd/replicas/" + std::to_string(tid) + ": " + failed.word, true};
}

}  // namespace

struct ZnodeStore::Written {
  std::string znode;
  std::string value;
  std::int32_t version = 0;  // Compared with.
};

// Its ops: the tables, then what is kept, then entries of ops that begin, then those of
// NotifyZnodes.
struct ZnodeStore::Publishing {
  struct Keeping {
    std::uint32_t tid = 0;
    TableLineages all;
    std::string znode;                 // The table's.
    std::vector<std::uint32_t> named;  // Partitions of which `published` is said.
  };
  std::vector<Op> ops;
  std::vector<Written> written;
  std::vector<std::string> tables;  // All of it, written or not.
  std::vector<Keeping> kept;
  struct Entry {
    std::string name;
    std::string znode;  // The table's.
  };
  std::vector<Entry> entries;
  bool global_variables = false;  // They are among the tables.
};

ZnodeStore::ZnodeStore(Loop& loop, zookeeper::Client& session, zookeeper::OpenClient open,
                       Paths paths, ClusterView& view, Leadership& leadership, Tell tell)
    : loop_(loop),
      session_(session),
      paths_(std::move(paths)),
      view_(view),
      leadership_(leadership),
      tell_(std::move(tell)),
      trial_(loop, std::move(open)),
      numbers_(
          loop, session, paths_,
          [this](std::vector<Op> ops, zookeeper::Client::MultiDone done) {
            multi(std::move(ops), std::move(done));
          },
          tell_),
      notify_(session, paths_) {
  numbers_.on_warning = notify_.on_warning = [this](const std::string& line) { on_warning(line); };
}

ZnodeStore::~ZnodeStore() = default;

void ZnodeStore::failed_later(std::function<void()> tell) {
  loop_.after(kTellFailureAfter, lifetime_.guard(std::move(tell)));
}

// Every multi begins with the epoch check: result 0 is the check's.
void ZnodeStore::multi(std::vector<Op> ops, zookeeper::Client::MultiDone done) {
  ops.insert(ops.begin(), leadership_.epoch_check());
  session_.multi(std::move(ops),
                 lifetime_.guard([this, done = std::move(done)](
                                     Code code, const std::vector<OpResult>& results) {
                   if (!results.empty() && results[0].code == Code::kBadVersion) {
                     leadership_.epoch_is_not_ours();
                   }
                   done(code, results);
                 }));
}

// --- Tables --------------------------------------------------------------------------------------

void ZnodeStore::begin(const core::LockGained& left) {
  kept_.clear();
  kept_znodes_.clear();
  op_znodes_.clear();
  entries_there_.clear();
  notify_.begin();
  for (const core::PartitionLineages& partition : left.kept) {
    kept_znodes_.insert(partition.at.tid);
    auto& to = kept_[partition.at.tid][partition.at.pid];
    for (const core::Lineage& k : partition.replicas) to.replicas[k.endpoint] = k;
    to.published = partition.published;
  }
  for (const core::BegunOp& op : left.begun) op_znodes_.insert(std::to_string(op.id));
  for (const core::FinishedOps& f : left.finished) op_znodes_.insert(finished_name(f.number));
  numbers_.begin(left);
  session_.ensure_path(paths_.holds(), [](Code) {});  // So that the first hold need not wait.
}

void ZnodeStore::publish(const core::Publish& command, const Told& told) {
  using Outcome = core::Published::Outcome;
  core::Published refused{command.id, Outcome::kFailed, {}, ""};
  if (!leadership_.may_change()) {
    refused.outcome = leadership_.gained() ? Outcome::kFailed : Outcome::kNotHeld;
    refused.why = "no lock or no fresh contact with ZooKeeper";
  }
  Publishing sent;
  for (const core::TableEdit& edit : command.tables) {
    sent.tables.push_back(edit.znode);
    if (edit.changes_table() && !add(edit, sent, refused)) continue;
    keep(edit, sent);
  }
  for (const auto& k : sent.kept) sent.ops.push_back(kept_op(k.tid, k.all));
  for (const core::TableEdit& edit : command.tables) add_entries(edit, sent);
  if (!leadership_.may_change() || !refused.conflicts.empty() || is_too_long(sent, refused)) {
    loop_.post(lifetime_.guard([this, refused, told] {
      told(refused);
      for (const std::string& znode : refused.conflicts) view_.read_again(znode);
    }));
    return;
  }
  if (!sent.written.empty()) notify_.bump(sent.ops, sent.global_variables);
  auto ops = std::move(sent.ops);
  table_writes_ += sent.written.empty() ? 0 : 1;
  multi(std::move(ops), [this, id = command.id, sent = std::move(sent), told](
                            Code code, const std::vector<OpResult>& results) {
    table_writes_ -= sent.written.empty() ? 0 : 1;
    published(id, sent, told, code, results);
  });
}

Op ZnodeStore::kept_op(std::uint32_t tid, const TableLineages& kept) const {
  const std::string path = paths_.replicas() + "/" + std::to_string(tid);
  std::string bytes = to_bytes(kept, leadership_.left_by_newer(path));
  return kept_znodes_.contains(tid) ? Op::set(path, std::move(bytes), -1)
                                    : Op::create(path, std::move(bytes));
}

// The brain knows lengths only about. What is longer than the session sends would be refused there
// as a whole: the longest of the tables is why.
bool ZnodeStore::is_too_long(const Publishing& sent, core::Published& refused) const {
  constexpr std::size_t kNotify = 256;
  std::size_t bytes = leadership_.epoch_check().bytes() + kNotify;
  for (const Op& op : sent.ops) bytes += op.bytes();
  if (bytes <= session_.longest_request() || sent.written.empty()) return false;
  const auto longest = std::max_element(
      sent.written.begin(), sent.written.end(),
      [](const Written& a, const Written& b) { return a.value.size() < b.value.size(); });
  refused.outcome = core::Published::Outcome::kRefused;
  refused.refused.push_back({longest->znode, core::RefusalReason::kTooLarge,
                             "its publish takes " + std::to_string(bytes) +
                                 " bytes, and ZooKeeper's servers take " +
                                 std::to_string(session_.longest_request()) + " (jute.maxbuffer)",
                             false});
  return true;
}

// False: it met another version.
bool ZnodeStore::add(const core::TableEdit& edit, Publishing& to, core::Published& refused) {
  using Outcome = core::Published::Outcome;
  const TableValue* known = view_.table(edit.znode);
  if (!known || known->version != edit.version) {
    refused.outcome = Outcome::kConflict;
    refused.conflicts.push_back(edit.znode);
    return false;
  }
  auto value = apply_edit(known->value, edit, known->numbering);
  if (!value) {
    refused.outcome = Outcome::kConflict;
    refused.conflicts.push_back(edit.znode);
    refused.why = value.error().text;
    return false;
  }
  to.ops.push_back(Op::set(paths_.at(edit.znode), *value, edit.version));
  to.written.push_back({edit.znode, std::move(*value), edit.version});
  to.global_variables = to.global_variables || known->is_global_variables;
  return true;
}

bool ZnodeStore::keeps_published(std::uint32_t tid, std::uint32_t pid) const {
  const auto table = kept_.find(tid);
  if (table == kept_.end()) return false;
  const auto partition = table->second.find(pid);
  return partition != table->second.end() && partition->second.published;
}

void ZnodeStore::keep(const core::TableEdit& edit, Publishing& to) {
  const bool any = std::any_of(edit.partitions.begin(), edit.partitions.end(),
                               [](const auto& p) { return !p.kept.empty() || p.published; });
  if (!any) return;
  TableLineages kept = kept_[edit.tid];
  std::vector<std::uint32_t> named;
  for (const core::PartitionEdit& p : edit.partitions) {
    for (const core::Lineage& k : p.kept) kept[p.pid].replicas[k.endpoint] = k;
    if (!p.published) continue;
    kept[p.pid].published = p.published->terms.empty() ? std::nullopt : p.published;
    named.push_back(p.pid);
  }
  to.kept.push_back({edit.tid, std::move(kept), edit.znode, std::move(named)});
}

void ZnodeStore::add_entries(const core::TableEdit& edit, Publishing& to) {
  for (const core::PartitionEdit& p : edit.partitions) {
    if (!p.begins) continue;
    const std::string name = std::to_string(p.begins->id);
    const std::string path = paths_.ops() + "/" + name;
    std::string bytes = to_bytes(*p.begins, clocks_of(loop_), leadership_.left_by_newer(path));
    to.ops.push_back(entries_there_.contains(name) ? Op::set(path, std::move(bytes), -1)
                                                   : Op::create(path, std::move(bytes)));
    to.entries.push_back({name, edit.znode});
    op_znodes_.insert(name);  // Whoever removes it comes behind this.
  }
}

void ZnodeStore::published(core::RequestId id, const Publishing& sent, const Told& tell, Code code,
                           const std::vector<OpResult>& results) {
  using Outcome = core::Published::Outcome;
  core::Published told{id, Outcome::kFailed, {}, zookeeper::to_text(code)};
  const bool unknown = code == Code::kUnknown || code == Code::kExpired;
  if (code == Code::kOk || unknown) {
    // What is kept of replicas is true whether its answer was lost or not.
    for (const auto& k : sent.kept) {
      kept_[k.tid] = k.all;
      for (const std::uint32_t pid : k.named) {
        if (unknown) kept_[k.tid][pid].published.reset();
      }
    }
  }
  if (code == Code::kOk) {
    for (const auto& k : sent.kept) kept_znodes_.insert(k.tid);
    for (const auto& entry : sent.entries) entries_there_.insert(entry.name);
    for (const Written& w : sent.written) view_.written(w.znode, w.value, w.version + 1);
    told.outcome = Outcome::kDone;
    told.why.clear();
    tell(std::move(told));
    return;
  }
  if (unknown) {
    told.outcome = Outcome::kUnknown;
  } else if (!results.empty() && results[0].code == Code::kBadVersion) {
    told.outcome = Outcome::kNotHeld;
  } else {
    not_published(sent, results, told);
  }
  const auto again = told.conflicts;
  tell(std::move(told));
  for (const std::string& znode : unknown ? sent.tables : again) view_.read_again(znode);
  for (const auto& k : sent.kept) {
    if (unknown) look_for_kept(k.tid);
  }
}

// Behind a sync: whether a publish that was not answered has made that znode. Else the next one of
// the table fails.
void ZnodeStore::look_for_kept(std::uint32_t tid) {
  const std::string path = paths_.replicas() + "/" + std::to_string(tid);
  session_.sync(path, [](Code) {});
  session_.exists(path, lifetime_.guard([this, tid](Code code, const Stat&) {
    if (code == Code::kOk) kept_znodes_.insert(tid);
    if (code == Code::kNoNode) kept_znodes_.erase(tid);
    if (code == Code::kUnknown) failed_later([this, tid] { look_for_kept(tid); });
  }));
}

// ZooKeeper names the first of the operations that failed, and only that one. Result 0 is the epoch
// check's.
void ZnodeStore::not_published(const Publishing& sent, const std::vector<OpResult>& results,
                               core::Published& told) {
  const auto failed = std::find_if(results.begin(), results.end(), [](const OpResult& r) {
    return r.code != Code::kOk && r.code != Code::kNotApplied;
  });
  if (failed == results.end() || failed == results.begin()) return;
  const auto op = static_cast<std::size_t>(failed - results.begin()) - 1;
  const std::size_t kept = op - sent.written.size();
  const bool is_gone = failed->code == Code::kNoNode;
  using Outcome = core::Published::Outcome;
  if (op < sent.written.size()) {
    const std::string& znode = sent.written[op].znode;
    if (is_gone || failed->code == Code::kBadVersion) {
      told.outcome = Outcome::kConflict;
      told.conflicts.push_back(znode);
    } else {
      told.outcome = Outcome::kRefused;
      told.refused.push_back(refused_for(znode, *failed));
    }
  } else if (kept < sent.kept.size()) {
    const std::uint32_t tid = sent.kept[kept].tid;
    if (failed->code == Code::kNodeExists) {
      kept_znodes_.insert(tid);
    } else if (is_gone) {  // Or its parent is: somebody tidied up by hand.
      kept_znodes_.erase(tid);
      session_.ensure_path(paths_.replicas(), [](Code) {});
    } else {
      told.outcome = Outcome::kRefused;
      told.refused.push_back(refused_for(sent.kept[kept].znode, *failed, tid));
    }
  } else if (kept < sent.kept.size() + sent.entries.size()) {
    const Publishing::Entry& entry = sent.entries[kept - sent.kept.size()];
    told.why = "failoverd/ops/" + entry.name + ": " + failed->word;
    if (failed->code == Code::kNodeExists) {  // Made by a publish whose answer was lost.
      entries_there_.insert(entry.name);
    } else if (is_gone) {  // Or its parent is: somebody tidied up by hand.
      entries_there_.erase(entry.name);
      session_.ensure_path(paths_.ops(), [](Code) {});
    } else {  // SAFETY 22: nobody else's publish waits for it.
      told.outcome = Outcome::kRefused;
      told.refused.push_back({entry.znode, reason_of(*failed), told.why, false});
    }
  } else {
    told.why = notify_.refused(kept - sent.kept.size() - sent.entries.size(), *failed);
  }
}

// --- Trials --------------------------------------------------------------------------------------

void ZnodeStore::try_table(const core::TryTable& command) {
  const TableValue* known = view_.table(command.znode);
  if (!leadership_.gained() || !known || known->version != command.version) {
    loop_.post(lifetime_.guard([this, command] {
      table_tried(command, 0, {PublishTrial::Outcome::kUnknown, {}, {}});
    }));
    return;
  }
  const auto kept = kept_.find(command.tid);
  std::vector<Op> ops = {
      leadership_.epoch_check(), Op::set(paths_.at(command.znode), known->value, command.version),
      kept_op(command.tid, kept == kept_.end() ? TableLineages{} : kept->second)};
  const std::size_t bytes = PublishTrial::fill_up(ops, 1, command.bytes);
  trial_.run(std::move(ops),
             lifetime_.guard([this, command, bytes](const PublishTrial::Result& result) {
               table_tried(command, bytes, result);
             }));
}

void ZnodeStore::table_tried(const core::TryTable& command, std::size_t bytes,
                             const PublishTrial::Result& result) {
  using Outcome = core::TableTried::Outcome;
  core::TableTried told{command.id, command.znode, Outcome::kUnknown, bytes, {}};
  switch (result.outcome) {
    case PublishTrial::Outcome::kTaken:
      told.outcome = Outcome::kTaken;
      session_.send_up_to(bytes);
      break;
    case PublishTrial::Outcome::kRefused:
      told.outcome = Outcome::kRefused;
      told.refused = result.op == 1 ? refused_for(command.znode, result.refused)
                                    : refused_for(command.znode, result.refused, command.tid);
      session_.send_up_to(bytes);
      break;
    case PublishTrial::Outcome::kConnectionLost:
      told.outcome = Outcome::kConnectionLost;
      break;
    case PublishTrial::Outcome::kUnknown:
      break;
  }
  tell_(std::move(told));
}

void ZnodeStore::reserve_terms(const core::ReserveTerms& command) {
  notify_.follow();
  numbers_.reserve_terms(command);
}

// --- Records -------------------------------------------------------------------------------------

void ZnodeStore::write_record(const core::WriteRecord& command) {
  const std::string path = paths_.elections() + "/" + command.record.name;
  put(command.id, paths_.elections(), path,
      to_bytes(command.record, leadership_.left_by_newer(path)));
}

void ZnodeStore::drop_record(const core::DropRecord& command) {
  take_away(command.id, paths_.elections() + "/" + command.name);
}

void ZnodeStore::write_hold(const core::WriteHold& command) {
  const std::string path = paths_.holds() + "/" + std::to_string(command.hold.id);
  put(command.id, paths_.holds(), path,
      to_bytes(command.hold, clocks_of(loop_), leadership_.left_by_newer(path)));
}

void ZnodeStore::drop_hold(const core::DropHold& command) {
  take_away(command.id, paths_.holds() + "/" + std::to_string(command.hold));
}

// Creates or replaces it; answered by RecordWritten, and so is the next.
void ZnodeStore::put(core::RequestId id, const std::string& parent, const std::string& path,
                     const std::string& bytes) {
  const auto told = [this, id](bool ok) {
    if (ok) return tell_(core::RecordWritten{id, true});
    failed_later([this, id] { tell_(core::RecordWritten{id, false}); });
  };
  multi({Op::create(path, bytes)},
        [this, parent, path, bytes, told](Code code, const auto& results) {
          if (code == Code::kOk) return told(true);
          if (results.size() > 1 && results[1].code == Code::kNoNode) {
            session_.ensure_path(parent, [](Code) {});
          }
          if (results.size() < 2 || results[1].code != Code::kNodeExists) return told(false);
          multi({Op::set(path, bytes, -1)}, [told](Code c, const auto&) { told(c == Code::kOk); });
        });
}

void ZnodeStore::take_away(core::RequestId id, const std::string& path) {
  multi({Op::remove(path, -1)}, [this, id](Code code, const auto& results) {
    const bool gone = results.size() > 1 && results[1].code == Code::kNoNode;
    if (code == Code::kOk || gone) return tell_(core::RecordWritten{id, true});
    failed_later([this, id] { tell_(core::RecordWritten{id, false}); });
  });
}

// --- Ops -----------------------------------------------------------------------------------------

void ZnodeStore::write_journal(const core::WriteJournal& command) {
  std::vector<Op> ops;
  std::vector<std::string> names;
  const auto write = [&](const std::string& name, const auto& entry) {
    const std::string path = paths_.ops() + "/" + name;
    const std::string bytes = to_bytes(entry, clocks_of(loop_), leadership_.left_by_newer(path));
    ops.push_back(op_znodes_.contains(name) ? Op::set(path, bytes, -1) : Op::create(path, bytes));
    names.push_back(name);
  };
  for (const core::BegunOp& op : command.begun) write(std::to_string(op.id), op);
  for (const core::FinishedOps& f : command.finished) write(finished_name(f.number), f);
  const std::size_t written = names.size();
  for (const core::OpId id : command.ended) {
    const std::string name = std::to_string(id);
    if (!op_znodes_.contains(name)) continue;
    ops.push_back(Op::remove(paths_.ops() + "/" + name, -1));
    entries_there_.erase(name);
    names.push_back(name);
  }
  multi(std::move(ops),
        [this, id = command.id, names, written](Code code, const std::vector<OpResult>& results) {
          const bool unknown = code == Code::kUnknown || code == Code::kExpired;
          for (std::size_t i = 0; i < names.size(); ++i) {
            if (unknown) {  // Then what is not there is found out when it is removed.
              op_znodes_.insert(names[i]);
              continue;
            }
            const Code c = i + 1 < results.size() ? results[i + 1].code : Code::kOk;
            const bool there = i < written;
            if (code == Code::kOk ? there : c == Code::kNodeExists) op_znodes_.insert(names[i]);
            if (code == Code::kOk ? !there : c == Code::kNoNode) op_znodes_.erase(names[i]);
          }
          if (code == Code::kOk) return tell_(core::JournalWritten{id, true});
          session_.ensure_path(paths_.ops(), [](Code) {});
          failed_later([this, id] { tell_(core::JournalWritten{id, false}); });
        });
}

}  // namespace failoverd::fedb
