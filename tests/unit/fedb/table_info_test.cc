// TableInfo to the core's shape and back, on bytes that real clusters wrote.
#include "lib/fedb/wire/table_info.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "lib/core/cluster/model.h"
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

template <class Info>
void rows_come_and_go(const std::string& before, Numbering numbering) {
  Info expected;
  ASSERT_TRUE(expected.ParseFromString(before));
  auto* p = expected.mutable_table_partition(0);
  const std::string gone = p->partition_meta(0).endpoint();
  const std::string stays = p->partition_meta(1).endpoint();
  core::TableEdit edit{"t", 1, {}};
  edit.partitions.push_back({p->pid(), {{stays, true, true}}, {}, {}});
  edit.partitions.back().added = {{"127.0.0.1:1", false, false}};
  edit.partitions.back().removed = {gone};
  const auto after = apply_edit(before, edit, numbering);
  ASSERT_TRUE(after) << after.error().text;

  p->mutable_partition_meta(1)->set_is_leader(true);
  p->mutable_partition_meta(1)->set_is_alive(true);
  p->mutable_partition_meta()->DeleteSubrange(0, 1);
  auto* meta = p->add_partition_meta();
  meta->set_endpoint("127.0.0.1:1");
  meta->set_is_leader(false);
  meta->set_is_alive(false);
  EXPECT_EQ(*after, expected.SerializeAsString());

  EXPECT_FALSE(apply_edit(*after, edit, numbering)) << "neither twice";
  edit.partitions.back() = {p->pid(), {}, {}, {}};
  for (const auto& row : p->partition_meta()) {
    edit.partitions.back().removed.push_back(row.endpoint());
  }
  EXPECT_FALSE(apply_edit(*after, edit, numbering)) << "no row would be left";
}

// What is not known of a row comes back with it.
TEST(TableInfo, RowsComeAndGo) {
  fedb::TableInfo of_fedb;
  ASSERT_TRUE(of_fedb.ParseFromString(golden(kFlow)));
  auto* known = of_fedb.mutable_table_partition(0)->mutable_partition_meta(1);
  known->mutable_unknown_fields()->AddLengthDelimited(1007)->assign("hello");
  rows_come_and_go<fedb::TableInfo>(of_fedb.SerializeAsString(), Numbering::kFedb);

  openmldb::TableInfo of_openmldb;
  ASSERT_TRUE(of_openmldb.ParseFromString(golden("openmldb-0.9/table_info.bin")));
  auto* p = of_openmldb.mutable_table_partition(0);
  while (p->partition_meta_size() < 2) {
    auto* meta = p->add_partition_meta();
    meta->set_endpoint("127.0.0.1:2");
    meta->set_is_leader(false);
  }
  rows_come_and_go<openmldb::TableInfo>(of_openmldb.SerializeAsString(), Numbering::kOpenmldb);
}

// SAFETY 22: what is judged to fit does.
TEST(TableInfo, AnAddedRowIsNoLongerThanItIsCounted) {
  core::TableEdit edit{"t", 1, {}};
  edit.partitions.push_back({0, {}, {}, {}});
  edit.partitions.back().added = {{std::string(200, 'e') + ":65535", false, false}};
  const std::string before = golden(kFlow);
  const auto after = apply_edit(before, edit, Numbering::kFedb);
  ASSERT_TRUE(after);
  EXPECT_LE(after->size(), before.size() + core::length_of_added(edit));
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

TEST(TableLooks, TheBytesTell) {
  for (const char* file :
       {kFlow, "rtidb-1.4.1/zk/table_data.single.after_failover.bin", "fedb-2.1/table_info.bin"}) {
    EXPECT_EQ(looks_of(golden(file)).numbering, Numbering::kFedb) << file;
  }
  EXPECT_EQ(looks_of(golden("openmldb-0.9/table_info.bin")).numbering, Numbering::kOpenmldb);
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string{FAILOVERD_GOLDEN} + "/openmldb-0.9.3/zk")) {
    if (entry.path().extension() != ".bin") continue;
    const std::string name = "openmldb-0.9.3/zk/" + entry.path().filename().string();
    EXPECT_EQ(looks_of(golden(name)).numbering, Numbering::kOpenmldb) << name;
  }
}

// A table that is not whole still is one of its numbering: what it lacks is its own trouble.
TEST(TableLooks, ATableThatLacksSomethingIsOneStill) {
  fedb::TableInfo info;
  info.set_name("flow");
  info.set_seg_cnt(8);
  EXPECT_EQ(looks_of(info.SerializeAsString()).numbering, Numbering::kFedb);
  openmldb::TableInfo new_numbers;
  new_numbers.set_name("flow");
  new_numbers.set_tid(7);
  EXPECT_EQ(looks_of(new_numbers.SerializeAsString()).numbering, Numbering::kOpenmldb);
}

TEST(TableLooks, WhatContradictsBothIsOfAnother) {
  // Field 2 is the partitions', 3 the tid.
  const std::string another{
      "\x0a\x04"
      "flow"
      "\x12\x02\x08\x00"
      "\x18\x07",
      12};
  EXPECT_TRUE(looks_of(another).is_of_another);
  // What is whole in both of them fits neither, in whatever order it stands.
  const std::string old_one = golden(kFlow);
  const std::string new_one = golden("openmldb-0.9/table_info.bin");
  for (const std::string& both : {old_one + new_one, new_one + old_one}) {
    ASSERT_TRUE(parse_table("t", both, 1, Numbering::kFedb));
    ASSERT_TRUE(parse_table("t", both, 1, Numbering::kOpenmldb));
    EXPECT_TRUE(looks_of(both).is_of_another);
    EXPECT_FALSE(looks_of(both).numbering);
  }
}

TEST(TableLooks, DamageSaysNothing) {
  std::string torn = golden(kFlow);
  torn.resize(torn.size() - 1);
  const std::string only_a_name{
      "\x0a\x04"
      "flow",
      6};
  for (const std::string& bytes :
       {std::string{}, std::string{"\xff\xff\xff"}, std::string{"hello"}, std::string(100, '\0'),
        std::string{"\x08\x01"}, torn, only_a_name}) {
    const TableLooks looks = looks_of(bytes);
    EXPECT_FALSE(looks.numbering);
    EXPECT_FALSE(looks.is_of_another);
    EXPECT_NE(looks.wrong, "");
  }
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
