#include <algorithm>
#include <utility>

#include "tests/minitablet/follower_link.h"
#include "tests/minitablet/snapshot.h"
#include "tests/minitablet/tablet.h"

namespace failoverd::minitablet {

std::shared_ptr<FollowerLink> Tablet::make_link(const PartitionPtr& partition,
                                                const std::string& endpoint) {
  return std::make_shared<FollowerLink>(io_, partition, endpoint, channel_to(address_of(endpoint)),
                                        link_options_);
}

int Tablet::add_links(const PartitionPtr& partition, const std::vector<std::string>& endpoints) {
  if (endpoints.empty()) return 1;
  if (!partition->replicates) return -1;
  for (const std::string& endpoint : endpoints) {
    for (const auto& link : partition->followers) {
      if (link->endpoint() == endpoint) return 1;
    }
    partition->followers.push_back(make_link(partition, endpoint));
    partition->followers.back()->start();
  }
  return 0;
}

void Tablet::stop_links(std::vector<std::shared_ptr<FollowerLink>> links,
                        std::function<void()> done) {
  if (links.empty()) return done();
  const auto first = links.front();
  links.erase(links.begin());
  first->stop([links = std::move(links), done = std::move(done), first]() mutable {
    stop_links(std::move(links), std::move(done));
  });
}

boost::asio::awaitable<void> Tablet::join_links(std::vector<std::shared_ptr<FollowerLink>> links) {
  return asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
      [](auto handler, auto all) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        stop_links(std::move(all), [shared] { std::move (*shared)(); });
      },
      asio::use_awaitable, std::move(links));
}

void Tablet::change_role(P<fedb::ChangeRoleRequest, fedb::ChangeRoleResponse> call) {
  const fedb::ChangeRoleRequest& request = call->request;
  const PartitionPtr partition = find(request.tid(), request.pid());
  if (!partition) return call->end(kTableIsNotExist, generation().no_table);
  if (generation().changes_role_when_normal_only) {
    if (partition->state != fedb::kTableNormal) {
      return call->end(kStateIsNotNormal, "table status is not kNormal");
    }
  } else if (partition->state == fedb::kTableLoading) {
    return call->end(kTableIsLoading, "table is loading");
  }
  if (!knows_all(request.replicas())) return call->end(kNameIsNotFound, kNameIsNotFoundWords);
  // An absent mode is read as the first value of the enum.
  if (request.mode() != fedb::kTableLeader) return become_follower(call, partition);
  if (partition->leader) return call->end(kTableIsLeader, "table is leader");
  partition->leader = partition->replicates = true;
  partition->term = request.term();  // Also a lower one.
  (void)add_links(partition, {request.replicas().begin(), request.replicas().end()});
  call->ok();
}

// What is not yet sent stays unsent. The mutex is kept while the links end: all others wait.
void Tablet::become_follower(P<fedb::ChangeRoleRequest, fedb::ChangeRoleResponse> call,
                             PartitionPtr partition) {
  if (!partition->leader) return call->end(kOkCode, "table is follower");
  gate_.hold();
  auto links = std::exchange(partition->followers, {});
  stop_links(std::move(links), [self = weak_from_this(), call, partition] {
    const auto tablet = self.lock();
    if (!tablet || tablet->stopped_) return;
    partition->leader = partition->replicates = false;
    call->ok();
    tablet->gate_.release();
  });
}

void Tablet::add_replica(P<fedb::ReplicaRequest, fedb::GeneralResponse> call) {
  TaskPtr task;
  if (!begin_task(*call, fedb::kAddReplica, task)) return;
  const PartitionPtr partition = find(call->request.tid(), call->request.pid());
  const auto refuse = [&](int code, const char* msg) {
    TaskRegistry::end(task, false);
    call->end(code, msg);
  };
  if (!partition) return refuse(kTableIsNotExist, generation().no_table);
  if (!partition->leader) return refuse(kTableIsFollower, "table is follower");
  if (address_of(call->request.endpoint()).empty()) {
    return refuse(kNameIsNotFound, kNameIsNotFoundWords);
  }
  const int added = add_links(partition, {call->request.endpoint()});
  if (added < 0) return refuse(kAddReplicaFailed, "fail to add replica endpoint");
  // That it exists already is an error to the caller and a success to the task.
  TaskRegistry::end(task, true);
  if (added > 0) return call->end(kReplicaAlreadyExists, "replica endpoint already exists");
  call->ok();
}

// Joins without the mutex: only this call waits, and a later ChangeRole finds no link to join.
void Tablet::del_replica(P<fedb::ReplicaRequest, fedb::GeneralResponse> call) {
  TaskPtr task;
  if (!begin_task(*call, fedb::kDelReplica, task)) return;
  const PartitionPtr partition = find(call->request.tid(), call->request.pid());
  const auto refuse = [&](int code, const char* msg) {
    TaskRegistry::end(task, false);
    call->end(code, msg);
  };
  if (!partition) return refuse(kTableIsNotExist, generation().no_table);
  if (!partition->leader) return refuse(kTableIsFollower, "table is follower");
  if (!partition->replicates) {
    return refuse(kReplicatorIsNotLeader, "replicator role is not leader");
  }
  auto& links = partition->followers;
  const auto at = std::find_if(links.begin(), links.end(), [&](const auto& link) {
    return link->endpoint() == call->request.endpoint();
  });
  if (at == links.end()) {
    TaskRegistry::end(task, true);
    return call->end(kOkCode, "replica does not exist");
  }
  const auto link = *at;
  links.erase(at);
  link->stop([self = weak_from_this(), call, task, link] {
    const auto tablet = self.lock();
    if (!tablet || tablet->stopped_) return;
    tablet->gate_.enter([call, task] {
      TaskRegistry::end(task, true);
      call->ok();
    });
  });
}

