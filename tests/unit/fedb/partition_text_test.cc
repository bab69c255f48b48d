// A partition as people edit it, on bytes that real clusters wrote, and back into its table.
#include "lib/fedb/wire/partition_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "lib/fedb/wire/table_info.h"
#include "proto/openmldb.pb.h"
#include "proto/table_info.pb.h"

namespace failoverd::fedb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kZnode = "table/table_data/flow";

std::string golden(const std::string& name) {
  std::ifstream in(std::string{FAILOVERD_GOLDEN} + "/" + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string flow() {
  fedb::TableInfo info;
  EXPECT_TRUE(info.ParseFromString(golden("rtidb-1.4.1/zk/table_data.flow.after_failover.bin")));
  return info.SerializeAsString();
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what << " in " << text;
  return at == std::string::npos ? text : text.replace(at, what.size(), by);
}

// The table with this text in place of its partition.
std::string written(const std::string& value, const std::string& json) {
  const auto parsed = parse_partition(json);
  EXPECT_TRUE(parsed) << parsed.error().text;
  core::TableEdit edit{kZnode, 3, {}};
  core::PartitionEdit& p = edit.partitions.emplace_back();
  p.pid = parsed->shape.pid;
  p.whole = {parsed->shape, parsed->message};
  const auto after = apply_edit(value, edit, Numbering::kFedb);
  EXPECT_TRUE(after) << after.error().text;
  return after ? *after : "";
}

std::vector<std::string> changes(const std::string& value, const std::string& json) {
  const auto parsed = parse_partition(json);
  EXPECT_TRUE(parsed) << parsed.error().text;
  return what_changes(value, Numbering::kFedb, parsed->shape.pid, parsed->message);
}

TEST(PartitionText, ShowsAllThatAnyFieldSays) {
  const auto all = partitions_of(flow(), Numbering::kFedb);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].pid, 0U);
  EXPECT_THAT(all[0].json, HasSubstr(R"("endpoint":"127.0.0.1:9720","is_leader":true,)"));
  EXPECT_THAT(all[0].json, HasSubstr(R"("term_offset":[{"term":"1","offset":"0"},)"));
  EXPECT_NE(all[0].etag, all[1].etag);
  EXPECT_THAT(partitions_of("torn", Numbering::kFedb), IsEmpty());
}

// Rows of fresh tables are alive without saying so.
TEST(PartitionText, ARowThatDoesNotSayThatItIsAliveIs) {
  fedb::TableInfo info;
  ASSERT_TRUE(info.ParseFromString(flow()));
  for (auto& row : *info.mutable_table_partition(0)->mutable_partition_meta()) {
    row.clear_is_alive();
  }
  const std::string before = info.SerializeAsString();
  const std::string json = partitions_of(before, Numbering::kFedb)[0].json;
  EXPECT_THAT(json, HasSubstr(R"("endpoint":"127.0.0.1:9722","is_leader":false,"is_alive":true)"));
  EXPECT_THAT(changes(before, json), IsEmpty());
  EXPECT_EQ(written(before, json), before);
  const std::string edited = replaced(json, R"(true,"is_alive":true)", R"(true,"is_alive":false)");
  EXPECT_THAT(changes(before, edited), ElementsAre("127.0.0.1:9720: is_alive true -> false"));
  info.mutable_table_partition(0)->mutable_partition_meta(0)->set_is_alive(false);
  EXPECT_EQ(written(before, edited), info.SerializeAsString());
}

// Every field of the message comes back as it went.
TEST(PartitionText, WhatWasReadIsWrittenAsItWas) {
  const std::string before = flow();
  for (const PartitionText& p : partitions_of(before, Numbering::kFedb)) {
    EXPECT_EQ(written(before, p.json), before);
    EXPECT_THAT(changes(before, p.json), IsEmpty());
  }
  fedb::TableInfo info;
  ASSERT_TRUE(info.ParseFromString(before));
  auto& p = *info.mutable_table_partition(0);
  p.set_record_cnt(1);
  p.set_record_byte_size(UINT64_MAX);
  p.set_diskused(3);
  *p.add_remote_partition_meta() = p.partition_meta(0);
  auto& row = *p.mutable_partition_meta(1);
  row.set_offset(4);
  row.set_record_cnt(5);
  row.set_record_byte_size(6);
  row.set_tablet_has_partition(false);
  row.set_diskused(7);
  row.set_remote_tid(8);
  row.set_alias("a \"b\"");
  const std::string full = info.SerializeAsString();
  EXPECT_EQ(written(full, partitions_of(full, Numbering::kFedb)[0].json), full);
}

