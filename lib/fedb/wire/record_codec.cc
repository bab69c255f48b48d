#include "lib/fedb/wire/record_codec.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "proto/journal.pb.h"

namespace failoverd::fedb {
namespace {

constexpr std::uint32_t kVersion = 1;

template <class Message>
Result<Message> parse(const std::string& bytes, const std::string& what, bool* newer) {
  Message m;
  if (!m.ParseFromString(bytes)) return Failure{"is no " + what + ": it does not parse"};
  if (m.version() != kVersion) {
    return Failure{"has version " + std::to_string(m.version()) + "; this failoverd reads " +
                   std::to_string(kVersion)};
  }
  if (newer) {
    Message known = m;
    known.DiscardUnknownFields();
    *newer = known.ByteSizeLong() != m.ByteSizeLong();
  }
  return m;
}

// --- Fields that this version does not know: none of them is lost when it writes the rest anew.

template <class Message>
void keep_newer(const Message& from, Message& to) {
  to.mutable_unknown_fields()->MergeFrom(from.unknown_fields());
}

// The same for those of a list, where `key` is the same; `more(from, to)` for what is in them.
template <class List, class Key, class More>
void keep_newer(const List& from, List* to, Key key, More more) {
  std::map<decltype(key(from.Get(0))), const typename List::value_type*> known;
  for (const auto& m : from) known[key(m)] = &m;
  for (auto& m : *to) {
    const auto found = known.find(key(m));
    if (found == known.end()) continue;
    keep_newer(*found->second, m);
    more(*found->second, m);
  }
}

const auto nothing_in_it = [](const auto&, auto&) {};
const auto by_endpoint = [](const auto& m) { return m.endpoint(); };

void keep_all_newer(const journal::ElectionRecord& from, journal::ElectionRecord& to) {
  keep_newer(from, to);
  keep_newer(
      from.elections(), to.mutable_elections(),
      [](const auto& m) {
        return std::pair{m.tid(), m.pid()};
      },
      [](const auto& f, auto& t) {
        keep_newer(f.may_lead(), t.mutable_may_lead(), by_endpoint, nothing_in_it);
      });
}

void keep_all_newer(const journal::BegunOp& from, journal::BegunOp& to) {
  if (from.id() == to.id()) keep_newer(from, to);
}

// The znodes are used again and again, each time for another group.
void keep_all_newer(const journal::FinishedOps& from, journal::FinishedOps& to) {
  if (from.number() != to.number()) return;
  keep_newer(from, to);
  keep_newer(
      from.ops(), to.mutable_ops(), [](const auto& m) { return m.id(); }, nothing_in_it);
}

void keep_all_newer(const journal::KeptTable& from, journal::KeptTable& to) {
  keep_newer(from, to);
  keep_newer(
      from.partitions(), to.mutable_partitions(), [](const auto& m) { return m.pid(); },
      [](const auto& f, auto& t) {
        keep_newer(f.replicas(), t.mutable_replicas(), by_endpoint, nothing_in_it);
      });
}

void keep_all_newer(const journal::OperatorHold& from, journal::OperatorHold& to) {
  keep_newer(from, to);
}

template <class Message>
std::string bytes_of(Message m, const std::string& before) {
  Message old;
  if (!before.empty() && old.ParseFromString(before)) keep_all_newer(old, m);
  return m.SerializeAsString();
}

// A time that is further away was written by nobody, and cannot be computed with.
constexpr std::int64_t kFarthestMs = std::int64_t{100} * 365 * 24 * 3600 * 1000;

std::int64_t to_wall(Instant at, const Clocks& clocks) {
  return clocks.wall_ms - (clocks.now - at).count() / 1000;
}

Instant from_wall(std::int64_t ms, const Clocks& clocks) {
  const std::int64_t near =
      std::clamp(ms, clocks.wall_ms - kFarthestMs, clocks.wall_ms + kFarthestMs);
  return clocks.now - std::chrono::milliseconds{clocks.wall_ms - near};
}

}  // namespace

std::string to_bytes(const core::ElectionRecord& record, const std::string& before) {
  journal::ElectionRecord m;
  m.set_version(kVersion);
  for (const core::BegunElection& b : record.elections) {
    auto* to = m.add_elections();
    to->set_tid(b.at.tid);
    to->set_pid(b.at.pid);
    to->set_probe_term(b.probe_term);
    if (b.restart) to->set_restart(true);
    for (const core::MayLead& l : b.may_lead) {
      auto* leader = to->add_may_lead();
      leader->set_endpoint(l.endpoint);
      leader->set_term(l.term);
      leader->set_offset(l.offset);
    }
  }
  return bytes_of(std::move(m), before);
}

Result<core::ElectionRecord> record_from(const std::string& name, const std::string& bytes,
                                         bool* newer) {
  const auto m = parse<journal::ElectionRecord>(bytes, "election record", newer);
  if (!m) return m.error();
  core::ElectionRecord record;
  record.name = name;
  for (const auto& b : m->elections()) {
    core::BegunElection& to = record.elections.emplace_back();
    to.at = {b.tid(), b.pid()};
    to.probe_term = b.probe_term();
    to.restart = b.restart();
    for (const auto& l : b.may_lead()) to.may_lead.push_back({l.endpoint(), l.term(), l.offset()});
  }
  return record;
}

std::string to_bytes(const core::BegunOp& op, const Clocks& clocks, const std::string& before) {
  journal::BegunOp m;
  m.set_version(kVersion);
  m.set_id(op.id);
  m.set_type(static_cast<std::uint32_t>(op.type));
  m.set_tid(op.at.tid);
  m.set_pid(op.at.pid);
  m.set_replica(op.replica);
  m.set_incarnation(op.incarnation);
  m.set_leader(op.leader);
  m.set_leader_term(op.leader_term);
  if (op.lost_entries) m.set_lost_entries(*op.lost_entries);
  if (op.held) m.set_held(*op.held);
  m.set_started(to_wall(op.started, clocks));
  m.set_why(op.why);
  if (op.over) m.set_over(true);
  if (op.paused) m.set_paused(true);
  if (!op.from.empty()) m.set_from(op.from);
  if (op.sends) m.set_sends(true);
  return bytes_of(std::move(m), before);
}

Result<core::BegunOp> begun_op_from(const std::string& bytes, const Clocks& clocks, bool* newer) {
  const auto m = parse<journal::BegunOp>(bytes, "record of an op", newer);
  if (!m) return m.error();
  if (m->id() < core::kFirstOpId) {
    return Failure{"has op id " + std::to_string(m->id()) + "; ours begin at " +
                   std::to_string(core::kFirstOpId)};
  }
  if (m->replica().empty() || m->leader().empty()) {
    return Failure{std::string{"names no "} + (m->replica().empty() ? "replica" : "leader") +
                   "; an op that is recorded has both"};
  }
  core::BegunOp op;
  op.id = m->id();
  op.type = static_cast<core::OpType>(m->type());
  op.at = {m->tid(), m->pid()};
  op.replica = m->replica();
  op.incarnation = m->incarnation();
  op.leader = m->leader();
  op.leader_term = m->leader_term();
  if (m->has_lost_entries()) op.lost_entries = m->lost_entries();
  if (m->has_held()) op.held = m->held();
  op.started = from_wall(m->started(), clocks);
  op.why = m->why();
  op.over = m->over();
  op.paused = m->paused();
  op.from = m->from();
  op.sends = m->sends();
  return op;
}

std::string to_bytes(const core::FinishedOps& finished, const Clocks& clocks,
                     const std::string& before) {
  journal::FinishedOps m;
  m.set_version(kVersion);
  m.set_number(finished.number);
  for (const core::OpRecord& op : finished.ops) {
    auto* to = m.add_ops();
    to->set_id(op.id);
    to->set_type(static_cast<std::uint32_t>(op.type));
    to->set_table(op.table);
    if (!op.db.empty()) to->set_db(op.db);
    to->set_tid(op.at.tid);
    to->set_pid(op.at.pid);
    to->set_status(static_cast<std::uint32_t>(op.status));
    to->set_started(to_wall(op.started, clocks));
    to->set_ended(to_wall(op.ended, clocks));
    to->set_detail(op.detail);
    if (!op.replica.empty()) to->set_replica(op.replica);
    if (op.without_leader) {
      to->set_without_leader(static_cast<std::uint64_t>(op.without_leader->count()));
    }
    if (op.may_have_lost) to->set_may_have_lost(*op.may_have_lost);
    if (op.loss_is_exact) to->set_loss_is_exact(true);
  }
  return bytes_of(std::move(m), before);
}

Result<core::FinishedOps> finished_ops_from(const std::string& bytes, const Clocks& clocks,
                                            bool* newer) {
  const auto m = parse<journal::FinishedOps>(bytes, "list of finished ops", newer);
  if (!m) return m.error();
  core::FinishedOps finished;
  finished.number = m->number();
  finished.ops.reserve(static_cast<std::size_t>(m->ops_size()));
  for (const auto& from : m->ops()) {
    core::OpRecord& op = finished.ops.emplace_back();
    op.id = from.id();
    op.type = static_cast<core::OpType>(from.type());
    op.table = from.table();
    op.db = from.db();
    op.at = {from.tid(), from.pid()};
    op.status = static_cast<core::OpStatus>(from.status());
    op.started = from_wall(from.started(), clocks);
    op.ended = from_wall(from.ended(), clocks);
    op.detail = from.detail();
    op.replica = from.replica();
    constexpr std::uint64_t kLongest = std::uint64_t{365} * 24 * 3600 * 1'000'000;
    if (from.has_without_leader()) {
      op.without_leader = std::chrono::microseconds{std::min(from.without_leader(), kLongest)};
    }
    if (from.has_may_have_lost()) op.may_have_lost = from.may_have_lost();
    op.loss_is_exact = from.loss_is_exact();
  }
  return finished;
}

std::string to_bytes(const core::OperatorHold& hold, const Clocks& clocks,
                     const std::string& before) {
  journal::OperatorHold m;
  m.set_version(kVersion);
  if (!hold.tablet.empty()) m.set_tablet(hold.tablet);
  if (!hold.table.empty()) m.set_table(hold.table);
  if (!hold.db.empty()) m.set_db(hold.db);
  if (hold.pid) m.set_pid(*hold.pid);
  if (hold.offline) m.set_offline(true);
  const auto add = [](const std::vector<core::PartitionKey>& all, auto* to) {
    for (const core::PartitionKey at : all) {
      auto* partition = to->Add();
      partition->set_tid(at.tid);
      partition->set_pid(at.pid);
    }
  };
  add(hold.led, m.mutable_led());
  add(hold.pending, m.mutable_pending());
  m.set_reason(hold.reason);
  m.set_by(hold.by);
  m.set_since(to_wall(hold.since, clocks));
  if (hold.until) m.set_until(to_wall(*hold.until, clocks));
  return bytes_of(std::move(m), before);
}

Result<core::OperatorHold> operator_hold_from(const std::string& name, const std::string& bytes,
                                              const Clocks& clocks, bool* newer) {
  const auto m = parse<journal::OperatorHold>(bytes, "operator's hold", newer);
  if (!m) return m.error();
  core::OperatorHold hold;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), hold.id);
  if (error != std::errc{} || end != name.data() + name.size() || hold.id == 0) {
    return Failure{"is named \"" + name + "\"; holds are named 1, 2 and so on"};
  }
  if (m->has_pid() && m->table().empty()) return Failure{"names a partition of no table"};
  if (m->offline() && m->tablet().empty()) return Failure{"takes no tablet offline"};
  hold.tablet = m->tablet();
  hold.table = m->table();
  hold.db = m->db();
  if (m->has_pid()) hold.pid = m->pid();
  hold.offline = m->offline();
  for (const auto& p : m->led()) hold.led.push_back({p.tid(), p.pid()});
  for (const auto& p : m->pending()) hold.pending.push_back({p.tid(), p.pid()});
  hold.reason = m->reason();
  hold.by = m->by();
  hold.since = from_wall(m->since(), clocks);
  if (m->has_until()) hold.until = from_wall(m->until(), clocks);
  return hold;
}

