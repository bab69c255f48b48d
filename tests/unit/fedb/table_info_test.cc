// TableInfo to the core's shape and back, on bytes that real clusters wrote.
#include "lib/fedb/wire/table_info.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "proto/openmldb.pb.h"
#include "proto/table_info.pb.h"

namespace failoverd::fedb {
namespace {

std::string golden(const std::string& name) {
  std::ifstream in(std::string{FAILOVERD_GOLDEN} + "/" + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

const char kFlow[] = "rtidb-1.4.1/zk/table_data.flow.after_failover.bin";

TEST(TableInfo, ReadsWhatTheOriginalWrote) {
  TableDetails details;
  const auto shape =
      parse_table("table/table_data/flow", golden(kFlow), 3, Numbering::kFedb, &details);
  ASSERT_TRUE(shape) << shape.error().text;
  EXPECT_EQ(shape->name, "flow");
  EXPECT_EQ(shape->tid, 2u);
  EXPECT_EQ(shape->version, 3);
  EXPECT_EQ(details.ttl_type, "kAbsoluteTime");
  EXPECT_EQ(details.compress_type, "kNoCompress");
  ASSERT_EQ(shape->partitions.size(), 2u);
  const std::vector<core::Row> rows{{"127.0.0.1:9720", true, false},
                                    {"127.0.0.1:9721", true, true},
                                    {"127.0.0.1:9722", false, true}};
  EXPECT_EQ(shape->partitions[0].rows, rows);
  const std::vector<core::TermPair> terms{{1, 0}, {3, 4}};
  EXPECT_EQ(shape->partitions[0].terms, terms);
}

TEST(TableInfo, AnEditChangesWhatItNamesAndNothingElse) {
  const std::string before = golden(kFlow);
  core::TableEdit edit{"table/table_data/flow", 3, {}};
  edit.partitions.push_back({1, {{"127.0.0.1:9722", false, false}}, {{9, 6}}, {}});
  const auto after = apply_edit(before, edit, Numbering::kFedb);
  ASSERT_TRUE(after) << after.error().text;

  fedb::TableInfo expected;
  ASSERT_TRUE(expected.ParseFromString(before));
  auto* p = expected.mutable_table_partition(1);
  for (auto& row : *p->mutable_partition_meta()) {
    if (row.endpoint() == "127.0.0.1:9722") row.set_is_alive(false);
  }
  auto* pair = p->add_term_offset();
  pair->set_term(9);
  pair->set_offset(6);
  EXPECT_EQ(*after, expected.SerializeAsString());
}

// A field that this version does not know comes back as it was.
TEST(TableInfo, UnknownFieldsSurviveAnEdit) {
  const std::string unknown = "\xfa\x3e\x05hello";  // Field 1007, five bytes.
  core::TableEdit edit{"t", 1, {}};
  edit.partitions.push_back({0, {{"127.0.0.1:9721", false, true}}, {}, {}});
  const auto after = apply_edit(golden(kFlow) + unknown, edit, Numbering::kFedb);
  ASSERT_TRUE(after);
  EXPECT_NE(after->find(unknown), std::string::npos);
}

TEST(TableInfo, AnEditOfARowThatIsNotThereIsRefused) {
  core::TableEdit edit{"table/table_data/flow", 3, {}};
  edit.partitions.push_back({0, {{"127.0.0.1:1", false, false}}, {}, {}});
  const auto after = apply_edit(golden(kFlow), edit, Numbering::kFedb);
  ASSERT_FALSE(after);
  EXPECT_EQ(after.error().text, "table/table_data/flow: partition 0 has no row 127.0.0.1:1");
}

TEST(TableInfo, TheOtherNumberingIsNoticed) {
  const auto as_fedb = parse_table("t", golden("openmldb-0.9/table_info.bin"), 1, Numbering::kFedb);
  ASSERT_FALSE(as_fedb);
  EXPECT_NE(as_fedb.error().text.find("it looks like cluster.numbering: openmldb"),
            std::string::npos)
      << as_fedb.error().text;
  const auto as_openmldb =
      parse_table("t", golden("fedb-2.1/table_info.bin"), 1, Numbering::kOpenmldb);
  ASSERT_FALSE(as_openmldb);
  EXPECT_NE(as_openmldb.error().text.find("it looks like cluster.numbering: fedb"),
            std::string::npos)
      << as_openmldb.error().text;
}

TEST(TableInfo, EachGenerationIsReadWithItsOwnNumbering) {
  const auto fedb = parse_table("t", golden("fedb-2.1/table_info.bin"), 1, Numbering::kFedb);
  ASSERT_TRUE(fedb) << fedb.error().text;
  EXPECT_EQ(fedb->db, "risk");
  const auto openmldb =
      parse_table("t", golden("openmldb-0.9/table_info.bin"), 1, Numbering::kOpenmldb);
  ASSERT_TRUE(openmldb) << openmldb.error().text;
  EXPECT_EQ(openmldb->tid, 31u);
  EXPECT_EQ(openmldb->partitions.at(1).terms.back(), (core::TermPair{9, 4412}));
}

TEST(TableInfo, GarbageIsRefusedInOneLine) {
  for (const std::string& bytes : {std::string{}, std::string{"\xff\xff\xff"}, std::string{"hello"},
                                   std::string(100'000, '\0')}) {
    const auto shape = parse_table("t", bytes, 1, Numbering::kFedb);
    ASSERT_FALSE(shape);
    EXPECT_EQ(shape.error().text.find('\n'), std::string::npos) << shape.error().text;
  }
}

}  // namespace
}  // namespace failoverd::fedb
