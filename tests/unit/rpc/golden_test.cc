// What a real cluster wrote and said, read and written again with our own messages: nothing may be
// lost, and it must mean what the capture's own decoding says.
#include "tests/unit/rpc/golden.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <map>
#include <memory>

#include "lib/rpc/frame.h"
#include "proto/nameserver.pb.h"
#include "proto/openmldb.pb.h"
#include "proto/rpc_meta.pb.h"
#include "proto/table_info.pb.h"
#include "proto/tablet.pb.h"

namespace failoverd::rpc {
namespace {

using google::protobuf::Message;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

// A message's fields in the order of their numbers: the one thing that may change when it is
// written again is where its unknown fields stand.
std::string in_order(const std::string& bytes) {
  UnknownFieldSet fields;
  EXPECT_TRUE(fields.ParseFromString(bytes));
  std::vector<const UnknownField*> sorted;
  for (int i = 0; i < fields.field_count(); ++i) sorted.push_back(&fields.field(i));
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](auto* a, auto* b) { return a->number() < b->number(); });
  UnknownFieldSet ordered;
  for (const UnknownField* field : sorted) ordered.AddField(*field);
  std::string out;
  EXPECT_TRUE(ordered.SerializeToString(&out));
  return out;
}

std::string one_line(const Message& message) {
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  std::string text;
  EXPECT_TRUE(printer.PrintToString(message, &text));
  if (text.ends_with(' ')) text.pop_back();
  return text;
}

// Which of our messages a method's request and response are.
struct Shape {
  std::string request;
  std::string response;
};

Shape shape_of(const GoldenCall& call) {
  fedb::NameServerResponse::descriptor();  // Links the file in: types are found by name below.
  static const std::map<std::string, Shape> special = {
      {"MakeSnapshot", {"GeneralRequest", "GeneralResponse"}},
      {"PauseSnapshot", {"GeneralRequest", "GeneralResponse"}},
      {"RecoverSnapshot", {"GeneralRequest", "GeneralResponse"}},
      {"DeleteBinlog", {"GeneralRequest", "GeneralResponse"}},
      {"AddReplica", {"ReplicaRequest", "GeneralResponse"}},
      {"DelReplica", {"ReplicaRequest", "GeneralResponse"}},
  };
  if (const auto found = special.find(call.method); found != special.end()) return found->second;
  if (!call.to_tablet() && call.method == "CreateTable") {
    return {"CreateTableNSRequest", "NameServerResponse"};
  }
  Shape shape{call.method + "Request", call.method + "Response"};
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  if (!pool->FindMessageTypeByName("failoverd.fedb." + shape.response)) {
    shape.response = call.to_tablet() ? "GeneralResponse" : "NameServerResponse";
  }
  return shape;
}