namespace {

void to_message(const core::PublishedLeader& published, journal::PublishedLeader& to) {
  to.set_leader(published.leader);
  to.set_created(published.created);
  for (const core::TermPair& pair : published.terms) {
    auto* term = to.add_terms();
    term->set_term(pair.term);
    term->set_offset(pair.offset);
  }
  for (const core::Endpoint& endpoint : published.dead) to.add_dead(endpoint);
}

// None: it is no end of any history (SAFETY 16).
std::optional<core::PublishedLeader> from_message(const journal::PublishedLeader& m) {
  core::PublishedLeader published{{}, m.leader(), {m.dead().begin(), m.dead().end()}, m.created()};
  core::Term last = 0;
  for (const auto& t : m.terms()) {
    const bool may_follow = published.terms.empty() || t.term() > last;
    if (!may_follow || t.term() > core::kHighestTerm || t.offset() > core::kHighestOffset) {
      return std::nullopt;
    }
    last = t.term();
    published.terms.push_back({last, t.offset()});
  }
  return published;
}

}  // namespace

std::string to_bytes(const TableLineages& kept, const std::string& before) {
  journal::KeptTable m;
  m.set_version(kVersion);
  for (const auto& [pid, of] : kept) {
    auto* partition = m.add_partitions();
    partition->set_pid(pid);
    if (of.published) to_message(*of.published, *partition->mutable_published());
    for (const auto& [endpoint, k] : of.replicas) {
      auto* to = partition->add_replicas();
      to->set_endpoint(endpoint);
      to->set_followed(k.followed);
      if (k.last_offset) to->set_last_offset(*k.last_offset);
      if (k.or_later) to->set_or_later(true);
      if (k.by_hand) to->set_by_hand(true);
    }
  }
  return bytes_of(std::move(m), before);
}

Result<TableLineages> kept_table_from(const std::string& bytes, bool* newer) {
  const auto m = parse<journal::KeptTable>(bytes, "record of replicas", newer);
  if (!m) return m.error();
  TableLineages kept;
  for (const auto& partition : m->partitions()) {
    auto& [replicas, published] = kept[partition.pid()];
    if (partition.has_published()) published = from_message(partition.published());
    for (const auto& r : partition.replicas()) {
      core::Lineage& to = replicas[r.endpoint()];
      to.endpoint = r.endpoint();
      to.followed = r.followed();
      if (r.has_last_offset()) to.last_offset = r.last_offset();
      to.or_later = r.or_later();
      to.by_hand = r.by_hand();
    }
  }
  return kept;
}

}  // namespace failoverd::fedb
