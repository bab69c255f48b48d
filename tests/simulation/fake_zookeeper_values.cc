// What stands in the made-up ZooKeeper's znodes, read with the daemon's own code.
#include <algorithm>
#include <charconv>
#include <utility>

#include "lib/fedb/wire/record_codec.h"
#include "lib/fedb/wire/table_info.h"
#include "lib/zookeeper/lock_queue.h"
#include "tests/simulation/fake_zookeeper.h"
#include "tests/simulation/table_bytes.h"

namespace failoverd::simulation {
namespace {

std::int64_t number_in(const std::string& text) {
  std::int64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

std::string value_of(const std::optional<Znode>& znode) { return znode ? *znode->value : ""; }

core::SwitchRead switch_in(const std::string& value) {
  const auto by = value.find("\nby ");
  const bool says = by != std::string::npos;
  return {value.starts_with("true"),
          says ? value.substr(by + 4, value.find('\n', by + 4) - by - 4) : ""};
}

}  // namespace

void FakeZooKeeper::read(const ZnodeState& state, const std::string& by) {
  const std::string& path = state.path;
  const std::string parent = path == "/" ? path : parent_of(path);
  const std::string name = path.substr(path.rfind('/') + 1);
  if (parent == paths_.at(fedb::Paths::kTables)) {
    read_table(std::string{fedb::Paths::kTables} + "/" + name, state.znode, by);
  } else if (parent == paths_.at(fedb::Paths::kDbTables)) {
    read_table(std::string{fedb::Paths::kDbTables} + "/" + name, state.znode, by);
  } else if (parent == paths_.nodes()) {
    read_node(name, state.znode);
  } else if (parent == paths_.elections()) {
    read_record(name, state.znode);
  } else if (parent == paths_.ops()) {
    read_op(name, state.znode);
  } else if (parent == paths_.replicas()) {
    read_kept(name, state.znode);
  } else if (parent == paths_.lock()) {
    read_lock(name, state.znode);
  } else if (parent == paths_.nameservers() || path == paths_.nameservers()) {
    nameservers_.clear();
    for (const std::string& child : znodes_.children(paths_.nameservers())) {
      nameservers_.push_back(*znodes_.find(paths_.nameservers() + "/" + child)->value);
    }
  } else if (path == paths_.term()) {
    term_ = static_cast<core::Term>(number_in(value_of(state.znode)));
  } else if (path == paths_.epoch()) {
    epoch_ = number_in(value_of(state.znode));
  } else if (path == paths_.auto_failover()) {
    switch_ = switch_in(value_of(state.znode));
  }
}

void FakeZooKeeper::read_table(const std::string& znode, const std::optional<Znode>& now,
                               const std::string& by) {
  if (!now) {
    tables_.erase(znode);
    readable_.erase(znode);
    poisoned_.erase(znode);
    return;
  }
  auto shape = fedb::parse_table(znode, *now->value, now->stat.version, numbering);
  if (!shape) {
    poisoned_[znode] = shape.error().text;
    return;
  }
  poisoned_.erase(znode);
  readable_[znode] = now->value;
  touched_[znode] = touch_of(*now->value, numbering);
  shape->created = now->stat.czxid;
  const core::TableShape before = std::exchange(tables_[znode], std::move(*shape));
  if (table_written) table_written(before, tables_.at(znode), by);
}

void FakeZooKeeper::read_record(const std::string& name, const std::optional<Znode>& now) {
  records_.erase(name);
  if (!now) return;
  if (auto record = fedb::record_from(name, *now->value)) records_[name] = std::move(*record);
}

void FakeZooKeeper::read_op(const std::string& name, const std::optional<Znode>& now) {
  const fedb::Clocks clocks{schedule_.now(), schedule_.wall_now_ms()};
  if (name.starts_with("finished-")) {
    finished_.erase(name);
    if (!now) return;
    if (auto ops = fedb::finished_ops_from(*now->value, clocks)) finished_[name] = std::move(*ops);
    return;
  }
  const auto id = static_cast<core::OpId>(number_in(name));
  begun_.erase(id);
  if (!now) return;
  if (auto op = fedb::begun_op_from(*now->value, clocks)) begun_[id] = std::move(*op);
}

bool FakeZooKeeper::steps_down(core::PartitionKey at, const core::PartitionShape& p,
                               const core::Endpoint& endpoint) const {
  return std::any_of(begun_.begin(), begun_.end(), [&](const auto& entry) {
    const core::BegunOp& op = entry.second;
    return op.type == core::OpType::kHandoverOP && op.at == at && op.leader == endpoint &&
           !p.terms.empty() && p.terms.back().term == op.leader_term;
  });
}

void FakeZooKeeper::read_kept(const std::string& name, const std::optional<Znode>& now) {
  const auto tid = static_cast<std::uint32_t>(number_in(name));
  std::erase_if(kept_, [tid](const auto& k) { return k.first.tid == tid; });
  if (!now) return;
  const auto table = fedb::kept_table_from(*now->value);
  if (!table) return;
  for (const auto& [pid, of] : *table) kept_[{tid, pid}] = of.replicas;
}

void FakeZooKeeper::read_lock(const std::string& name, const std::optional<Znode>& now) {
  const auto sequence = zookeeper::sequence_of(name);
  if (!sequence) return;
  if (now) {
    lock_[*sequence] = now->stat.ephemeral_owner;
  } else {
    lock_.erase(*sequence);
  }
}

void FakeZooKeeper::read_node(const std::string& name, const std::optional<Znode>& now) {
  if (!now) {
    nodes_.erase(name);
    return;
  }
  nodes_[name] = {static_cast<core::Incarnation>(now->stat.czxid),
                  now->value->starts_with("startup_"), now->stat.ephemeral_owner, schedule_.now()};
}

}  // namespace failoverd::simulation
