#include <algorithm>
#include <set>
#include <utility>

#include "tests/minitablet/follower_link.h"
#include "tests/minitablet/record_reader.h"
#include "tests/minitablet/snapshot.h"
#include "tests/minitablet/tablet.h"

namespace failoverd::minitablet {

namespace fs = std::filesystem;

namespace {

constexpr const char kNoRootPathWords[] = "fail to get db root path";

bool is_on_disk(const TableMeta& meta) {
  return meta.storage_mode() == fedb::kSSD || meta.storage_mode() == fedb::kHDD;
}

const char* what_is_wrong(const TableMeta& meta) {
  if (meta.name().empty()) return "table name is empty";
  if (meta.tid() <= 0) return "tid is zero";
  return nullptr;
}

std::string name_of(std::uint32_t tid, std::uint32_t pid) {
  return std::to_string(tid) + "_" + std::to_string(pid);
}

// Each of them once.
bool has_columns(const TableMeta& meta) {
  const std::set<std::string> columns{meta.column_desc().begin(), meta.column_desc().end()};
  return !columns.empty() && static_cast<int>(columns.size()) == meta.column_desc_size();
}

// The disk's description with the request's fields over it, and the request's replicas. So the
// schema and ttl come from the disk, and whatever the request leaves out, the mode too. Columns are
// put behind the disk's.
TableMeta over_the_disks(const fs::path& directory, const TableMeta& request) {
  const auto old = read_table_meta(directory);
  if (!old || !old.value()) return request;
  TableMeta meta = *old.value();
  meta.clear_replicas();
  meta.MergeFrom(request);
  std::error_code error;
  fs::path aside = directory / kTableMetaFile;
  aside += "." + time_suffix();
  fs::rename(directory / kTableMetaFile, aside, error);
  return meta;
}

}  // namespace

Result<PartitionPtr> Tablet::make_partition(const TableMeta& meta) {
  const auto tid = static_cast<std::uint32_t>(meta.tid());
  const auto pid = static_cast<std::uint32_t>(meta.pid());
  if (generation().needs_columns && !has_columns(meta)) return Failure{"fail to init table"};
  auto partition = std::make_shared<Partition>(disk_, path_of(tid, pid, meta.storage_mode()), meta,
                                               generation(), options_.binlog_single_file_max_bytes);
  if (auto opened = partition->binlog.open(); !opened) return opened.error();
  if (partition->leader) {
    for (const std::string& endpoint : meta.replicas()) {
      partition->followers.push_back(make_link(partition, endpoint));
    }
  }
  return partition;
}

Result<PartitionPtr> Tablet::add_partition(const TableMeta& meta) {
  auto made = make_partition(meta);
  if (made) partitions_[{made.value()->tid(), made.value()->pid()}] = made.value();
  return made;
}

void Tablet::create_table(P<CreateTableRequest, fedb::GeneralResponse> call) {
  const TableMeta& meta = call->request.table_meta();
  if (const char* wrong = what_is_wrong(meta)) return call->end(kTableMetaIsInvalid, wrong);
  const auto tid = static_cast<std::uint32_t>(meta.tid());
  const auto pid = static_cast<std::uint32_t>(meta.pid());
  if (find(tid, pid)) return call->end(kTableAlreadyExists, "table already exists");
  const fs::path directory = path_of(tid, pid, meta.storage_mode());
  if (directory.empty()) return call->end(kNoRootPath, kNoRootPathWords);
  if (!knows_all(meta.replicas())) return call->end(kNameIsNotFound, kNameIsNotFoundWords);
  std::error_code error;
  fs::create_directories(directory, error);
  if (!write_table_meta(disk_, directory, meta)) {
    return call->end(kWriteDataFailed, "write data failed");
  }
  const auto partition = add_partition(meta);
  if (!partition) return call->end(kCreateTableFailed, partition.error().text.c_str());
  partition.value()->state = fedb::kTableNormal;
  for (const auto& link : partition.value()->followers) link->start();
  call->ok();
}

void Tablet::load_table(P<LoadTableRequest, fedb::GeneralResponse> call) {
  TaskPtr task;
  if (!begin_task(*call, fedb::kLoadTable, task)) return;
  const auto refuse = [&](int code, const char* msg) {
    TaskRegistry::end(task, false);
    call->end(code, msg);
  };
  const TableMeta& request = call->request.table_meta();
  if (const char* wrong = what_is_wrong(request)) return refuse(kTableMetaIsInvalid, wrong);
  const auto tid = static_cast<std::uint32_t>(request.tid());
  const auto pid = static_cast<std::uint32_t>(request.pid());
  const fs::path directory = path_of(tid, pid, request.storage_mode());
  if (directory.empty()) return refuse(kNoRootPath, kNoRootPathWords);
  if (!knows_all(request.replicas())) return refuse(kNameIsNotFound, kNameIsNotFoundWords);
  if (!fs::exists(directory)) {
    if (!generation().loads_without_directory) {
      return refuse(kTablePathIsNotExist, "table db path is not exist");
    }
    std::error_code error;
    fs::create_directories(directory, error);
  }
  if (find(tid, pid)) return refuse(kTableAlreadyExists, "table already exists");
  const TableMeta meta = over_the_disks(directory, request);
  if (!write_table_meta(disk_, directory, meta)) {
    return refuse(kWriteDataFailed, "write data failed");
  }
  const Faults::Where where{"LoadTable", tid, pid};
  if (is_on_disk(meta)) {
    if (generation().needs_columns && !has_columns(meta)) {
      return refuse(kCreateTableFailed, "fail to init table");
    }
    queue_task(where, [self = shared_from_this(), meta, task] {
      return self->load_from_disk_task(meta, task);
    });
    return call->ok();
  }
  const auto partition = add_partition(meta);
  if (!partition) return refuse(kCreateTableFailed, partition.error().text.c_str());
  // Until its task begins the table is there, at offset 0 and not even kTableLoading. What is
  // appended to it meanwhile begins a new binlog file at offset 0 (SAFETY 19).
  queue_task(where, [self = shared_from_this(), partition = partition.value(), task] {
    return self->load_table_task(partition, task);
  });
  call->ok();
}

void Tablet::queue_task(const Faults::Where& where, TaskPool::Work work) {
  faults_.pass(where, control::kQueued, [this, work = std::move(work)] {
    if (options_.task_queue == Millis{0}) return task_pool_->add(work);
    asio::co_spawn(
        io_,
        [wait = options_.task_queue, pool = task_pool_, work]() -> asio::awaitable<void> {
          co_await sleep_for(wait);
          pool->add(work);
        },
        asio::detached);
  });
}

asio::awaitable<void> Tablet::load_table_task(PartitionPtr partition, TaskPtr task) {
  if (partition->dropped) {
    TaskRegistry::end(task, false);
    co_return;
  }
  partition->state = fedb::kTableLoading;
  co_await pass_inside("LoadTable", partition);
  const bool loaded = co_await load(partition);
  if (loaded && !partition->dropped) {
    partition->state = fedb::kTableNormal;
    for (const auto& link : partition->followers) link->start();
  } else if (!loaded && !partition->dropped) {
    co_await drop_table_task(partition, nullptr);
  }
  TaskRegistry::end(task, loaded);
}

// Nothing keeps a second load of it from being queued behind the first; it fails, and what has been
// loaded goes with its directory, as with every load that fails.
asio::awaitable<void> Tablet::load_from_disk_task(TableMeta meta, TaskPtr task) {
  const auto made = make_partition(meta);
  if (!made) {
    TaskRegistry::end(task, false);
    co_return;
  }
  const PartitionPtr partition = made.value();
  co_await pass_inside("LoadTable", partition);
  const PartitionPtr other = find(partition->tid(), partition->pid());
  bool loaded = false;
  if (!other) loaded = co_await load(partition);
  if (loaded) {
    partition->state = fedb::kTableNormal;
    partitions_[{partition->tid(), partition->pid()}] = partition;
    for (const auto& link : partition->followers) link->start();
  } else {
    co_await drop_table_task(other ? other : partition, nullptr);
  }
  TaskRegistry::end(task, loaded);
}

asio::awaitable<bool> Tablet::load(PartitionPtr partition) {
  const auto manifest = read_manifest(partition->directory);
  if (!manifest) co_return false;
  std::uint64_t offset = 0;
  if (manifest.value()) {
    RecordReader reader{sent_file_path(partition->directory, manifest.value()->name())};
    if (!reader.is_open()) co_return false;
    const bool whole = co_await load_file(partition, reader, 0, offset);
    if (!whole) co_return false;
    offset = manifest.value()->offset();
    partition->snapshot_offset = offset;
  }
  // Reads from the newest file on that begins at or below the snapshot. A file that was begun while
  // the table waited to be loaded begins at 0: what is in the files before it is lost.
  const std::vector<Binlog::File> files = partition->binlog.files();
  const std::int64_t first = partition->binlog.file_behind(offset);
  const std::uint64_t appended = partition->offset;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (files[i].number < first) continue;
    RecordReader reader{partition->binlog.path_of(files[i])};
    if (!reader.is_open()) co_return false;
    const bool begun_now = partition->binlog.writes_to(files[i]);
    const bool whole = co_await load_file(partition, reader, begun_now ? appended : 0, offset);
    if (!whole && i + 1 < files.size()) co_return false;
    // The tablet died while it wrote the last record: it was never acknowledged.
    if (!whole) partition->binlog.truncate(i, reader.good_bytes());
  }
  partition->offset = offset;
  partition->snapshot_file = partition->binlog.file_behind(partition->snapshot_offset);
  co_return true;
}

