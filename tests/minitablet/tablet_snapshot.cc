#include <fcntl.h>

#include <utility>

#include "tests/minitablet/record_reader.h"
#include "tests/minitablet/snapshot.h"
#include "tests/minitablet/tablet.h"

namespace failoverd::minitablet {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kChunkBytes = 256u << 10;

// A snapshot file in the making; what is not finished is removed.
class SnapshotFile {
 public:
  SnapshotFile(const Disk& disk, fs::path directory) : disk_{disk} {
    std::error_code error;
    fs::create_directories(directory, error);
    path_ = directory / (time_suffix() + ".sdb");
    for (int n = 1; fs::exists(path_); ++n) {
      path_ = directory / (time_suffix() + "_" + std::to_string(n) + ".sdb");
    }
    temporary_ = path_;
    temporary_ += ".tmp";
    fd_ = Descriptor{::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    good_ = static_cast<bool>(fd_) && !disk_.full();
  }
  ~SnapshotFile() {
    std::error_code error;
    if (!kept_) fs::remove(temporary_, error);
  }

  void add(const Record& record) {
    append_frame(buffer_, record);
    manifest_.set_count(manifest_.count() + 1);
    manifest_.set_offset(record.index);
    manifest_.set_term(record.term);
    if (buffer_.size() >= kChunkBytes) flush();
  }
  bool good() const { return good_; }
  std::uint64_t offset() const { return manifest_.offset(); }

  // Gives the file its name; then its manifest may be written.
  bool keep(fedb::Manifest& manifest) {
    flush();
    if (!good_) return false;
    std::error_code error;
    fs::rename(temporary_, path_, error);
    kept_ = !error;
    manifest = manifest_;
    manifest.set_name(path_.filename().string());
    return kept_;
  }

 private:
  void flush() {
    good_ = good_ && disk_.write(fd_.get(), buffer_);
    buffer_.clear();
  }

  const Disk& disk_;
  fs::path path_;
  fs::path temporary_;
  Descriptor fd_;
  std::string buffer_;
  fedb::Manifest manifest_;
  bool good_ = false;
  bool kept_ = false;
};

// Copies the records between two offsets, with a rest for everybody else now and then.
asio::awaitable<bool> copy(RecordReader& reader, SnapshotFile& file, std::uint64_t after,
                           std::uint64_t up_to) {
  Record record;
  for (std::uint64_t n = 1; file.good(); ++n) {
    if (n % 1000 == 0) co_await yield();
    if (reader.next(record) != RecordReader::Next::kRecord) break;
    if (record.index > up_to) break;
    if (record.index > after) file.add(record);
  }
  co_return file.good();
}

}  // namespace

void Tablet::make_snapshot(GeneralCall call) {
  TaskPtr task;
  if (!begin_task(*call, fedb::kMakeSnapshot, task)) return;
  const PartitionPtr partition = find(static_cast<std::uint32_t>(call->request.tid()),
                                      static_cast<std::uint32_t>(call->request.pid()));
  if (!partition || partition->state != fedb::kTableNormal) {
    TaskRegistry::end(task, false);
    if (!partition) return call->end(kSnapshotIsNotExist, "snapshot is not exist");
    return call->end(kStateIsNotNormal, "table status is not kNormal");
  }
  snapshot_pool_->add([self = shared_from_this(), partition, task] {
    return self->make_snapshot_task(partition, task);
  });
  call->ok();
}

asio::awaitable<void> Tablet::make_snapshot_task(PartitionPtr partition, TaskPtr task) {
  if (partition->dropped || partition->state != fedb::kTableNormal) {
    TaskRegistry::end(task, false);
    co_return;
  }
  partition->state = fedb::kMakingSnapshot;
  co_await pass_inside("MakeSnapshot", partition);
  bool done = true;
  if (partition->offset >= partition->snapshot_offset + options_.make_snapshot_threshold_offset) {
    done = co_await write_snapshot(partition);
  }
  partition->state = fedb::kTableNormal;
  TaskRegistry::end(task, done);
}

asio::awaitable<bool> Tablet::write_snapshot(PartitionPtr partition) {
  const std::uint64_t up_to = partition->offset;
  const auto old = read_manifest(partition->directory);
  if (!old) co_return false;
  SnapshotFile file{disk_, partition->directory / "snapshot"};
  std::uint64_t offset = 0;
  if (old.value()) {
    RecordReader reader{sent_file_path(partition->directory, old.value()->name())};
    if (!reader.is_open()) co_return false;
    const bool copied = co_await copy(reader, file, 0, old.value()->offset());
    if (!copied) co_return false;
    offset = old.value()->offset();
  }
  for (const Binlog::File& log : std::vector{partition->binlog.files()}) {
    RecordReader reader{partition->binlog.path_of(log)};
    if (!reader.is_open()) continue;
    const bool copied = co_await copy(reader, file, offset, up_to);
    if (!copied) co_return false;
    offset = std::max(offset, file.offset());
  }
  fedb::Manifest manifest;
  if (!file.keep(manifest) || !write_manifest(disk_, partition->directory, manifest)) {
    co_return false;
  }
  std::error_code error;
  if (old.value()) {
    fs::remove(sent_file_path(partition->directory, old.value()->name()), error);
  }
  partition->snapshot_offset = manifest.offset();
  partition->snapshot_file = partition->binlog.file_behind(manifest.offset());
  co_return true;
}

void Tablet::pause_snapshot(GeneralCall call) {
  change_pause(std::move(call), fedb::kPauseSnapshot, fedb::kSnapshotPaused, kStateIsNotNormal,
               "table status is not kNormal");
}

void Tablet::recover_snapshot(GeneralCall call) {
  change_pause(std::move(call), fedb::kRecoverSnapshot, fedb::kTableNormal, kStateIsNotPaused,
               "table status is not kSnapshotPaused");
}

// From either state; any other is refused with this code and text.
void Tablet::change_pause(GeneralCall call, fedb::TaskType type, fedb::TableState to,
                          TabletCode code, const char* text) {
  TaskPtr task;
  if (!begin_task(*call, type, task)) return;
  const PartitionPtr partition = find(static_cast<std::uint32_t>(call->request.tid()),
                                      static_cast<std::uint32_t>(call->request.pid()));
  const bool can = partition && (partition->state == fedb::kTableNormal ||
                                 partition->state == fedb::kSnapshotPaused);
  TaskRegistry::end(task, can);
  if (!partition) return call->end(kTableIsNotExist, generation().no_table);
  if (!can) return call->end(code, text);
  partition->state = to;
  call->ok();
}

void Tablet::get_manifest(P<fedb::GetManifestRequest, fedb::GetManifestResponse> call) {
  const auto manifest = read_manifest(
      path_of(call->request.tid(), call->request.pid(), call->request.storage_mode()));
  if (!manifest) return call->end(kFailedCode, "parse manifest failed");
  if (manifest.value()) {
    *call->response.mutable_manifest() = *manifest.value();
  } else {
    call->response.mutable_manifest()->set_offset(0);
  }
  call->ok();
}

}  // namespace failoverd::minitablet
