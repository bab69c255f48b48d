#include "lib/fedb/metadata/nameserver_comparison.h"

#include <algorithm>
#include <utility>

#include "proto/nameserver.pb.h"

namespace failoverd::fedb {
namespace {

namespace wire = ::failoverd::fedb;

constexpr Duration kDeadline = std::chrono::seconds{3};
constexpr Duration kAgain = std::chrono::milliseconds{300};
constexpr Duration kAgainAtMost = std::chrono::seconds{10};

}  // namespace

NameserverComparison::NameserverComparison(Loop& loop, NameserverCalls& calls,
                                           const NameserverWatch& watch, const ClusterView& view,
                                           const Leadership& leadership, const ZnodeStore& own)
    : calls_(calls), watch_(watch), view_(view), leadership_(leadership), own_(own), again_(loop) {}

void NameserverComparison::begin() {
  runs_ = true;
  pause_ = kAgain;
  differed_.clear();
  later(Duration{0});
}

void NameserverComparison::later(Duration pause) {
  again_.set(pause, [this] { compare(); });
}

void NameserverComparison::compare() {
  // Then we are asked again. One whose auto_failover is on takes nothing of ours; then it may have
  // changed all.
  if (!watch_.leads() || !leadership_.gained() || watch_.said().auto_failover) {
    runs_ = false;
    return;
  }
  if (!leadership_.may_change() || own_.writes_tables()) return later(kAgain);
  wire::ShowTableRequest request;
  request.set_show_all(true);
  calls_.call(watch_.endpoint(), "ShowTable", request.SerializeAsString(), kDeadline,
              lifetime_.guard([this](const NameserverReply& reply) { shown(reply); }));
}

// What differs twice in a row, with the znode as it was, is not under way.
void NameserverComparison::shown(const NameserverReply& reply) {
  wire::ShownTables tables;
  if (!read(reply, tables) || tables.code() != 0) {
    pause_ = std::min<Duration>(2 * pause_, kAgainAtMost);
    return later(pause_);
  }
  std::vector<core::TableEdit> differ;
  for (const std::string& bytes : tables.table_info()) {
    if (auto table = difference(bytes)) differ.push_back(std::move(*table));
  }
  if (differ.empty()) {
    runs_ = false;
    return differed_.clear();
  }
  const bool is_the_same = differ == differed_;
  differed_ = differ;
  if (is_the_same) on_differ(std::move(differ));
  later(pause_);
  pause_ = std::min<Duration>(2 * pause_, kAgainAtMost);
}

// None: all of it agrees, or it is no table that we know.
std::optional<core::TableEdit> NameserverComparison::difference(const std::string& bytes) const {
  const auto numbering = looks_of(bytes).numbering;
  const auto table = numbering ? parse_table("", bytes, 0, *numbering)
                               : Result<core::TableShape>{Failure{"of no numbering"}};
  const auto znode = table ? view_.znode_of(table->tid) : std::nullopt;
  if (!znode) return std::nullopt;
  const TableValue& known = *view_.table(*znode);
  core::TableEdit edit{*znode, known.version, {}, table->tid};
  const auto messages = partition_messages(known.value, known.numbering);
  for (const core::PartitionShape& held : table->partitions) {
    const auto message = messages.find(held.pid);
    if (message == messages.end()) continue;
    const auto is = partition_shape(message->second);
    if (!is || *is == held) continue;
    core::PartitionEdit& p = edit.partitions.emplace_back();
    p.pid = held.pid;
    p.whole = core::WholePartition{*is, message->second};
  }
  if (edit.partitions.empty()) return std::nullopt;
  return edit;
}

}  // namespace failoverd::fedb