asio::awaitable<bool> Tablet::load_file(PartitionPtr partition, RecordReader& reader,
                                        std::uint64_t in_memory, std::uint64_t& offset) {
  Record record;
  fedb::LogEntry entry;
  for (std::uint64_t n = 1;; ++n) {
    if (n % 1000 == 0) co_await yield();
    switch (reader.next(record)) {
      case RecordReader::Next::kRecord:
        break;
      case RecordReader::Next::kEnd:
        co_return true;
      default:
        co_return false;
    }
    if (record.index <= offset) continue;
    if (!entry.ParseFromString(record.entry)) co_return false;
    if (record.index > in_memory) partition->table.apply(entry);
    offset = record.index;
  }
}

void Tablet::drop_table(P<fedb::DropTableRequest, fedb::GeneralResponse> call) {
  TaskPtr task;
  if (!begin_task(*call, fedb::kDropTable, task)) return;
  const PartitionPtr partition = find(static_cast<std::uint32_t>(call->request.tid()),
                                      static_cast<std::uint32_t>(call->request.pid()));
  if (!partition || partition->state == fedb::kMakingSnapshot) {
    TaskRegistry::end(task, false);
    if (!partition) return call->end(kTableIsNotExist, generation().no_table);
    return call->end(kStateIsMakingSnapshot, "table status is kMakingSnapshot");
  }
  queue_task({"DropTable", partition->tid(), partition->pid()},
             [self = shared_from_this(), partition, task]() -> asio::awaitable<void> {
               co_await self->pass_inside("DropTable", partition);
               co_await self->drop_table_task(partition, task);
             });
  call->ok();
}

