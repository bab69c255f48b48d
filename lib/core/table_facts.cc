#include "lib/core/table_facts.h"

#include <string>
#include <vector>

namespace failoverd::core {

void TableFacts::mark(const Table& table) {
  for (const auto& [pid, p] : table.partitions) changed.insert({table.shape.tid, pid});
}

void TableFacts::listed(const TablesListed& list) {
  const std::set<std::string> there(list.znodes.begin(), list.znodes.end());
  std::vector<std::string> gone;
  for (const auto& [tid, table] : model_.tables()) {
    if (there.contains(table.shape.znode)) continue;
    gone.push_back(table.shape.znode);
    mark(table);
  }
  for (const auto& [znode, why] : model_.unreadable()) {
    if (!there.contains(znode)) gone.push_back(znode);
  }
  for (const std::string& znode : gone) model_.drop_table(znode);
  if (gone.empty()) return;
  for (const auto& [znode, why] : model_.unreadable()) {  // Its tid may have been one of theirs.
    outbox_.out.emplace_back(ReadTable{znode});
  }
}

// This version is there already, or a later one: it was read before our own publish arrived.
bool TableFacts::is_known(const TableRead& e) {
  Table* known = model_.table_of(e.table.znode);
  const bool same =
      known && known->shape.tid == e.table.tid && known->shape.created == e.table.created;
  if (!same || e.table.version > known->shape.version) return false;
  if (e.table.version == known->shape.version) {
    known->stale = false;
    known->shape.bytes = e.table.bytes;  // After a publish of our own.
    known->acl = e.acl;
  }
  return true;
}

bool TableFacts::read(const TableRead& e) {
  if (is_known(e)) return false;
  const TableShape& shape = e.table;
  // It may have been made anew, or with fewer partitions.
  if (const Table* before = model_.table_of(shape.znode)) mark(*before);
  if (const auto wrong = model_.put_table(shape, outbox_.now)) {
    unreadable({shape.znode, *wrong});
    return false;
  }
  Table& table = *model_.table(shape.tid);
  table.acl = e.acl;
  if (stand_back_.active()) refusals_.table_read(table);
  for (auto& [pid, p] : table.partitions) somebody_named_a_leader({shape.tid, pid}, p);
  mark(table);
  return true;
}

void TableFacts::somebody_named_a_leader(PartitionKey at, Partition& p) {
  const bool later =
      p.unfinished_term && !p.terms.empty() && p.terms.back().term >= *p.unfinished_term;
  if (later) {
    p.unfinished_term.reset();
    p.unfinished_restart = false;
    if (p.op == 0) records_.done(at);
  }
  // A publish whose answer was lost was written after all: whoever is named there was told to lead,
  // and need not be told to follow first (SAFETY 5).
  for (Replica& r : p.replicas) {
    if (r.leads() && r.in_doubt_term == p.published_term()) r.in_doubt_term.reset();
  }
}

void TableFacts::unreadable(const TableUnreadable& e) {
  const Table* table = model_.table_of(e.znode);
  if (table) mark(*table);
  const auto known = model_.unreadable().find(e.znode);
  const bool news = known == model_.unreadable().end() || known->second != e.why;
  if (table) elections_.put_aside(table->shape.tid);
  model_.put_aside(e.znode);
  model_.unreadable()[e.znode] = e.why;
  if (!news) return;
  outbox_.note(Severity::kError, "table", e.znode + ": " + e.why + "; this table is left alone",
               {{"znode", e.znode}});
}

}  // namespace failoverd::core
