// What tells one generation from the other beside what the transcripts have: bytes of znodes, the
// fields of GetTableStatus, and the fence that is not final.
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <set>

#include "lib/rpc/frame.h"
#include "proto/table_info.pb.h"
#include "tests/minitablet/rig.h"

namespace failoverd::minitablet {
namespace {

std::string golden(const std::string& name) {
  std::ifstream file{FAILOVERD_GOLDEN "/" + name, std::ios::binary};
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>{file}, {}};
}

std::set<int> fields_of(const google::protobuf::Message& message) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  std::set<int> numbers;
  for (const auto* field : fields) numbers.insert(field->number());
  return numbers;
}

class Generations : public Rig, public testing::WithParamInterface<const Generation*> {
 protected:
  std::size_t begin_one() {
    return begin([](Options& options) { options.generation = GetParam(); });
  }
};

TEST_P(Generations, TableStatusHasItsFields) {
  const bool is_rtidb = GetParam() == &rtidb();
  rpc::FrameParser parser;
  parser.feed(golden(GetParam()->golden + std::string{"/rpc/"} + (is_rtidb ? "011" : "002") +
                     ".TabletServer.GetTableStatus.response.bin"));
  rpc::Frame frame;
  ASSERT_EQ(parser.next(frame), rpc::FrameParser::State::kFrame);
  fedb::GetTableStatusResponse wanted;
  ASSERT_TRUE(wanted.ParseFromString(frame.payload));
  const auto tablet = begin_one();
  ASSERT_EQ(create(tablet, fedb::kTableLeader), 0);
  EXPECT_EQ(fields_of(status(tablet)), fields_of(wanted.all_table_status(0)));
}

// FEDB.md 3.2: check and append share a lock in RTIDB only.
TEST_P(Generations, EntriesLandBehindTheProbe) {
  const auto tablet = begin_one();
  ASSERT_EQ(create(tablet, fedb::kTableFollower), 0);
  hang(tablet, "AppendEntries", control::kInside);
  fedb::AppendEntriesRequest entries;
  entries.set_tid(kTid);
  entries.set_pid(kPid);
  entries.set_term(5);
  entries.set_pre_log_index(0);
  entries.add_entries()->set_log_index(1);
  const auto late = begin_ask<fedb::AppendEntriesResponse>(tablet, "AppendEntries", entries);
  std::uint64_t offset = 0;
  ASSERT_EQ(probe(tablet, 9, &offset), 0);
  EXPECT_EQ(offset, GetParam() == &rtidb() ? 1u : 0u);
  release(tablet);
  ASSERT_TRUE(soon([&] { return late->ended; }, "the entries have landed"));
  EXPECT_EQ(late->response->code(), 0);
  ASSERT_EQ(probe(tablet, 9, &offset), 0);
  EXPECT_EQ(offset, 1u);
  // What comes now is refused.
  EXPECT_EQ(append(tablet, 5, 1, {2}), kAppendEntriesFailed);
}

INSTANTIATE_TEST_SUITE_P(Tablets, Generations, testing::Values(&rtidb(), &openmldb()),
                         [](const auto& test) { return std::string{test.param->name}; });

// What create_table() writes is what a nameserver of OpenMLDB wrote for the same table.
TEST(Generation, ZnodesAreAsItsNameserverWritesThem) {
  const std::string bytes = golden("openmldb-0.9.3/zk/rtidb_cluster.table.table_data.flow.bin");
  fedb::TableInfo info;
  ASSERT_TRUE(parse_partial(bytes, openmldb(), info));
  ASSERT_TRUE(info.IsInitialized());
  EXPECT_EQ(info.name(), "flow");
  EXPECT_EQ(info.tid(), 7u);
  ASSERT_EQ(info.table_partition_size(), 2);
  EXPECT_EQ(info.table_partition(0).partition_meta_size(), 3);
  info.set_ttl(0);  // Its numbers have no ttl: left out.
  EXPECT_EQ(serialize(info, openmldb()) + openmldb().columns_of_table_info, bytes);
  const std::string in_db = golden("openmldb-0.9.3/zk/rtidb_cluster.table.db_table_data.9.bin");
  ASSERT_TRUE(parse_partial(in_db, openmldb(), info));
  EXPECT_EQ(info.db(), "shop");
}

TEST(Generation, IsAFlag) {
  EXPECT_EQ(parse_flags({"--generation=openmldb"}).value().options.generation, &openmldb());
  EXPECT_EQ(parse_flags({}).value().options.generation, &rtidb());
  EXPECT_FALSE(parse_flags({"--generation=fedb"}));
  const auto others = parse_flags({"--generation=openmldb", "--request_timeout_ms=5"});
  EXPECT_EQ(others.value().options.request_timeout, 5ms);
}

}  // namespace
}  // namespace failoverd::minitablet
