#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "tests/minitablet/snapshot.h"
#include "tests/minitablet/tablet.h"

namespace failoverd::minitablet {

namespace fs = std::filesystem;

namespace {

constexpr int kTries = 3;

std::string key_of(std::uint32_t tid, std::uint32_t pid, const std::string& what) {
  return std::to_string(tid) + "_" + std::to_string(pid) + "_" + what;
}

// Sends one request to another tablet; whether it said ok.
template <class Request>
asio::awaitable<bool> ask(const Options& options, std::shared_ptr<rpc::Channel> to,
                          std::string method, Request request, std::string attachment) {
  std::string payload = request.SerializeAsString();
  const rpc::Answer answer =
      co_await call(*to, options.generation->service, method, std::move(payload),
                    std::move(attachment), options.request_timeout);
  fedb::GeneralResponse response;
  co_return answer.outcome == rpc::Outcome::kAnswered&& response.ParseFromString(answer.payload) &&
      response.has_code() && response.code() == 0;
}

}  // namespace

void Tablet::send_snapshot(P<fedb::SendSnapshotRequest, fedb::GeneralResponse> call) {
  TaskPtr task;
  if (!begin_task(*call, fedb::kSendSnapshot, task)) return;
  const fedb::SendSnapshotRequest& request = call->request;
  const PartitionPtr partition = find(request.tid(), request.pid());
  const auto refuse = [&](int code, const char* msg) {
    TaskRegistry::end(task, false);
    call->end(code, msg);
  };
  const std::string key = key_of(request.tid(), request.pid(), request.endpoint());
  if (sending_.contains(key)) return refuse(kSnapshotIsSending, "snapshot is sending");
  if (!partition) return refuse(kTableIsNotExist, generation().no_table);
  if (!partition->leader) return refuse(kTableIsFollower, "table is follower");
  if (partition->state != fedb::kSnapshotPaused) {
    return refuse(kStateIsNotPaused, "table status is not kSnapshotPaused");
  }
  const std::string address = address_of(request.endpoint());
  if (address.empty()) return refuse(kNameIsNotFound, kNameIsNotFoundWords);
  sending_.insert(key);
  const Target to{request.endpoint(), address,
                  generation().sends_to_remote_tid ? request.remote_tid() : request.tid()};
  queue_task({"SendSnapshot", partition->tid(), partition->pid()},
             [self = shared_from_this(), partition, task, to] {
               return self->send_snapshot_task(partition, to, task);
             });
  call->ok();
}

asio::awaitable<void> Tablet::send_snapshot_task(PartitionPtr partition, Target to, TaskPtr task) {
  co_await pass_inside("SendSnapshot", partition);
  bool sent = false;
  if (!partition->dropped) sent = co_await send_all(partition, to);
  TaskRegistry::end(task, sent);
  sending_.erase(key_of(partition->tid(), partition->pid(), to.endpoint));
}

// The description of the table, then the snapshot if there is one, then what names it.
asio::awaitable<bool> Tablet::send_all(PartitionPtr partition, Target to) {
  bool sent = co_await send_file(partition, to, kTableMetaFile);
  const auto manifest = read_manifest(partition->directory);
  if (!manifest) co_return false;
  if (!manifest.value()) co_return sent;
  for (const std::string& name : {manifest.value()->name(), std::string{kManifestFile}}) {
    if (sent) sent = co_await send_file(partition, to, name);
  }
  co_return sent;
}

asio::awaitable<bool> Tablet::send_file(PartitionPtr partition, Target to, std::string name) {
  for (int tries = 0; tries < kTries && !stopped_; ++tries) {
    if (tries > 0) co_await sleep_for(options_.retry_send_file_wait * tries);
    const bool sent = co_await send_blocks(partition, to, name);
    if (!sent) continue;
    co_await sleep_for(options_.send_file_sleep);
    fedb::CheckFileRequest check;
    check.set_tid(to.tid);
    check.set_pid(partition->pid());
    check.set_file(name);
    if (partition->meta.has_storage_mode()) {
      check.set_storage_mode(partition->meta.storage_mode());
    }
    std::error_code error;
    check.set_size(fs::file_size(sent_file_path(partition->directory, name), error));
    if (error) co_return false;
    const bool whole =
        co_await ask(options_, channel_to(to.address), "CheckFile", check, std::string{});
    if (whole) co_return true;
  }
  co_return false;
}

asio::awaitable<bool> Tablet::send_blocks(PartitionPtr partition, Target to, std::string name) {
  const auto channel = channel_to(to.address);
  const Descriptor file{
      ::open(sent_file_path(partition->directory, name).c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file) co_return false;
  fedb::SendDataRequest request;
  request.set_tid(to.tid);
  request.set_pid(partition->pid());
  request.set_file_name(name);
  if (partition->meta.has_storage_mode()) {
    request.set_storage_mode(partition->meta.storage_mode());
  }
  request.set_block_id(0);
  request.set_block_size(0);
  const bool opened = co_await ask(options_, channel, "SendData", request, std::string{});
  if (!opened) co_return false;
  const std::uint32_t block_size = options_.stream_block_size;
  bool eof = false;
  for (std::uint64_t block = 1; !eof && !stopped_; ++block) {
    const auto began = std::chrono::steady_clock::now();
    std::string bytes(block_size, '\0');
    const ssize_t n =
        ::pread(file.get(), bytes.data(), block_size, static_cast<off_t>((block - 1) * block_size));
    if (n < 0) co_return false;
    bytes.resize(static_cast<std::size_t>(n));
    eof = bytes.size() < block_size;
    request.set_block_id(block);
    request.set_block_size(static_cast<std::uint32_t>(bytes.size()));
    if (eof) request.set_eof(true);
    const bool taken = co_await ask(options_, channel, "SendData", request, std::move(bytes));
    if (!taken) co_return false;
    if (options_.stream_bandwidth_limit > 0 && request.block_size() > block_size / 2) {
      const auto due = std::chrono::microseconds{std::uint64_t{block_size} * 1'000'000 /
                                                 options_.stream_bandwidth_limit};
      const auto used = std::chrono::steady_clock::now() - began;
      if (used < due) co_await sleep_for(due - used);
    }
  }
  co_return eof;
}

// Only the first block asks whether the table is in memory.
void Tablet::send_data(P<fedb::SendDataRequest, fedb::GeneralResponse> call) {
  const fedb::SendDataRequest& request = call->request;
  const std::string key = key_of(request.tid(), request.pid(), request.file_name());
  const fs::path directory = path_of(request.tid(), request.pid(), request.storage_mode());
  if (directory.empty()) return call->end(kFileReceiverInitFailed, "file receiver init failed");
  const fs::path path = sent_file_path(directory, request.file_name());
  fs::path temporary = path;
  temporary += ".tmp";
  if (request.block_id() == 0) {
    if (find(request.tid(), request.pid())) {
      return call->end(kTableAlreadyExists, "table already exists");
    }
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    Receiver receiver;
    receiver.file =
        Descriptor{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (!receiver.file || disk_.full()) {
      receivers_.erase(key);
      return call->end(kFileReceiverInitFailed, "file receiver init failed");
    }
    receivers_[key] = std::move(receiver);
    return call->ok();
  }
  const auto at = receivers_.find(key);
  if (at == receivers_.end()) return call->end(kCannotFindReceiver, "cannot find receiver");
  Receiver& receiver = at->second;
  if (request.block_id() == receiver.block_id) return call->ok();  // Said twice.
  if (request.block_id() != receiver.block_id + 1) {
    return call->end(kBlockIdMismatch, "block_id mismatch");
  }
  if (call->attachment.size() != request.block_size()) {
    return call->end(kReceiveDataError, "receive data error");
  }
  if (!disk_.write(receiver.file.get(), call->attachment)) {
    return call->end(kWriteDataFailed, "write data failed");
  }
  receiver.block_id = request.block_id();
  if (request.eof()) {
    std::error_code error;
    fs::rename(temporary, path, error);
    receivers_.erase(at);
  }
  call->ok();
}

void Tablet::check_file(P<fedb::CheckFileRequest, fedb::GeneralResponse> call) {
  const fs::path path = sent_file_path(
      path_of(call->request.tid(), call->request.pid(), call->request.storage_mode()),
      call->request.file());
  std::error_code error;
  const std::uint64_t size = fs::file_size(path, error);
  if (error) return call->end(kFailedCode, "get size failed");
  if (size != call->request.size()) return call->end(kFailedCode, "check size failed");
  call->ok();
}

}  // namespace failoverd::minitablet
