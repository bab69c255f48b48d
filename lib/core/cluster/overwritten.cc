#include "lib/core/cluster/overwritten.h"

#include <algorithm>
#include <utility>

#include "lib/core/cluster/model.h"

namespace failoverd::core {
namespace {

// Whose history is ours up to here; none: it is not a beginning of ours.
auto place_in(const PublishedLeader& ours, const std::vector<TermPair>& written) {
  return written.empty() ? ours.terms.end() : std::ranges::find(ours.terms, written.back());
}

std::size_t bytes_of(const PublishedLeader& published) {
  constexpr std::size_t kTermBytes = 24;
  std::size_t bytes = kTermBytes * published.terms.size() + published.leader.size();
  for (const Endpoint& endpoint : published.dead) bytes += 2 + endpoint.size();
  return bytes;
}

void apply(const PartitionEdit& edit, PartitionShape& to) {
  if (edit.whole) to = edit.whole->shape;
  for (const RowEdit& row : edit.rows) {
    for (Row& r : to.rows) {
      if (r.endpoint == row.endpoint) r = {row.endpoint, row.is_leader, row.is_alive};
    }
  }
  std::erase_if(to.rows,
                [&](const Row& row) { return std::ranges::count(edit.removed, row.endpoint) > 0; });
  for (const RowEdit& row : edit.added) {
    to.rows.push_back({row.endpoint, row.is_leader, row.is_alive});
  }
  to.terms.insert(to.terms.end(), edit.terms.begin(), edit.terms.end());
}

PublishedLeader as_published(const PartitionShape& shape, std::int64_t created) {
  PublishedLeader is;
  is.created = created;
  for (const Row& row : shape.rows) {
    if (row.is_leader && row.is_alive) is.leader = row.endpoint;
    if (!row.is_alive) is.dead.push_back(row.endpoint);
  }
  const std::size_t count = std::min(shape.terms.size(), kPublishedTerms);
  is.terms.assign(shape.terms.end() - static_cast<std::ptrdiff_t>(count), shape.terms.end());
  return is;
}

}  // namespace

std::vector<TermPair> history_of(const PublishedLeader& ours, std::vector<TermPair> written) {
  const auto last = place_in(ours, written);
  if (last != ours.terms.end()) written.insert(written.end(), last + 1, ours.terms.end());
  return written;
}

Row row_of(const PublishedLeader& ours, Row written) {
  if (written.endpoint == ours.leader) {
    written.is_leader = written.is_alive = true;
  } else if (std::ranges::count(ours.dead, written.endpoint) > 0) {
    written.is_alive = false;
  } else {
    written.is_leader = false;  // It followed.
  }
  return written;
}

const PartitionShape* Model::shape(PartitionKey at) const {
  const Table* known = table(at.tid);
  if (!known) return nullptr;
  const auto& shapes = known->shape.partitions;
  // Nearly always the pids count from 0.
  if (at.pid < shapes.size() && shapes[at.pid].pid == at.pid) return &shapes[at.pid];
  const auto found = std::ranges::find(shapes, at.pid, &PartitionShape::pid);
  return found == shapes.end() ? nullptr : &*found;
}

// None: it is as it was written last, or somebody has published a leader since.
const PublishedLeader* Model::overwritten(PartitionKey at, const PartitionShape& written,
                                          std::int64_t created) const {
  const auto ours = published_.find(at);
  if (ours == published_.end() || ours->second.created != created) return nullptr;
  const auto last = place_in(ours->second, written.terms);
  if (last == ours->second.terms.end() || last + 1 == ours->second.terms.end()) return nullptr;
  const bool has_leader = std::ranges::count(written.rows, ours->second.leader, &Row::endpoint) > 0;
  return has_leader ? &ours->second : nullptr;
}

// What is read, or was written by us, is how it is, whoever wrote it.
void Model::remember(PartitionKey at, const PartitionShape& written, std::int64_t created) {
  if (keeps(at) || published_.contains(at)) was_published(at, as_published(written, created));
}

void Model::was_published(PartitionKey at, PublishedLeader published) {
  std::size_t& bytes = kept_bytes_[at.tid];
  PublishedLeader& to = published_[at];
  bytes = bytes - std::min(bytes, bytes_of(to)) + bytes_of(published);
  to = std::move(published);
}

void Model::place_overwritten(Instant now) {
  for (auto& [tid, table] : tables_) {
    for (const PartitionShape& written : table.shape.partitions) {
      const PartitionKey at{tid, written.pid};
      Partition& p = table.partitions.at(written.pid);
      if (p.overwritten || published_.contains(at)) {
        place(at, written, table.shape.created, p, now);
      }
    }
  }
}

PublishedLeader Model::published_by(PartitionKey at,
                                    const std::vector<const PartitionEdit*>& edits) const {
  PartitionShape shape = *this->shape(at);
  for (const PartitionEdit* edit : edits) apply(*edit, shape);
  return as_published(shape, table(at.tid)->shape.created);
}

void Model::put_back(PartitionKey at, PartitionEdit& edit) const {
  const PartitionShape* written = shape(at);
  if (!written || edit.whole) return;
  const PublishedLeader* ours = overwritten(at, *written, table(at.tid)->shape.created);
  if (!ours) return;
  const auto missing = place_in(*ours, written->terms) + 1;
  edit.terms.insert(edit.terms.begin(), missing, ours->terms.end());
  for (const Row& row : written->rows) {
    const Row was = row_of(*ours, row);
    const bool is_edited = std::ranges::count(edit.rows, row.endpoint, &RowEdit::endpoint) > 0 ||
                           std::ranges::count(edit.removed, row.endpoint) > 0;
    if (was == row || is_edited) continue;
    edit.rows.push_back({was.endpoint, was.is_leader, was.is_alive});
  }
}

}  // namespace failoverd::core
