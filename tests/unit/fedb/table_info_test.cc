// TableInfo to the core's shape and back, on bytes that real clusters wrote.
#include "lib/fedb/wire/table_info.h"

#include <google/protobuf/unknown_field_set.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

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

// --- Every TableInfo that real clusters wrote ---------------------------------------------------

std::vector<std::string> golden_tables() {
  const std::filesystem::path root{FAILOVERD_GOLDEN};
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const std::filesystem::path& path = entry.path();
    const bool is_one =
        path.filename() == "table_info.bin" || path.parent_path().filename() == "zk";
    if (is_one && path.extension() == ".bin") {
      names.push_back(std::filesystem::relative(path, root).string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

class GoldenTable : public testing::TestWithParam<std::string> {
 protected:
  using Fields = google::protobuf::UnknownFieldSet;
  using Field = google::protobuf::UnknownField;

  GoldenTable() {
    const TableLooks looks = looks_of(value_);
    EXPECT_TRUE(looks.numbering) << looks.wrong;
    numbering_ = looks.numbering.value_or(Numbering::kFedb);
    auto shape = parse_table("t", value_, 1, numbering_);
    EXPECT_TRUE(shape);
    if (shape) shape_ = std::move(*shape);
  }

  // Without any schema: in their order, as they stand there.
  static std::unique_ptr<Fields> fields_of(const std::string& message) {
    auto fields = std::make_unique<Fields>();
    EXPECT_TRUE(fields->ParseFromString(message));
    return fields;
  }
  static std::string bytes_of(const Fields& fields) {
    std::string bytes;
    EXPECT_TRUE(fields.SerializeToString(&bytes));
    return bytes;
  }
  static std::string bytes_of(const Field& field) {
    Fields one;
    one.AddField(field);
    return bytes_of(one);
  }
  // Field by field the same but for one, the n-th of that number; what that holds before and after.
  static std::pair<std::string, std::string> but_for(const std::string& before,
                                                     const std::string& after, int number, int n) {
    const auto was = fields_of(before);
    const auto is = fields_of(after);
    EXPECT_EQ(is->field_count(), was->field_count());
    std::pair<std::string, std::string> differ;
    for (int i = 0; i < std::min(was->field_count(), is->field_count()); ++i) {
      if (was->field(i).number() == number && n-- == 0) {
        differ = {was->field(i).length_delimited(), is->field(i).length_delimited()};
      } else {
        EXPECT_EQ(bytes_of(is->field(i)), bytes_of(was->field(i)))
            << "field " << was->field(i).number();
      }
    }
    return differ;
  }
  // One row is alive or not, and everything else is as it was.
  void expect_only_the_row_changed(const std::string& before, int partition, int row) const {
    const core::PartitionShape& p = shape_.partitions.at(static_cast<std::size_t>(partition));
    const core::Row& was = p.rows.at(static_cast<std::size_t>(row));
    core::TableEdit edit{"t", 1, {}};
    edit.partitions.push_back({p.pid, {{was.endpoint, was.is_leader, !was.is_alive}}, {}, {}});
    const auto after = apply_edit(before, edit, numbering_);
    ASSERT_TRUE(after) << after.error().text;
    const int kPartition = numbering_ == Numbering::kFedb ? 4 : 3;
    const auto [old_partition, new_partition] = but_for(before, *after, kPartition, partition);
    const auto [old_row, new_row] = but_for(old_partition, new_partition, 2, row);
    // Rows of OpenMLDB that were never changed do not say that they are alive.
    std::map<int, std::string> expected;
    const auto row_fields = fields_of(old_row);
    for (int i = 0; i < row_fields->field_count(); ++i) {
      expected[row_fields->field(i).number()] = bytes_of(row_fields->field(i));
    }
    Fields alive;
    alive.AddVarint(3, was.is_alive ? 0 : 1);
    expected[3] = bytes_of(alive);
    std::string expected_row;
    for (const auto& [number, bytes] : expected) expected_row += bytes;
    EXPECT_EQ(new_row, expected_row);
  }

  const std::string value_ = golden(GetParam());
  Numbering numbering_{};
  core::TableShape shape_;
};

TEST_P(GoldenTable, WithoutAnEditItIsTheSameBytes) {
  const auto after = apply_edit(value_, {"t", 1, {}}, numbering_);
  ASSERT_TRUE(after) << after.error().text;
  EXPECT_EQ(*after, value_);
}

TEST_P(GoldenTable, AnEditOfOneRowLeavesEveryOtherField) {
  for (std::size_t p = 0; p < shape_.partitions.size(); ++p) {
    for (std::size_t r = 0; r < shape_.partitions[p].rows.size(); ++r) {
      expect_only_the_row_changed(value_, static_cast<int>(p), static_cast<int>(r));
    }
  }
}

// What nobody knows yet, and what is of other clusters: in the table, in a partition, in a row.
TEST_P(GoldenTable, UnknownFieldsAndRemoteReplicasStay) {
  const auto fields = fields_of(value_);
  Fields with;
  const int kPartition = numbering_ == Numbering::kFedb ? 4 : 3;
  for (int i = 0; i < fields->field_count(); ++i) {
    if (fields->field(i).number() != kPartition) {
      with.AddField(fields->field(i));
      continue;
    }
    TablePartition p;
    ASSERT_TRUE(p.ParseFromString(fields->field(i).length_delimited()));
    auto* remote = p.add_remote_partition_meta();
    remote->set_endpoint("10.9.9.9:9527");
    remote->set_is_leader(true);
    remote->set_remote_tid(77);
    remote->set_alias("other");
    p.mutable_unknown_fields()->AddLengthDelimited(1007)->assign("hello");
    for (auto& row : *p.mutable_partition_meta()) row.mutable_unknown_fields()->AddVarint(1008, 9);
    with.AddLengthDelimited(kPartition)->assign(p.SerializeAsString());
    with.AddLengthDelimited(1009)->assign("in the middle");
  }
  const std::string value = bytes_of(with);
  const auto same = apply_edit(value, {"t", 1, {}}, numbering_);
  ASSERT_TRUE(same);
  EXPECT_EQ(*same, value);
  expect_only_the_row_changed(value, static_cast<int>(shape_.partitions.size()) - 1, 0);
}

INSTANTIATE_TEST_SUITE_P(RealClusters, GoldenTable, testing::ValuesIn(golden_tables()),
                         [](const auto& of) {
                           std::string name = of.param;
                           for (char& c : name) c = std::isalnum(c) != 0 ? c : '_';
                           return name;
                         });

TEST(GoldenTables, AreOfEveryGeneration) {
  const std::vector<std::string> all = golden_tables();
  for (const char* generation : {"rtidb-1.4.1/", "fedb-2.1/", "openmldb-0.9/", "openmldb-0.9.3/"}) {
    EXPECT_TRUE(std::any_of(all.begin(), all.end(), [&](const std::string& name) {
      return name.starts_with(generation);
    })) << generation;
  }
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
