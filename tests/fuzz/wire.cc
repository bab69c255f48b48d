// What tablets send.
#include <algorithm>
#include <utility>

#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/core/cluster/model.h"
#include "lib/fedb/wire/partition_text.h"
#include "lib/fedb/wire/table_info.h"
#include "lib/fedb/wire/tablet_calls.h"
#include "lib/rpc/frame.h"
#include "proto/table_info.pb.h"
#include "tests/fuzz/targets.h"

namespace failoverd::fuzz {
namespace {

constexpr std::size_t kLimit = 1 << 16;

bool same(const rpc::Frame& a, const rpc::Frame& b) {
  return a.is_request == b.is_request && a.service == b.service && a.method == b.method &&
         a.log_id == b.log_id && a.timeout_ms == b.timeout_ms && a.error_code == b.error_code &&
         a.error_text == b.error_text && a.correlation_id == b.correlation_id &&
         a.authentication_data == b.authentication_data && a.payload == b.payload &&
         a.attachment == b.attachment;
}

// The frames of these bytes, up to where they cannot be understood.
std::vector<rpc::Frame> frames_of(std::string_view bytes, std::size_t piece) {
  std::vector<rpc::Frame> all;
  rpc::FrameParser parser{kLimit};
  while (!bytes.empty()) {
    parser.feed(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (rpc::Frame frame;;) {
      const auto state = parser.next(frame);
      if (state == rpc::FrameParser::State::kMalformed) {
        CHECK(!parser.reason().empty());
        return all;
      }
      if (state == rpc::FrameParser::State::kNeedsMore) break;
      all.push_back(std::exchange(frame, {}));
    }
  }
  return all;
}

core::Call call_of(std::size_t kind) {
  constexpr core::PartitionKey kAt{2, 0};
  static const std::vector<core::Call> calls = {
      core::GetTableStatus{},         core::GetTableStatus{kAt},
      core::GetTermPair{kAt},         core::Probe{kAt, 5},
      core::Promote{kAt, 5, {"a:1"}}, core::Demote{kAt},
      core::DelReplica{kAt, "a:1"},   core::GetTableFollower{kAt},
      core::RecoverSnapshot{kAt},     core::AddReplica{kAt, "a:1"},
      core::PauseSnapshot{kAt},       core::LoadTable{},
      core::SendSnapshot{},           core::DropTable{},
      core::DeleteBinlog{},           core::GetManifest{},
      core::GetTaskStatus{},          core::DeleteOpTask{}};
  return calls[kind % calls.size()];
}
constexpr std::size_t kCalls = 18;

}  // namespace

void frames(std::string_view input) {
  const auto whole = frames_of(input, input.size());
  const auto pieces = frames_of(input, 7);
  CHECK(std::equal(whole.begin(), whole.end(), pieces.begin(), pieces.end(), same));
  for (const rpc::Frame& frame : whole) {
    // What is read of it may name less: a frame may say that it is a request and an answer.
    const auto second = frames_of(rpc::encode(frame), kLimit);
    if (second.empty()) continue;  // Ours may be a little longer, which the limit then refuses.
    const auto third = frames_of(rpc::encode(second[0]), kLimit);
    CHECK(second.size() == 1 && third.size() == 1 && same(second[0], third[0]));
    CHECK(second[0].payload == frame.payload && second[0].attachment == frame.attachment);
  }
}

void answers(std::string_view input) {
  const auto found = frames_of(input, input.size());
  rpc::Answer answer;
  answer.outcome = rpc::Outcome::kAnswered;
  answer.payload = found.empty() ? std::string{input} : found[0].payload;
  for (std::size_t kind = 0; kind < kCalls; ++kind) {
    const core::Answer said = fedb::from_wire(call_of(kind), answer, kLimit);
    CHECK(is_utf8(said.text));
    CHECK(said.text.size() <= 1024);
    CHECK(!core::to_text(said).empty());
  }
}

void table_info(std::string_view input) {
  const std::string value{input};
  const fedb::TableLooks looks = fedb::looks_of(value);
  CHECK(looks.numbering.has_value() == looks.wrong.empty());
  CHECK(!looks.numbering || !looks.is_of_another);
  for (const auto numbering : {fedb::Numbering::kFedb, fedb::Numbering::kOpenmldb}) {
    fedb::TableDetails details;
    const auto shape = fedb::parse_table("t", value, 1, numbering, &details);
    if (!shape) {
      CHECK(!shape.error().text.empty());
      continue;
    }
    core::Model model;
    const auto refused = model.put_table(*shape, Instant{});
    CHECK(refused || model.table(shape->tid));
    const core::PartitionShape& first = shape->partitions.at(0);
    core::TableEdit edit;
    edit.znode = "t";
    edit.partitions.push_back({first.pid, {}, {{77, 78}}, {}});
    for (const auto& row : first.rows) {
      edit.partitions[0].rows.push_back({row.endpoint, !row.is_leader, !row.is_alive});
    }
    const auto edited = fedb::apply_edit(value, edit, numbering);
    CHECK(edited);
    const auto again = fedb::parse_table("t", *edited, 2, numbering);
    CHECK(again);
    CHECK(again->partitions.size() == shape->partitions.size());
    CHECK(again->partitions[0].rows.size() == first.rows.size());
    CHECK(again->partitions[0].terms.size() == first.terms.size() + 1);
    for (const fedb::PartitionText& p : fedb::partitions_of(value, numbering)) partition(p.json);
  }
}

void partition(std::string_view input) {
  const auto parsed = fedb::parse_partition(std::string{input});
  if (!parsed) {
    CHECK(!parsed.error().text.empty());
    CHECK(parsed.error().text.find('\n') == std::string::npos);
    return;
  }
  // In the place of another one, and read again.
  fedb::TableInfo info;
  info.set_name("flow");
  info.set_tid(2);
  auto& other = *info.add_table_partition();
  other.set_pid(parsed->shape.pid);
  other.add_partition_meta()->set_endpoint("a:1");
  other.mutable_partition_meta(0)->set_is_leader(true);
  const std::string value = info.SerializeAsString();
  constexpr auto kNumbers = fedb::Numbering::kFedb;
  core::TableEdit edit;
  edit.znode = "t";
  core::PartitionEdit& its = edit.partitions.emplace_back();
  its.pid = parsed->shape.pid;
  its.whole = {parsed->shape, parsed->message};
  const auto edited = fedb::apply_edit(value, edit, kNumbers);
  CHECK(edited);
  CHECK(fedb::what_changes(*edited, kNumbers, parsed->shape.pid, parsed->message).empty());
  const auto again = fedb::partitions_of(*edited, kNumbers);
  CHECK(again.size() == 1 && again[0].pid == parsed->shape.pid);
}

}  // namespace failoverd::fuzz