void Tablet::get_table_follower(
    P<fedb::GetTableFollowerRequest, fedb::GetTableFollowerResponse> call) {
  const PartitionPtr partition = find(call->request.tid(), call->request.pid());
  if (!partition) return call->end(kTableIsNotExist, generation().no_table);
  if (!partition->leader) return call->end(kTableIsFollower, "table is follower");
  call->response.set_offset(partition->offset);
  std::map<std::string, std::uint64_t> offsets;
  for (const auto& link : partition->followers) offsets[link->endpoint()] = link->offset();
  for (const auto& [endpoint, offset] : offsets) {
    fedb::FollowerInfo& info = *call->response.add_follower_info();
    info.set_endpoint(endpoint);
    info.set_offset(offset);
  }
  if (offsets.empty()) return call->end(generation().no_follower, generation().no_follower_words);
  call->ok();
}

namespace {

void describe(const Partition& partition, const Generation& generation, fedb::TableStatus& status) {
  const Table& table = partition.table;
  status.set_tid(partition.tid());
  status.set_pid(partition.pid());
  status.set_offset(partition.offset);
  status.set_mode(partition.leader ? fedb::kTableLeader : fedb::kTableFollower);
  status.set_state(partition.state);
  status.set_is_expire(!generation.status_tells_ttl);
  status.set_record_cnt(table.record_count());
  fedb::TsIdxStatus& index = *status.add_ts_idx_status();
  index.set_idx_name("idx0");
  std::uint64_t in_index = 0;
  for (const std::uint64_t count : table.segment_counts()) {
    index.add_seg_cnts(count);
    in_index += count;
  }
  status.set_idx_cnt(in_index);
  status.set_name(partition.meta.name());
  status.set_record_byte_size(table.record_bytes());
  status.set_record_idx_byte_size(table.index_bytes());
  status.set_record_pk_cnt(table.key_count());
  status.set_compress_type(partition.meta.compress_type());
  status.set_skiplist_height(4);
  if (generation.status_tells_ttl) {
    status.set_ttl(partition.meta.ttl());
    status.set_time_offset(0);
    status.set_ttl_type(partition.meta.has_ttl_type() ? partition.meta.ttl_type()
                                                      : fedb::kAbsoluteTime);
  } else {
    status.set_diskused(0);
  }
}

}  // namespace

void Tablet::get_table_status(P<fedb::GetTableStatusRequest, fedb::GetTableStatusResponse> call) {
  const fedb::GetTableStatusRequest& request = call->request;
  for (const auto& [key, partition] : partitions_) {
    if (request.has_tid() && request.tid() != key.first) continue;
    if (request.has_pid() && request.pid() != key.second) continue;
    describe(*partition, generation(), *call->response.add_all_table_status());
  }
  call->response.set_code(kOkCode);
  call->answer();
}

void Tablet::get_term_pair(P<fedb::GetTermPairRequest, fedb::GetTermPairResponse> call) {
  fedb::GetTermPairResponse& response = call->response;
  if (const PartitionPtr partition = find(call->request.tid(), call->request.pid())) {
    response.set_has_table(true);
    response.set_is_leader(partition->leader);
    response.set_term(partition->term);
    response.set_offset(partition->offset);
    return call->ok();
  }
  response.set_has_table(false);
  response.set_term(0);
  response.set_offset(0);
  const auto directory =
      path_of(call->request.tid(), call->request.pid(), call->request.storage_mode());
  const auto manifest = read_manifest(directory);
  if (manifest && manifest.value() &&
      std::filesystem::exists(sent_file_path(directory, manifest.value()->name()))) {
    response.set_term(manifest.value()->term());
    response.set_offset(manifest.value()->offset());
  }
  call->end(kOkCode, generation().term_pair_without_table);
}

// No row here carries a name: the map has no use.
void Tablet::update_real_endpoint_map(
    P<fedb::UpdateRealEndpointMapRequest, fedb::GeneralResponse> call) {
  addresses_.clear();
  for (const fedb::RealEndpointPair& one : call->request.real_endpoint_map()) {
    addresses_[one.name()] = one.real_endpoint();
  }
  call->ok();
}

void Tablet::get_task_status(P<fedb::GetTaskStatusRequest, fedb::GetTaskStatusResponse> call) {
  tasks_.for_each([&](const fedb::TaskInfo& task) { *call->response.add_task() = task; });
  call->ok();
}

void Tablet::delete_op_task(P<fedb::DeleteOPTaskRequest, fedb::GeneralResponse> call) {
  for (const std::uint64_t op_id : call->request.op_id()) tasks_.forget(op_id);
  call->ok();
}

}  // namespace failoverd::minitablet