TEST(PartitionText, WhatHasNoNameStays) {
  fedb::TableInfo info;
  ASSERT_TRUE(info.ParseFromString(flow()));
  auto& p = *info.mutable_table_partition(0);
  const auto add_unknown = [](auto& message, int number, std::uint64_t value) {
    message.GetReflection()->MutableUnknownFields(&message)->AddVarint(number, value);
  };
  add_unknown(p, 50, 1);
  add_unknown(*p.mutable_partition_meta(0), 51, 2);
  add_unknown(*p.mutable_partition_meta(2), 51, 3);
  const std::string before = info.SerializeAsString();
  EXPECT_NE(partitions_of(before, Numbering::kFedb)[0].etag,
            partitions_of(flow(), Numbering::kFedb)[0].etag);
  // The last row goes, another one's flag changes.
  fedb::TablePartition edited = p;
  edited.mutable_partition_meta()->RemoveLast();
  edited.mutable_partition_meta(0)->set_is_leader(false);
  fedb::TableInfo expected = info;
  *expected.mutable_table_partition(0) = edited;
  edited.DiscardUnknownFields();
  fedb::TableInfo named = info;
  *named.mutable_table_partition(0) = edited;
  const auto json = partitions_of(named.SerializeAsString(), Numbering::kFedb)[0].json;
  EXPECT_EQ(written(before, json), expected.SerializeAsString());
}

TEST(PartitionText, SaysWhatChanges) {
  const std::string before = flow();
  const std::string json = partitions_of(before, Numbering::kFedb)[0].json;
  EXPECT_THAT(changes(before, replaced(json, R"("is_leader":true)", R"("is_leader":false)")),
              ElementsAre("127.0.0.1:9720: is_leader true -> false"));
  EXPECT_THAT(changes(before, replaced(json, R"("endpoint":"127.0.0.1:9722")",
                                       R"("endpoint":"127.0.0.1:9723","offset":"7")")),
              ElementsAre(HasSubstr("127.0.0.1:9722: its row goes: {\"endpoint\""),
                          HasSubstr("127.0.0.1:9723: a new row: {\"endpoint\"")));
  EXPECT_THAT(changes(before, replaced(json, R"({"pid":0,)", R"({"pid":0,"diskused":"9",)")),
              ElementsAre("diskused - -> 9"));
  EXPECT_THAT(changes(before, replaced(json, R"({"term":"1","offset":"0"},)", "")),
              ElementsAre("term_offset: 1 from offset 0, 3 from offset 4 -> 3 from offset 4"));
  EXPECT_THAT(what_changes(before, Numbering::kFedb, 9, ""), IsEmpty());
}

TEST(PartitionText, MistakesAreOneLine) {
  const std::string json = partitions_of(flow(), Numbering::kFedb)[0].json;
  const auto mistake = [](const std::string& text) {
    const auto parsed = parse_partition(text);
    EXPECT_FALSE(parsed) << text;
    return parsed ? "" : parsed.error().text;
  };
  EXPECT_THAT(mistake(replaced(json, R"("is_leader":true)", R"("is_leader":true,"leads":true)")),
              HasSubstr("leads"));
  EXPECT_THAT(mistake(replaced(json, R"("is_leader":true)", R"("is_leader":"perhaps")")),
              HasSubstr("perhaps"));
  EXPECT_THAT(mistake(replaced(json, R"("is_leader":true,)", "")), HasSubstr("is_leader"));
  EXPECT_THAT(mistake("{}"), HasSubstr("pid"));
  for (const char* text : {"", "{", "[]", "7", "{\"pid\":-1}", "{\n\"pid\":\n", "{\"pid\":0}\n}"}) {
    EXPECT_EQ(mistake(text).find('\n'), std::string::npos) << text;
  }
}

// With the other numbering the partitions are the same message.
TEST(PartitionText, ReadsBothNumberings) {
  fedb::TableInfo old_numbers;
  ASSERT_TRUE(old_numbers.ParseFromString(flow()));
  openmldb::TableInfo new_numbers;
  new_numbers.set_name("flow");
  *new_numbers.mutable_table_partition() = old_numbers.table_partition();
  const auto fedb = partitions_of(flow(), Numbering::kFedb);
  const auto openmldb = partitions_of(new_numbers.SerializeAsString(), Numbering::kOpenmldb);
  ASSERT_EQ(openmldb.size(), 2U);
  EXPECT_EQ(openmldb[0].json, fedb[0].json);
  EXPECT_EQ(openmldb[0].etag, fedb[0].etag);
}

TEST(PartitionText, WhatIsNoPartitionReplacesNone) {
  core::TableEdit edit{kZnode, 3, {}};
  core::PartitionEdit& p = edit.partitions.emplace_back();
  p.pid = 0;
  for (const char* message : {"torn", ""}) {
    p.whole = {{}, message};
    EXPECT_FALSE(apply_edit(flow(), edit, Numbering::kFedb)) << message;
  }
}

}  // namespace
}  // namespace failoverd::fedb
