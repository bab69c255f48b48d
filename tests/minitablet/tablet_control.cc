#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

#include "tests/minitablet/record_reader.h"
#include "tests/minitablet/snapshot.h"
#include "tests/minitablet/tablet.h"

namespace failoverd::minitablet {
namespace {

constexpr std::uint32_t kRowsAtOnce = 10000;
constexpr std::size_t kBytesAtOnce = 16u << 20;

// FNV-1a over the fields of a row; rows are summed up, so that their order does not count.
class RowHash {
 public:
  void add(std::string_view bytes) {
    for (const char c : bytes) {
      hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    }
    add(bytes.size());
  }
  void add(std::uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) {
      hash_ = (hash_ ^ ((number >> shift) & 0xff)) * 0x100000001b3u;
    }
  }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325u;
};

struct DumpRow {
  std::uint32_t idx;
  const std::string* key;
  const Row* row;
};

void fill(const Table& table, const control::DumpRequest& request,
          control::DumpResponse& response) {
  std::vector<DumpRow> rows;
  std::uint64_t digest = 0;
  std::uint64_t count = 0;
  table.for_each([&](std::uint32_t idx, const std::string& key, const Row& row) {
    RowHash hash;
    hash.add(idx);
    hash.add(key);
    hash.add(row.ts);
    hash.add(row.index);
    hash.add(row.term);
    hash.add(row.value);
    digest += hash.value();
    ++count;
    if (row.index > request.after_index()) rows.push_back(DumpRow{idx, &key, &row});
  });
  response.set_row_count(count);
  response.set_digest(digest);
  std::sort(rows.begin(), rows.end(), [](const DumpRow& a, const DumpRow& b) {
    return std::tie(a.row->index, a.idx, *a.key) < std::tie(b.row->index, b.idx, *b.key);
  });
  const std::size_t most = request.has_max_rows() ? request.max_rows() : kRowsAtOnce;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    // Rows of one index stay together: the next page begins behind it.
    const bool new_index = i == 0 || rows[i].row->index != rows[i - 1].row->index;
    if (new_index && (i >= most || bytes >= kBytesAtOnce)) {
      response.set_more(true);
      return;
    }
    control::DumpedRow& out = *response.add_rows();
    out.set_index(rows[i].row->index);
    out.set_term(rows[i].row->term);
    out.set_pk(*rows[i].key);
    out.set_ts(rows[i].row->ts);
    out.set_value(rows[i].row->value);
    out.set_idx(rows[i].idx);
    bytes += out.ByteSizeLong();
  }
}

void apply_file(RecordReader reader, Table& table, std::uint64_t& offset) {
  Record record;
  fedb::LogEntry entry;
  while (reader.is_open() && reader.next(record) == RecordReader::Next::kRecord) {
    if (record.index <= offset || !entry.ParseFromString(record.entry)) continue;
    table.apply(entry);
    offset = record.index;
  }
}

}  // namespace

void Tablet::control_hang(P<control::HangRequest, control::Answer> call) {
  faults_.hang(call->request);
  call->ok();
}

void Tablet::control_fail(P<control::FailRequest, control::Answer> call) {
  faults_.fail(call->request);
  call->ok();
}

void Tablet::control_release(P<control::ReleaseRequest, control::Answer> call) {
  faults_.release(call->request.method());
  call->ok();
}

void Tablet::control_lose_session(P<control::LoseSessionRequest, control::Answer> call) {
  if (!on_lose_session) return call->end(kFailedCode, "this tablet is not registered anywhere");
  on_lose_session(call->request.stay_lost());
  call->ok();
}

void Tablet::control_restore_session(P<control::RestoreSessionRequest, control::Answer> call) {
  if (!on_restore_session) return call->end(kFailedCode, "this tablet is not registered anywhere");
  on_restore_session();
  call->ok();
}

void Tablet::control_set_disk_full(P<control::SetDiskFullRequest, control::Answer> call) {
  disk_.set_full(call->request.full());
  call->ok();
}

void Tablet::control_dump(P<control::DumpRequest, control::DumpResponse> call) {
  const control::DumpRequest& request = call->request;
  if (request.from_disk()) {
    const auto directory = path_of(request.tid(), request.pid(), fedb::kMemory);
    Table table{0};
    std::uint64_t offset = 0;
    const auto manifest = read_manifest(directory);
    if (!manifest) return call->end(kFailedCode, manifest.error().text.c_str());
    if (manifest.value()) {
      apply_file(RecordReader{sent_file_path(directory, manifest.value()->name())}, table, offset);
    }
    for (const auto& file : Binlog::files_behind(directory / "binlog", offset)) {
      apply_file(RecordReader{file}, table, offset);
    }
    fill(table, request, call->response);
    return call->ok();
  }
  const PartitionPtr partition = find(request.tid(), request.pid());
  if (!partition) return call->end(kTableIsNotExist, generation().no_table);
  call->response.set_offset(partition->offset);
  call->response.set_term(partition->term);
  call->response.set_is_leader(partition->leader);
  fill(partition->table, request, call->response);
  call->ok();
}

void Tablet::control_counters(P<control::CountersRequest, control::CountersResponse> call) {
  tell_counters(methods_, faults_, call->response);
  call->answer();
}

}  // namespace failoverd::minitablet
