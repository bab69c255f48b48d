#include "lib/fedb/metadata/nameserver_store.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "lib/fedb/metadata/nameserver_flight.part.h"
#include "proto/nameserver.pb.h"

namespace failoverd::fedb {
namespace {

namespace wire = ::failoverd::fedb;
using Outcome = core::Published::Outcome;

// A call of many waits for those before it: the nameserver writes its znode for each.
constexpr Duration kDeadline = std::chrono::seconds{3};
constexpr Duration kDeadlineForEach = std::chrono::milliseconds{20};
// What is decided anew at once would be decided the same.
constexpr Duration kLookAgain = std::chrono::milliseconds{200};
// Of a nameserver that has not answered: some two minutes at most.
constexpr Duration kFenceAgain = std::chrono::milliseconds{300};
constexpr int kMostFences = 40;
// So often in a row it said that it could not write that table's znode.
constexpr int kNotWrittenForGood = 3;

using Edits = std::vector<core::PartitionEdit>;

// One after the other: it is replaced as a whole, and a later edit must not undo an earlier one.
Result<std::string> with_edits(const std::string& message, const Edits& edits) {
  Result<std::string> edited{boost::system::in_place_value, message};
  for (const core::PartitionEdit& edit : edits) {
    edited = apply_partition_edit(*edited, edit);
    if (!edited) break;
  }
  return edited;
}

std::optional<core::PartitionShape> as_wanted(const std::string& message, const Edits& edits) {
  const auto edited = with_edits(message, edits);
  return edited ? partition_shape(*edited) : std::nullopt;
}

bool names_leader(const Edits& edits) {
  return std::ranges::any_of(edits, [](const auto& edit) { return !edit.terms.empty(); });
}

Result<core::TableShape> shape_of(const std::string& znode, const TableValue* known) {
  if (!known) return Failure{znode + " is not known"};
  return parse_table(znode, known->value, known->version, known->numbering);
}

// A command without what changes tables. How a partition was published directly is not to be known
// any more: what comes instead the nameserver has in its memory.
core::Publish only_ours(const core::Publish& command, const ZnodeStore& own) {
  core::Publish ours{command.id, {}};
  for (const core::TableEdit& table : command.tables) {
    core::TableEdit& to = ours.tables.emplace_back();
    to.znode = table.znode;
    to.version = table.version;
    to.tid = table.tid;
    for (const core::PartitionEdit& p : table.partitions) {
      const bool ends = p.changes_table() && own.keeps_published(table.tid, p.pid);
      if (p.kept.empty() && !p.begins && !ends) continue;
      core::PartitionEdit& mine = to.partitions.emplace_back();
      mine.pid = p.pid;
      mine.kept = p.kept;
      mine.begins = p.begins;
      if (ends) mine.published.emplace();
    }
    if (to.partitions.empty()) ours.tables.pop_back();
  }
  return ours;
}

}  // namespace

NameserverStore::NameserverStore(Loop& loop, NameserverCalls& calls, NameserverWatch& watch,
                                 ClusterView& view, Leadership& leadership, ZnodeStore& own,
                                 Tell tell)
    : loop_(loop),
      calls_(calls),
      watch_(watch),
      view_(view),
      leadership_(leadership),
      own_(own),
      tell_(std::move(tell)),
      comparison_(loop, calls, watch, view, leadership, own) {
  comparison_.on_differ = [this](std::vector<core::TableEdit> differ) {
    if (!std::exchange(repeating_, true)) read_and_repeat(std::move(differ));
  };
}

NameserverStore::~NameserverStore() = default;

void NameserverStore::call(const std::string& endpoint, const std::string& method,
                           std::string request, std::size_t beside, NameserverCalls::Done done) {
  const Duration deadline = kDeadline + kDeadlineForEach * static_cast<int>(beside);
  calls_.call(endpoint, method, std::move(request), deadline, lifetime_.guard(std::move(done)));
}

NameserverStore::FlightPtr NameserverStore::new_flight() const {
  const auto flight = std::make_shared<Flight>();
  flight->endpoint = watch_.endpoint();
  flight->epoch = leadership_.epoch();
  return flight;
}

// The same nameserver leads, and the same daemon acts, as when it was asked.
bool NameserverStore::may_go_on(const Flight& flight) const {
  return watch_.leads() && watch_.endpoint() == flight.endpoint && leadership_.may_change() &&
         leadership_.epoch() == flight.epoch;
}

void NameserverStore::fail(core::RequestId id, const std::string& why) {
  loop_.post(lifetime_.guard([this, id, why] {
    tell_(core::Published{id, Outcome::kFailed, {}, why});
  }));
}

// One answer less is waited for.
void NameserverStore::ended(const FlightPtr& flight, Next next) {
  if (--flight->open == 0) (this->*next)(flight);
}

void NameserverStore::publish(const core::Publish& command) {
  if (!watch_.leads()) {
    return fail(command.id, "nameserver " + watch_.endpoint() +
                                " is registered and does not lead yet, or does not answer; nothing "
                                "is written past it");
  }
  if (!leadership_.may_change()) {
    return fail(command.id, "no lock or no fresh contact with ZooKeeper");
  }
  const auto flight = new_flight();
  flight->id = command.id;
  for (const core::TableEdit& table : command.tables) {
    flight->tables.push_back(table.znode);
    if (!table.changes_table()) continue;
    const TableValue* known = view_.table(table.znode);
    const auto shape = shape_of(table.znode, known);
    const bool is_as_decided = shape && known->version == table.version;
    const auto messages = is_as_decided ? partition_messages(known->value, known->numbering)
                                        : std::map<std::uint32_t, std::string>{};
    flight->versions[table.znode] = table.version;
    for (const core::PartitionEdit& edit : table.partitions) {
      if (!edit.changes_table()) continue;
      if (Part* same = flight->part_of(table.znode, edit.pid)) {
        same->edits.push_back(edit);
        continue;
      }
      Part& part = flight->parts.emplace_back();
      part.znode = table.znode;
      part.pid = edit.pid;
      part.edits.push_back(edit);
      if (!is_as_decided) {
        part.state = Part::State::kConflict;
        continue;
      }
      part.name = shape->name;
      part.db = shape->db;
      for (const core::PartitionShape& p : shape->partitions) {
        if (p.pid == edit.pid) part.now = p;
      }
      if (const auto m = messages.find(edit.pid); m != messages.end()) part.written = m->second;
    }
  }
  // Clients wait for those.
  std::ranges::stable_partition(flight->parts, [](const Part& p) { return names_leader(p.edits); });
  ++flight->open;
  const core::Publish ours = only_ours(command, own_);
  if (!ours.tables.empty()) {
    ++flight->open;
    own_.publish(ours, lifetime_.guard([this, flight](const core::Published& told) {
      if (told.outcome != Outcome::kDone) flight->own_failed = told;
      ended(flight, &NameserverStore::asked);
    }));
  }
  ask(flight);
  ended(flight, &NameserverStore::asked);
}

// --- How it is now -------------------------------------------------------------------------------

void NameserverStore::ask(const FlightPtr& flight) {
  std::set<std::string> tables;
  for (Part& part : flight->parts) {
    if (part.state != Part::State::kOpen) continue;
    if (tables.insert(part.znode).second) ask_ops(flight, part.znode);
  }
  for (Part& part : flight->parts) {
    if (part.state == Part::State::kOpen) ask_partition(flight, part, &NameserverStore::asked);
  }
}

// SAFETY 13: not while it has an op of its own on it.
void NameserverStore::ask_ops(const FlightPtr& flight, const std::string& znode) {
  const auto part = std::ranges::find(flight->parts, znode, &Part::znode);
  wire::ShowOPStatusRequest request;
  request.set_name(part->name);
  if (!part->db.empty()) request.set_db(part->db);
  ++flight->open;
  call(flight->endpoint, "ShowOPStatus", request.SerializeAsString(), flight->parts.size(),
       [this, flight, znode](const NameserverReply& reply) {
         wire::ShowOPStatusResponse response;
         if (!read(reply, response) || response.code() != 0) {
           flight->busy.insert(znode);
           flight->complain("the nameserver does not show its ops: " + reply.text);
         } else {
           for (const auto& op : response.op_status()) {
             if (op.status() != "kInited" && op.status() != "kDoing") continue;
             flight->busy_with.insert({znode, op.pid()});
             flight->complain("the nameserver's op " + std::to_string(op.op_id()) + " " +
                              op.op_type() + " of " + op.name() + "/" + std::to_string(op.pid()) +
                              " runs");
           }
         }
         ended(flight, &NameserverStore::asked);
       });
}

void NameserverStore::ask_partition(const FlightPtr& flight, Part& part, Next next) {
  wire::GetTablePartitionRequest request;
  request.set_name(part.name);
  request.set_pid(part.pid);
  if (!part.db.empty()) request.set_db(part.db);
  ++flight->open;
  call(flight->endpoint, "GetTablePartition", request.SerializeAsString(), flight->parts.size(),
       [this, flight, &part, next](const NameserverReply& reply) {
         wire::GetTablePartitionResponse response;
         part.held.reset();
         if (!read(reply, response)) {
           flight->complain("the nameserver does not show a partition: " + reply.text);
         } else if (response.code() != 0 || !response.has_table_partition()) {
           watch_.heard(response.code());
           flight->complain(code_text(flight->endpoint, response.code(), response.msg()) +
                            " when asked for a partition");
         } else {
           part.message = response.table_partition().SerializeAsString();
           part.held = partition_shape(part.message);
         }
         ended(flight, next);
       });
}

// Whether each is as it was when this was decided; then it is replaced.
void NameserverStore::asked(const FlightPtr& flight) {
  if (flight->own_failed) {
    core::Published told = *flight->own_failed;
    told.id = flight->id;
    return tell(*flight, std::move(told));
  }
  for (Part& part : flight->parts) {
    if (part.state != Part::State::kOpen) continue;
    const bool is_busy =
        flight->busy.contains(part.znode) || flight->busy_with.contains({part.znode, part.pid});
    // It has taken one already that was not answered, or that it could not write.
    const bool is_taken =
        !flight->repeats && part.held && part.held == as_wanted(part.written, part.edits);
    const bool is_as_decided = part.held && (flight->repeats || part.held == part.now || is_taken);
    if (part.held && !is_as_decided) {
      flight->complain("the nameserver holds a partition otherwise than its znode");
      if (!comparison_.runs()) comparison_.begin();
    }
    const auto edited =
        is_busy || !is_as_decided ? Result<std::string>{Failure{"it is not as it was"}}
        : is_taken                ? Result<std::string>{boost::system::in_place_value, part.message}
                                  : with_edits(part.message, part.edits);
    if (!edited) {
      part.state = Part::State::kConflict;
      continue;
    }
    part.message = *edited;
  }
  set(flight);
}

// --- Changing it ---------------------------------------------------------------------------------

void NameserverStore::set(const FlightPtr& flight) {
  const bool goes_on = may_go_on(*flight);
  if (!goes_on) flight->complain("another nameserver leads, or no lock or no fresh contact");
  ++flight->open;
  for (Part& part : flight->parts) {
    if (part.state != Part::State::kOpen || !goes_on) continue;
    wire::SetTablePartitionRequest request;
    request.set_name(part.name);
    if (!part.db.empty()) request.set_db(part.db);
    request.mutable_table_partition()->ParsePartialFromString(part.message);
    part.now = partition_shape(part.message);
    part.state = Part::State::kSent;
    ++flight->open;
    call(flight->endpoint, "SetTablePartition", request.SerializeAsString(), flight->parts.size(),
         [this, flight, &part](const NameserverReply& reply) {
           const std::string why = set_answered(part, reply);
           if (part.state != Part::State::kSet) flight->complain(why);
           ended(flight, &NameserverStore::read_back);
         });
  }
  ended(flight, &NameserverStore::read_back);
}

std::string NameserverStore::set_answered(Part& part, const NameserverReply& reply) {
  wire::NameServerResponse response;
  if (!read(reply, response)) {
    if (!reply.sent) part.state = Part::State::kFailed;
    return reply.text;
  }
  std::string why = code_text(watch_.endpoint(), response.code(), response.msg());
  switch (response.code()) {
    case 0:
      part.state = Part::State::kSet;
      not_written_.erase(part.znode);
      return "";
    case kNotWritten:  // Or it was, and the answer was lost.
      ++not_written_[part.znode];
      return why;
    case kNotLeader:
    case kAutoFailoverIsOn:
      watch_.heard(response.code());
      break;
    default:
      break;
  }
  part.state = Part::State::kFailed;
  return why;
}

// --- Reading back --------------------------------------------------------------------------------

void NameserverStore::read_back(const FlightPtr& flight) {
  if (flight->any(Part::State::kSent)) return fence(flight);
  if (!flight->any(Part::State::kSet)) return finish(flight);
  ++flight->open;
  std::set<std::string> tables;
  for (Part& part : flight->parts) {
    if (part.state != Part::State::kSet) continue;
    ask_partition(flight, part, &NameserverStore::was_read_back);
    if (!tables.insert(part.znode).second) continue;
    ++flight->open;
    view_.read_again(part.znode, lifetime_.guard([this, flight] {
      ended(flight, &NameserverStore::was_read_back);
    }));
  }
  ended(flight, &NameserverStore::was_read_back);
}

// What was sent and not answered may be carried out as soon as it goes on: until it does, or
// another one leads, nobody knows what the table will be, and nothing else could be published.
void NameserverStore::fence(const FlightPtr& flight) {
  const auto sent = std::ranges::find(flight->parts, Part::State::kSent, &Part::state);
  wire::GetTablePartitionRequest request;
  request.set_name(sent->name);
  request.set_pid(sent->pid);
  if (!sent->db.empty()) request.set_db(sent->db);
  if (watch_.endpoint() != flight->endpoint || ++flight->fences > kMostFences) {
    return finish(flight);
  }
  call(flight->endpoint, "GetTablePartition", request.SerializeAsString(), 0,
       [this, flight](const NameserverReply& reply) {
         if (reply.answered) return finish(flight);
         loop_.after(kFenceAgain, lifetime_.guard([this, flight] { fence(flight); }));
       });
}

// Both have it, and nobody wrote in between; else it is looked at once more.
void NameserverStore::was_read_back(const FlightPtr& flight) {
  std::map<std::string, std::int32_t> sets;
  for (const Part& part : flight->parts) sets[part.znode] += part.state == Part::State::kSet;
  bool somebody_wrote = false;
  std::map<std::string, std::map<std::uint32_t, std::string>> read;
  for (const auto& [znode, count] : sets) {
    const TableValue* known = view_.table(znode);
    if (!known || count == 0) continue;
    read[znode] = partition_messages(known->value, known->numbering);
    somebody_wrote = somebody_wrote || known->version != flight->versions[znode] + count;
  }
  if (somebody_wrote && !std::exchange(flight->looked_again, true)) return read_back(flight);
  for (Part& part : flight->parts) {
    if (part.state != Part::State::kSet) continue;
    const auto message = read[part.znode].find(part.pid);
    const bool is_there = message != read[part.znode].end() && part.held == part.now &&
                          partition_shape(message->second) == part.now;
    part.state = is_there ? Part::State::kDone : Part::State::kSent;
    if (!is_there) flight->complain("what was published is not there when it is read back");
  }
  finish(flight);
}

void NameserverStore::finish(const FlightPtr& flight) {
  if (flight->repeats) {
    repeating_ = false;
    if (!flight->any(Part::State::kDone)) return;
    return on_warning(
        "the nameserver's memory was older than what had been written while it came "
        "up; it was published once more through " +
        watch_.endpoint());
  }
  core::Published told{flight->id, Outcome::kDone, {}, flight->why, {}, true};
  std::set<std::string> again;
  const auto is_done = [](const Part& p) { return p.state == Part::State::kDone; };
  if (std::ranges::all_of(flight->parts, is_done)) {
    told.why.clear();
    return tell(*flight, std::move(told));
  }
  const bool any_sent = flight->any(Part::State::kSent);
  const bool any_failed = flight->any(Part::State::kFailed) || flight->any(Part::State::kOpen);
  for (const Part& part : flight->parts) {
    // Those that are done have been read already; the rest of their table has to be decided anew.
    if (part.state == Part::State::kConflict || part.state == Part::State::kDone) {
      again.insert(part.znode);
    }
  }
  told.outcome = any_sent ? Outcome::kUnknown : any_failed ? Outcome::kFailed : Outcome::kConflict;
  told.conflicts.assign(again.begin(), again.end());
  if (any_sent && refuse_not_written(*flight, told)) told.outcome = Outcome::kRefused;
  const Duration pause = any_failed && !any_sent ? Duration{0} : kLookAgain;
  loop_.after(pause, lifetime_.guard([this, flight, told] { tell(*flight, told); }));
}

// SAFETY 22: what it could not write again and again is left alone, and named. False: something
// else of the flight is not known.
bool NameserverStore::refuse_not_written(const Flight& flight, core::Published& told) {
  std::set<std::string> znodes;
  for (const Part& part : flight.parts) {
    if (part.state == Part::State::kSent) znodes.insert(part.znode);
  }
  const auto is_known = [&](const std::string& znode) {
    const auto times = not_written_.find(znode);
    return times != not_written_.end() && times->second >= kNotWrittenForGood;
  };
  if (!std::ranges::all_of(znodes, is_known)) return false;
  for (const std::string& znode : znodes) {
    told.refused.push_back({znode, core::RefusalReason::kOther,
                            "nameserver " + flight.endpoint + ": 304 set zk failed", false});
    told.conflicts.push_back(znode);
    not_written_.erase(znode);
  }
  return true;
}

// What is stale from now on is read again: all of it, where nobody knows what is written.
void NameserverStore::tell(const Flight& flight, core::Published told) {
  const auto again = told.outcome == Outcome::kUnknown ? flight.tables : told.conflicts;
  tell_(std::move(told));
  for (const std::string& znode : again) view_.read_again(znode);
}

// --- What it may not have read -------------------------------------------------------------------

void NameserverStore::compare_soon() { comparison_.begin(); }

// What we know of a znode may be old: one that is another by now is left out.
void NameserverStore::read_and_repeat(std::vector<core::TableEdit> differ) {
  const auto open = std::make_shared<std::size_t>(differ.size());
  const auto all = std::make_shared<std::vector<core::TableEdit>>(std::move(differ));
  for (const core::TableEdit& table : *all) {
    view_.read_again(table.znode, lifetime_.guard([this, open, all] {
      if (--*open == 0) repeat(*all);
    }));
  }
}

void NameserverStore::repeat(const std::vector<core::TableEdit>& differ) {
  const auto flight = new_flight();
  if (!may_go_on(*flight) || watch_.said().auto_failover) {
    repeating_ = false;
    return;
  }
  flight->repeats = true;
  for (const core::TableEdit& table : differ) {
    const TableValue* known = view_.table(table.znode);
    const auto shape = shape_of(table.znode, known);
    if (!shape || known->version != table.version) continue;
    flight->versions[table.znode] = table.version;
    for (const core::PartitionEdit& edit : table.partitions) {
      Part& part = flight->parts.emplace_back();
      part.znode = table.znode;
      part.name = shape->name;
      part.db = shape->db;
      part.pid = edit.pid;
      part.edits.push_back(edit);
    }
  }
  if (flight->parts.empty()) {
    repeating_ = false;
    return;
  }
  ++flight->open;
  ask(flight);
  ended(flight, &NameserverStore::asked);
}

}  // namespace failoverd::fedb