asio::awaitable<void> Tablet::drop_table_task(PartitionPtr partition, TaskPtr task) {
  if (!std::exchange(partition->dropped, true)) {
    partitions_.erase({partition->tid(), partition->pid()});
    co_await join_links(std::exchange(partition->followers, {}));
    if (fs::exists(partition->directory)) {
      set_aside(partition->directory, name_of(partition->tid(), partition->pid()));
    }
  }
  TaskRegistry::end(task, true);
}

void Tablet::delete_binlog(GeneralCall call) {
  const auto tid = static_cast<std::uint32_t>(call->request.tid());
  const auto pid = static_cast<std::uint32_t>(call->request.pid());
  const fs::path root = path_of(tid, pid, call->request.storage_mode());
  if (root.empty()) return call->end(kNoRootPath, kNoRootPathWords);
  const fs::path directory = root / "binlog";
  // A table that is in memory goes on writing into the file that is moved away.
  if (fs::exists(directory)) set_aside(directory, name_of(tid, pid) + "_binlog");
  call->ok();
}

void Tablet::set_aside(const fs::path& from, const std::string& name) {
  std::error_code error;
  if (options_.recycle_bin_enabled) {
    (void)move_to_recycle_bin(from, options_.recycle_bin_root_path, name);
  } else {
    fs::remove_all(from, error);
  }
}

void Tablet::schedule_delete() {
  delete_timer_.expires_after(options_.binlog_delete_interval);
  delete_timer_.async_wait([self = weak_from_this()](const boost::system::error_code& error) {
    const auto tablet = self.lock();
    if (error || !tablet || tablet->stopped_) return;
    tablet->delete_old_binlogs();
    tablet->schedule_delete();
  });
}

// A file that the snapshot or a follower still needs stays; a follower that has not read anything
// yet needs them all.
void Tablet::delete_old_binlogs() {
  for (const auto& [key, partition] : partitions_) {
    std::int64_t keep = partition->snapshot_file;
    for (const auto& link : partition->followers) keep = std::min(keep, link->file());
    partition->binlog.delete_below(keep);
  }
}

}  // namespace failoverd::minitablet
