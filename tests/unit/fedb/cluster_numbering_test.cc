// Which numbers the cluster's tables have, and what is said while they contradict each other.
#include "lib/fedb/metadata/cluster_numbering.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <variant>

namespace failoverd::fedb {
namespace {

using testing::HasSubstr;

std::string golden(const std::string& name) {
  std::ifstream in(std::string{FAILOVERD_GOLDEN} + "/" + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

const std::string kFedbTable = golden("fedb-2.1/table_info.bin");
const std::string kOpenmldbTable = golden("openmldb-0.9/table_info.bin");
// Field 2 is the partitions', 3 the tid.
const std::string kAnother{
    "\x0a\x04"
    "flow"
    "\x12\x02\x08\x00"
    "\x18\x07",
    12};

class ClusterNumberingTest : public testing::Test {
 protected:
  void use(std::optional<Numbering> fixed) {
    numbering_.emplace(fixed, obstacles_);
    numbering_->on_found = [this](const std::string& line) { found_ += line + "\n"; };
  }
  void SetUp() override { use(std::nullopt); }

  std::string obstacle_;  // What stands in the way, as the core was told last.
  std::string found_;
  Obstacles obstacles_{[this](const core::Event& event) {
    const auto& told = std::get<core::Obstacle>(event);
    EXPECT_EQ(told.reason, "numbering");
    obstacle_ = told.text;
  }};
  std::optional<ClusterNumbering> numbering_;
};

TEST_F(ClusterNumberingTest, AnEmptyClusterHasNoneAndTheFirstTableTells) {
  EXPECT_EQ(numbering_->known(), std::nullopt);
  EXPECT_EQ(obstacle_, "");
  EXPECT_EQ(numbering_->read("table/table_data/a", kOpenmldbTable).value(), Numbering::kOpenmldb);
  EXPECT_EQ(numbering_->known(), Numbering::kOpenmldb);
  numbering_->read("table/table_data/b", kOpenmldbTable).value();
  EXPECT_EQ(found_, "the tables have the numbers of openmldb\n");
  numbering_->gone("table/table_data/a");
  numbering_->gone("table/table_data/b");
  EXPECT_EQ(numbering_->known(), std::nullopt);
  numbering_->read("table/table_data/c", kFedbTable).value();
  EXPECT_EQ(numbering_->known(), Numbering::kFedb);
  EXPECT_EQ(obstacle_, "");
}

TEST_F(ClusterNumberingTest, TwoKindsOfTablesStandInTheWayUntilOneIsGone) {
  numbering_->read("table/table_data/a", kFedbTable).value();
  numbering_->read("table/table_data/b", kFedbTable).value();
  EXPECT_EQ(numbering_->read("table/db_table_data/7", kOpenmldbTable).value(),
            Numbering::kOpenmldb);
  EXPECT_EQ(numbering_->known(), std::nullopt);
  EXPECT_THAT(obstacle_, HasSubstr("table/table_data/a has the numbers of fedb (2 tables), "
                                   "table/db_table_data/7 has the numbers of openmldb (1 table)"));
  numbering_->gone("table/db_table_data/7");
  EXPECT_EQ(obstacle_, "");
  EXPECT_EQ(numbering_->known(), Numbering::kFedb);
  // The same znode, written anew.
  numbering_->read("table/table_data/a", kOpenmldbTable).value();
  EXPECT_NE(obstacle_, "");
  numbering_->read("table/table_data/b", kOpenmldbTable).value();
  EXPECT_EQ(obstacle_, "");
  EXPECT_EQ(numbering_->known(), Numbering::kOpenmldb);
}

TEST_F(ClusterNumberingTest, ATableOfAnUnknownNumberingStandsInTheWay) {
  numbering_->read("table/table_data/a", kFedbTable).value();
  const auto read = numbering_->read("table/table_data/new", kAnother);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().text, "is no TableInfo: its fields are neither fedb's nor openmldb's");
  EXPECT_THAT(obstacle_, HasSubstr("table/table_data/new is a table of a numbering that is not"));
  EXPECT_EQ(numbering_->known(), Numbering::kFedb);
  numbering_->read("table/table_data/new", kFedbTable).value();
  EXPECT_EQ(obstacle_, "");
}

// SAFETY 16: one spoilt znode is its own trouble.
TEST_F(ClusterNumberingTest, DamageStandsInNobodysWay) {
  numbering_->read("table/table_data/a", kFedbTable).value();
  EXPECT_FALSE(numbering_->read("table/table_data/torn", "\xff\xff"));
  EXPECT_EQ(obstacle_, "");
  EXPECT_EQ(numbering_->known(), Numbering::kFedb);
  // What it was before does not count any more.
  numbering_->read("table/table_data/b", kOpenmldbTable).value();
  EXPECT_NE(obstacle_, "");
  EXPECT_FALSE(numbering_->read("table/table_data/b", ""));
  EXPECT_EQ(obstacle_, "");
}

TEST_F(ClusterNumberingTest, WhatTheConfigurationSaysIsNotLookedFor) {
  use(Numbering::kOpenmldb);
  EXPECT_EQ(numbering_->known(), Numbering::kOpenmldb);
  EXPECT_EQ(numbering_->read("table/table_data/a", kFedbTable).value(), Numbering::kOpenmldb);
  EXPECT_EQ(numbering_->read("table/table_data/b", kAnother).value(), Numbering::kOpenmldb);
  EXPECT_EQ(numbering_->known(), Numbering::kOpenmldb);
  EXPECT_EQ(obstacle_, "");
  EXPECT_EQ(found_, "");
}

}  // namespace
}  // namespace failoverd::fedb
