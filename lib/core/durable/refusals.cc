#include "lib/core/durable/refusals.h"

#include <algorithm>
#include <utility>

#include "lib/core/api/timing.h"

namespace failoverd::core {
namespace {

// What servers take where nobody has set another jute.maxbuffer.
constexpr std::size_t kUsualLimit = 0xfffff;
// Nobody sets it lower than that: shorter requests are sent without a thought.
constexpr std::size_t kAlwaysPasses = 64u << 10;
// Several tables in one multi: what one asks for waits for all.
constexpr std::size_t kLongestTogether = 700u << 10;
// Around the tables' values: the epoch's check, notify, paths, versions.
constexpr std::size_t kAround = 1024;

Duration pause_after(int refusals) {
  return std::min<Duration>(kTrialPause * (1 << std::clamp(refusals - 1, 0, 6)),
                            kLongestTrialPause);
}

}  // namespace

void Refusals::start() {
  for (auto& [tid, table] : model_.tables()) judge(table);
}

void Refusals::stop() {
  for (auto& [tid, table] : model_.tables()) {
    table.refusal.reset();
    table.refusals = table.lost = 0;
    table.tried_acl.clear();
  }
  passes_ = 0;
  dies_.reset();
  lost_.reset();
  trials_.clear();
  trying_ = false;
  pace_.stop();
  changed.clear();
}

void Refusals::mark(const Table& table) {
  for (const auto& [pid, p] : table.partitions) changed.insert({table.shape.tid, pid});
}

// --- How long requests may be --------------------------------------------------------------------

std::size_t Refusals::length(const Table& table, std::size_t partitions) const {
  return kAround + 2 * table.shape.znode.size() + table.shape.bytes +
         model_.kept_bytes(table.shape.tid) + partitions * table.growth;
}

std::size_t Refusals::longest() const {
  const bool is_lower = dies_ && *dies_ <= kUsualLimit;
  return std::max(passes_, is_lower ? kAlwaysPasses : kUsualLimit);
}

std::size_t Refusals::longest_together() const {
  const bool is_doubted = lost_ || (dies_ && *dies_ <= kUsualLimit);
  return is_doubted ? std::clamp(passes_, kAlwaysPasses, kLongestTogether) : kLongestTogether;
}

void Refusals::passed(std::size_t length) {
  passes_ = std::max(passes_, length);
  if (dies_ && *dies_ <= passes_) dies_.reset();  // The servers were started with another limit.
  if (lost_ && *lost_ <= passes_) lost_.reset();
}

void Refusals::did_not_pass(std::size_t length) {
  dies_ = std::min(dies_.value_or(length), length);
  died_at_ = outbox_.now;
  lost_.reset();
  if (passes_ >= *dies_) passes_ = 0;
  for (auto& [tid, table] : model_.tables()) judge(table);
}

// Which length of this table's publish is worth a trial: all its partitions at once, else one.
std::optional<std::size_t> Refusals::length_to_try(const Table& table) const {
  const std::size_t one = length(table, 1);
  if (table.refusal) return one;
  std::size_t all = length(table, std::max<std::size_t>(table.partitions.size(), 1));
  if (lost_) all = std::max(all, std::min(*lost_, kLongestTogether));
  const bool is_fresh = dies_ && outbox_.now < died_at_ + kLongestTrialPause;
  for (const std::size_t bytes : {all, one}) {
    const bool dies = is_fresh && bytes >= *dies_;
    const bool known = bytes <= std::max(passes_, kAlwaysPasses) || dies;
    if (!known) return bytes;
  }
  return std::nullopt;
}

std::string Refusals::too_long_text(const Table& table) const {
  std::string text = "its publish takes " + std::to_string(length(table, 1)) + " bytes, and ";
  if (dies_) {
    return text + "ZooKeeper's servers close the connection on a request of " +
           std::to_string(*dies_) + " (jute.maxbuffer)";
  }
  return text + "ZooKeeper's servers are not known to take more than " + std::to_string(longest()) +
         " (jute.maxbuffer)";
}

// --- What is read --------------------------------------------------------------------------------

void Refusals::judge(Table& table) {
  if (table.refusal) return;  // It has its time.
  if (!table.acl.empty() && table.acl != table.tried_acl) {
    suspect(table, RefusalReason::kNoAuth, "no auth: its ACL is " + table.acl);
  }
  if (!fits(table, 1)) too_long(table);
  if (!table.refusal && length_to_try(table)) try_at(table, outbox_.now);
}

void Refusals::table_read(Table& table) {
  if (table.refusal) {
    table.refusals = 0;
    try_at(table, std::max(outbox_.now, table.refusal->tried_at + kTrialPause));
  }
  judge(table);
}

std::string Refusals::holds(Table& table, std::size_t under_way) {
  if (!table.refusal && under_way == 0 && !fits(table, 1)) too_long(table);
  if (table.refusal) return waits_for(table);
  if (fits(table, under_way + 1)) return "";
  if (length_to_try(table)) try_at(table, outbox_.now);  // Servers may take more by now.
  return "other elections of its table to be published: its znode has no room for one more";
}

std::string Refusals::waits_for(const Table& table) {
  return "ZooKeeper to take " + table.shape.znode + ": " + table.refusal->why;
}

// --- What is refused -----------------------------------------------------------------------------

void Refusals::too_long(Table& table) {
  suspect(table, RefusalReason::kTooLarge, too_long_text(table));
}

// Left alone until the trial is over, which is a matter of milliseconds; named only then.
void Refusals::suspect(Table& table, RefusalReason reason, const std::string& why) {
  if (table.refusal) return;
  table.refusal = Refusal{reason, why, false, false, outbox_.now, {}};
  mark(table);
  try_at(table, outbox_.now);
}

void Refusals::refuse(Table& table, const Refused& refused) {
  const bool was_known = table.refusal && table.refusal->is_known;
  const bool news = !was_known || table.refusal->why != refused.why;
  const Instant since = was_known ? table.refusal->since : outbox_.now;
  const Instant tried_at = table.refusal ? table.refusal->tried_at : Instant{};
  table.refusal = Refusal{refused.reason, refused.why, refused.is_kept, true, since, tried_at};
  ++table.refusals;
  trials_[table.shape.znode] = outbox_.now + pause_after(table.refusals);
  if (!news) return;
  mark(table);
  outbox_.note(Severity::kError, "table",
               table.shape.znode + ": " + refused.why +
                   "; this table is left alone until ZooKeeper takes it",
               {{"znode", table.shape.znode}, {"reason", to_text(refused.reason)}});
}

void Refusals::refused(const Refused& refused) {
  if (Table* table = model_.table_of(refused.znode)) refuse(*table, refused);
}

void Refusals::take(Table& table) {
  if (!table.refusal) return;
  const bool was_known = table.refusal->is_known;
  table.refusal.reset();
  table.tried_acl = table.acl;
  mark(table);
  if (!was_known) return;
  outbox_.note(Severity::kInfo, "table",
               table.shape.znode + ": ZooKeeper takes it; this table is served again",
               {{"znode", table.shape.znode}});
}

// --- What became of publishes --------------------------------------------------------------------

void Refusals::taken(const std::vector<Table*>& tables) {
  std::size_t carried = 0;
  for (Table* table : tables) {
    carried += table->shape.bytes;
    table->lost = table->refusals = 0;
  }
  passed(carried);
}

// A server closes the connection on a request that is too long. So does one that is stopped, and
// then nothing is known: a trial tells, over a connection of its own.
void Refusals::lost(const std::vector<Table*>& tables, std::size_t length_of_all) {
  const bool doubtful = length_of_all > std::max(passes_, kAlwaysPasses);
  if (doubtful) lost_ = std::max(lost_.value_or(0), length_of_all);
  for (Table* table : tables) {
    const bool alone = goes_alone(*table);
    ++table->lost;
    const std::size_t one = length(*table, 1);
    // What passed once need not pass for ever: the servers may be others.
    const bool again = table->lost > 2 && one > kAlwaysPasses;
    if (again && one <= passes_) passes_ = 0;
    if (alone) {
      refuse(*table, {table->shape.znode, RefusalReason::kOther,
                      "the connection is lost whenever it is published", false});
    } else if (one > std::max(passes_, kAlwaysPasses)) {
      suspect(*table, RefusalReason::kTooLarge,
              "the connection was lost with its publish of " + std::to_string(one) +
                  " bytes under way");
    } else if (doubtful) {
      try_at(*table, outbox_.now);
    }
  }
}

// --- Trials --------------------------------------------------------------------------------------

void Refusals::try_at(const Table& table, Instant at) {
  const auto [trial, is_new] = trials_.emplace(table.shape.znode, at);
  if (!is_new) trial->second = std::min(trial->second, at);
}

// Those that are left alone come first; then the longest, whose success tells of all the others.
void Refusals::look() {
  if (trying_ || trials_.empty()) return;
  std::optional<Instant> next;
  Table* chosen = nullptr;
  std::pair<bool, std::size_t> rank;
  for (auto trial = trials_.begin(); trial != trials_.end();) {
    Table* table = model_.table_of(trial->first);
    const auto bytes = table ? length_to_try(*table) : std::nullopt;
    if (!bytes) {
      trial = trials_.erase(trial);
      continue;
    }
    const std::pair its{table->refusal.has_value(), *bytes};
    if (trial->second > outbox_.now) {
      next = std::min(next.value_or(trial->second), trial->second);
    } else if (!chosen || its > rank) {
      chosen = table;
      rank = its;
    }
    ++trial;
  }
  if (chosen) {
    trying_ = true;
    trials_.erase(chosen->shape.znode);
    if (chosen->refusal) chosen->refusal->tried_at = outbox_.now;
    const RequestId id = outbox_.open({ReplyTo::Owner::kRefusals, 0, 0, 0, {}});
    outbox_.out.emplace_back(
        TryTable{id, chosen->shape.znode, chosen->shape.version, chosen->shape.tid, rank.second});
  } else if (next) {
    pace_.look_at(*next);
  }
}

// ZooKeeper may be away just now; what speaks against the table stands.
void Refusals::not_tried(Table& table) {
  constexpr int kNamedAfter = 3;
  if (!table.refusal) {
    try_at(table, outbox_.now + kTrialAgain);
  } else if (table.refusal->is_known || table.refusals + 1 >= kNamedAfter) {
    const Refusal& r = *table.refusal;
    refuse(table, {table.shape.znode, r.reason, r.why, r.is_kept});
  } else {
    ++table.refusals;
    try_at(table, outbox_.now + kTrialPause);
  }
}

void Refusals::tried(const TableTried& e) {
  trying_ = false;
  if (e.outcome == TableTried::Outcome::kTaken || e.outcome == TableTried::Outcome::kRefused) {
    passed(e.bytes);
  }
  Table* table = model_.table_of(e.znode);
  if (!table) return;
  switch (e.outcome) {
    case TableTried::Outcome::kTaken:
      if (fits(*table, 1)) {
        take(*table);
        judge(*table);
      } else {
        try_at(*table, outbox_.now);
      }
      return;
    case TableTried::Outcome::kRefused:
      refuse(*table, e.refused);
      return;
    case TableTried::Outcome::kConnectionLost:
      if (e.bytes > kAlwaysPasses) did_not_pass(e.bytes);
      if (e.bytes <= kAlwaysPasses) {
        refuse(*table, {e.znode, RefusalReason::kOther,
                        "the connection is lost whenever it is tried", false});
      } else if (!fits(*table, 1)) {
        refuse(*table, {e.znode, RefusalReason::kTooLarge, too_long_text(*table), false});
      }
      return;
    case TableTried::Outcome::kUnknown:
      not_tried(*table);
  }
}

}  // namespace failoverd::core