std::unique_ptr<Message> make(const std::string& name) {
  const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
      "failoverd.fedb." + name);
  EXPECT_NE(type, nullptr) << name;
  if (!type) return nullptr;
  return std::unique_ptr<Message>(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

Frame one_frame(const std::string& bytes) {
  FrameParser parser;
  parser.feed(bytes);
  Frame frame;
  EXPECT_EQ(parser.next(frame), FrameParser::State::kFrame) << parser.reason();
  Frame none;
  EXPECT_EQ(parser.next(none), FrameParser::State::kNeedsMore);
  return frame;
}

void expect_same_message(const std::string& payload, const std::string& type,
                         const std::string& text, bool has_unknown) {
  const auto message = make(type);
  ASSERT_NE(message, nullptr);
  ASSERT_TRUE(message->ParseFromString(payload)) << type;
  const std::string again = message->SerializeAsString();
  EXPECT_EQ(in_order(again), in_order(payload)) << type;
  EXPECT_NE(message->GetReflection()->GetUnknownFields(*message).empty(), has_unknown);
  if (has_unknown) return;  // Kept, but without its name and at the end.
  EXPECT_EQ(again, payload) << type;
  EXPECT_EQ(one_line(*message), text) << type;
}

TEST(GoldenFrames, AreWrittenAgainByteForByte) {
  for (const GoldenCall& call : golden_calls()) {
    EXPECT_EQ(encode(one_frame(call.request_bytes())), call.request_bytes()) << call.name;
    EXPECT_EQ(encode(one_frame(call.response_bytes())), call.response_bytes()) << call.name;
  }
}

TEST(GoldenFrames, SayWhatTheIndexSays) {
  for (const GoldenCall& call : golden_calls()) {
    SCOPED_TRACE(call.name);
    const Frame request = one_frame(call.request_bytes());
    EXPECT_TRUE(request.is_request);
    EXPECT_EQ(request.service, call.service);
    EXPECT_EQ(request.method, call.method);
    EXPECT_EQ(request.attachment.size(), call.attachment);
    const Frame response = one_frame(call.response_bytes());
    EXPECT_FALSE(response.is_request);
    EXPECT_EQ(response.error_code, 0);
    EXPECT_EQ(response.correlation_id, request.correlation_id);

    const Shape shape = shape_of(call);
    // Scan's request carries a metric that the contract does not name.
    expect_same_message(request.payload, shape.request, call.request, call.method == "Scan");
    expect_same_message(response.payload, shape.response, call.response, false);
  }
}

TEST(GoldenFrames, CodesAreThoseOfTheIndex) {
  for (const GoldenCall& call : golden_calls()) {
    SCOPED_TRACE(call.name);
    const auto message = make(shape_of(call).response);
    ASSERT_NE(message, nullptr);
    ASSERT_TRUE(message->ParseFromString(one_frame(call.response_bytes()).payload));
    const auto* code = message->GetDescriptor()->FindFieldByName("code");
    ASSERT_NE(code, nullptr);
    EXPECT_TRUE(message->GetReflection()->HasField(*message, code));
    EXPECT_EQ(message->GetReflection()->GetInt32(*message, code), call.code);
  }
}

TEST(GoldenFrames, AllAreThere) { EXPECT_EQ(golden_calls().size(), 102u); }

TEST(GoldenFrames, OneStreamOfAllOfThem) {
  std::string stream;
  std::size_t frames = 0;
  for (const GoldenCall& call : golden_calls()) {
    stream += call.request_bytes() + call.response_bytes();
    frames += 2;
  }
  FrameParser parser;
  std::string again;
  std::size_t seen = 0;
  for (const char byte : stream) {
    parser.feed({&byte, 1});
    Frame frame;
    while (parser.next(frame) == FrameParser::State::kFrame) {
      again += encode(frame);
      ++seen;
    }
  }
  EXPECT_EQ(parser.reason(), "");
  EXPECT_EQ(seen, frames);
  EXPECT_TRUE(again == stream);
}

TEST(GoldenTables, OfRtidbAfterTheFailover) {
  const std::string bytes = golden_file("rtidb-1.4.1/zk/table_data.flow.after_failover.bin");
  fedb::TableInfo table;
  ASSERT_TRUE(table.ParseFromString(bytes));
  EXPECT_EQ(table.SerializeAsString(), bytes);
  EXPECT_EQ(table.name(), "flow");
  EXPECT_EQ(table.tid(), 2u);
  ASSERT_EQ(table.table_partition_size(), 2);
  // Partition 0: 9720 led and is dead, 9721 leads.
  const auto& rows = table.table_partition(0).partition_meta();
  ASSERT_EQ(rows.size(), 3);
  for (const fedb::PartitionMeta& row : rows) {
    const bool old_leader = row.endpoint() == "127.0.0.1:9720";
    const bool new_leader = row.endpoint() == "127.0.0.1:9721";
    EXPECT_EQ(row.is_leader(), old_leader || new_leader) << row.endpoint();
    EXPECT_EQ(row.is_alive(), !old_leader) << row.endpoint();
  }
  EXPECT_GT(table.table_partition(0).term_offset_size(), 1);
}

TEST(GoldenTables, OfRtidbWithOneReplica) {
  const std::string bytes = golden_file("rtidb-1.4.1/zk/table_data.single.after_failover.bin");
  fedb::TableInfo table;
  ASSERT_TRUE(table.ParseFromString(bytes));
  EXPECT_EQ(table.SerializeAsString(), bytes);
  EXPECT_EQ(table.name(), "single");
  EXPECT_EQ(table.partition_num(), 1u);
  ASSERT_EQ(table.table_partition_size(), 1);
  ASSERT_EQ(table.table_partition(0).partition_meta_size(), 1);
  EXPECT_TRUE(table.table_partition(0).partition_meta(0).is_leader());
  EXPECT_FALSE(table.table_partition(0).partition_meta(0).is_alive());
}

TEST(GoldenTables, OfFedb21KeepsWhatWeDoNotKnow) {
  const std::string bytes = golden_file("fedb-2.1/table_info.bin");
  fedb::TableInfo table;
  ASSERT_TRUE(table.ParseFromString(bytes));
  EXPECT_EQ(in_order(table.SerializeAsString()), in_order(bytes));
  EXPECT_EQ(table.SerializeAsString().size(), bytes.size());
  EXPECT_EQ(table.name(), "flow");
  EXPECT_EQ(table.tid(), 4u);
  EXPECT_EQ(table.db(), "risk");
  EXPECT_EQ(table.key_entry_max_height(), 4u);
  ASSERT_EQ(table.table_partition_size(), 1);
  EXPECT_EQ(table.table_partition(0).diskused(), 4096u);
  EXPECT_EQ(table.table_partition(0).partition_meta(2).diskused(), 4096u);
  EXPECT_EQ(table.table_partition(0).term_offset(1).offset(), 15u);
  // column_desc_v1 twice, column_key, ttl_desc, format_version, partition_key.
  EXPECT_EQ(table.unknown_fields().field_count(), 6);
}

TEST(GoldenTables, OfOpenmldb09KeepsWhatWeDoNotKnow) {
  const std::string bytes = golden_file("openmldb-0.9/table_info.bin");
  openmldb::TableInfo table;
  ASSERT_TRUE(table.ParseFromString(bytes));
  EXPECT_EQ(in_order(table.SerializeAsString()), in_order(bytes));
  EXPECT_EQ(table.SerializeAsString().size(), bytes.size());
  EXPECT_EQ(table.name(), "orders");
  EXPECT_EQ(table.tid(), 31u);
  EXPECT_EQ(table.db(), "trade");
  EXPECT_EQ(table.storage_mode(), fedb::kSSD);
  EXPECT_FALSE(table.has_base_table_tid());
  ASSERT_EQ(table.table_partition_size(), 2);
  EXPECT_EQ(table.table_partition(0).term_offset(1).offset(), 90211u);
  const auto& remote = table.table_partition(1).remote_partition_meta(0);
  EXPECT_EQ(remote.remote_tid(), 12u);
  EXPECT_EQ(remote.alias(), "dc2");
  EXPECT_TRUE(table.table_partition(1).unknown_fields().empty());
}

TEST(GoldenTables, ChangedOnesStillKeepWhatWeDoNotKnow) {
  openmldb::TableInfo table;
  ASSERT_TRUE(table.ParseFromString(golden_file("openmldb-0.9/table_info.bin")));
  const int unknown = table.unknown_fields().field_count();
  auto* partition = table.mutable_table_partition(0);
  partition->mutable_partition_meta(0)->set_is_alive(false);
  partition->add_term_offset()->set_term(9);
  partition->mutable_term_offset(2)->set_offset(90300);
  openmldb::TableInfo again;
  ASSERT_TRUE(again.ParseFromString(table.SerializeAsString()));
  EXPECT_EQ(again.unknown_fields().field_count(), unknown);
  EXPECT_EQ(again.table_partition(0).term_offset_size(), 3);
  EXPECT_FALSE(again.table_partition(0).partition_meta(0).is_alive());
  EXPECT_EQ(again.table_partition(1).remote_partition_meta_size(), 1);
}

// Read with the other numbering a table shows no partitions: wrong wire types are unknown fields.
TEST(GoldenTables, OfTheOtherNumberingShowNoPartitions) {
  fedb::TableInfo as_fedb;
  if (as_fedb.ParseFromString(golden_file("openmldb-0.9/table_info.bin"))) {
    EXPECT_EQ(as_fedb.table_partition_size(), 0);
  }
  openmldb::TableInfo as_openmldb;
  if (as_openmldb.ParseFromString(golden_file("fedb-2.1/table_info.bin"))) {
    EXPECT_EQ(as_openmldb.table_partition_size(), 0);
  }
}

// A newer cluster's op and task types must not make the answer unreadable, nor get lost.
TEST(Messages, UnknownTaskTypesAreKept) {
  const std::string bytes("\x08\x00\x1a\x08\x08\x05\x10\x63\x18\x64\x20\x02", 12);
  fedb::GetTaskStatusResponse response;
  ASSERT_TRUE(response.ParseFromString(bytes));
  ASSERT_EQ(response.task_size(), 1);
  EXPECT_EQ(response.task(0).op_id(), 5u);
  EXPECT_FALSE(response.task(0).has_op_type());
  EXPECT_FALSE(response.task(0).has_task_type());
  EXPECT_EQ(response.task(0).status(), fedb::kDoing);
  EXPECT_EQ(response.SerializeAsString().size(), bytes.size());
}

}  // namespace
}  // namespace failoverd::rpc
