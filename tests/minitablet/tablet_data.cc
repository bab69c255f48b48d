#include <boost/asio/post.hpp>
#include <boost/endian/conversion.hpp>
#include <utility>

#include "tests/minitablet/tablet.h"

namespace failoverd::minitablet {
namespace {

template <class Request>
const std::string& key_of(const Request& request) {
  if constexpr (requires { request.key(); }) {
    return request.key();
  } else {
    return request.pk();
  }
}

template <class CallType>
void end_without_row(CallType& call) {
  if constexpr (requires { call.response.set_value(""); }) {
    call.response.set_ts(0);
    call.response.set_value("");
  }
  call.end(kKeyNotFound, "key not found");
}

// Followers serve reads, too; only a table that is absent or loading does not.
template <class CallType>
const std::vector<Row>* readable_rows(const PartitionPtr& partition, const Generation& generation,
                                      CallType& call) {
  if (!partition) {
    call.end(kTableIsNotExist, generation.no_table);
    return nullptr;
  }
  if (partition->state == fedb::kTableLoading) {
    call.end(kTableIsLoading, "table is loading");
    return nullptr;
  }
  const std::vector<Row>* rows = partition->table.rows(0, key_of(call.request));
  if (!rows) end_without_row(call);
  return rows;
}

void append_pair(std::string& pairs, const Row& row) {
  const auto size =
      boost::endian::native_to_little(static_cast<std::uint32_t>(8 + row.value.size()));
  const auto ts = boost::endian::native_to_little(row.ts);
  pairs.append(reinterpret_cast<const char*>(&size), sizeof size);
  pairs.append(reinterpret_cast<const char*>(&ts), sizeof ts);
  pairs += row.value;
}

fedb::LogEntry entry_of(const fedb::PutRequest& request) {
  fedb::LogEntry entry;
  entry.set_value(request.value());
  entry.set_ts(static_cast<std::uint64_t>(request.time()));
  if (request.dimensions_size() > 0) {
    *entry.mutable_dimensions() = request.dimensions();
  } else {
    entry.set_pk(request.pk());
  }
  return entry;
}

}  // namespace

void Tablet::put(P<fedb::PutRequest, fedb::PutResponse> call) {
  const PartitionPtr partition = find(call->request.tid(), call->request.pid());
  if (!partition) return call->end(kTableIsNotExist, generation().no_table);
  if (!partition->leader) return call->end(kTableIsFollower, "table is follower");
  if (partition->state == fedb::kTableLoading) {
    return call->end(kTableIsLoading, "table is loading");
  }
  // What has passed the checks is appended whatever the role is by then.
  const Faults::Where where{"Put", partition->tid(), partition->pid()};
  faults_.pass(where, control::kInside, [partition, call] {
    partition->put(entry_of(call->request));
    call->response.set_code(kOkCode);
    call->answer();
  });
}

void Tablet::get(P<fedb::GetRequest, fedb::GetResponse> call) {
  const auto* rows =
      readable_rows(find(call->request.tid(), call->request.pid()), generation(), *call);
  if (!rows) return;
  for (auto row = rows->rbegin(); row != rows->rend(); ++row) {
    if (call->request.ts() != 0 && row->ts != call->request.ts()) continue;
    call->response.set_code(kOkCode);
    call->response.set_ts(row->ts);
    call->response.set_value(row->value);
    return call->answer();
  }
  end_without_row(*call);
}

void Tablet::scan(P<fedb::ScanRequest, fedb::ScanResponse> call) {
  const fedb::ScanRequest& request = call->request;
  if (request.st() < request.et()) {
    return call->end(kStartBelowEnd, "starttime less than endtime");
  }
  const auto* rows = readable_rows(find(request.tid(), request.pid()), generation(), *call);
  if (!rows) return;
  std::uint32_t count = 0;
  std::string& pairs = *call->response.mutable_pairs();
  for (auto row = rows->rbegin(); row != rows->rend(); ++row) {
    if (request.st() != 0 && row->ts > request.st()) continue;
    if (row->ts <= request.et()) break;
    if (request.limit() != 0 && count >= request.limit()) break;
    append_pair(pairs, *row);
    ++count;
  }
  call->response.set_code(kOkCode);
  call->response.set_count(count);
  call->answer();
}

void Tablet::append_entries(P<fedb::AppendEntriesRequest, fedb::AppendEntriesResponse> call) {
  const PartitionPtr partition = find(call->request.tid(), call->request.pid());
  if (!partition) return call->end(kTableIsNotExist, generation().no_table);
  if (partition->leader) return call->end(kTableIsLeader, "table is leader");
  if (partition->state == fedb::kTableLoading) {
    return call->end(kTableIsLoading, "table is loading");
  }
  const auto finish = [partition, call](bool taken) {
    if (taken) return call->ok();
    call->end(kAppendEntriesFailed, "fail to append entries to replicator");
  };
  if (!partition->takes_term(call->request)) return finish(false);
  const auto append = [partition, call, finish] {
    finish(partition->append_entries(call->request, call->response));
  };
  if (!generation().appends_after_check || is_probe(call->request)) return append();
  // Whoever else has called meanwhile comes first.
  const Faults::Where where{"AppendEntries", partition->tid(), partition->pid()};
  faults_.pass(where, control::kInside, [this, append] { boost::asio::post(io_, append); });
}

}  // namespace failoverd::minitablet
