// gettablepartition and settablepartition of failoverctl: the file between them, and what the
// daemon is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "daemon/ctl/partition_file.h"
#include "tests/harness/temporary_directory.h"
#include "tests/unit/admin/fake_source.h"
#include "tests/unit/admin/run_program.h"

namespace failoverd::admin {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kPartition =
    R"({"pid":0,"partition_meta":[{"endpoint":"A:1","is_leader":true,"is_alive":true}],)"
    R"("term_offset":[{"term":"18446744073709551615","offset":"0"}]})";

class CtlPartitionTest : public testing::Test {
 protected:
  void SetUp() override {
    source_.partition_rows = {{"flow", "", 0, "0011", kPartition},
                              {"flow", "", 1, "0022", "{\"pid\":1}"},
                              {"flow", "shop", 0, "0033", "{\"pid\":0}"}};
    source_.on_command = [](const CommandRequest&, const auto& done) {
      CommandResult result;
      result.message = "set table partition ok";
      result.plan = {"flow/0: A:1: is_alive true -> false"};
      done(result);
    };
    served_.start();
  }
  Ran run(std::vector<std::string> words) {
    words.insert(words.begin(), {"--server", served_.address()});
    return failoverctl(words);
  }
  std::vector<CommandRequest> commands() {
    return served_.on_loop([&] { return std::exchange(source_.commands, {}); });
  }
  std::string read() const {
    std::ifstream in(file_);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string mistake(const std::string& text) {
    std::ofstream{file_} << text;
    const Ran ran = run({"settablepartition", file_});
    EXPECT_EQ(ran.status, 1) << text;
    EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
    EXPECT_TRUE(commands().empty()) << text;
    return ran.err;
  }

  const harness::TemporaryDirectory directory_;
  const std::string file_ = (directory_.path() / "p.json").string();
  ServedSource served_;
  FakeSource& source_ = served_.source;
};

TEST_F(CtlPartitionTest, IsWrittenAsPeopleEditIt) {
  const Ran shown = run({"gettablepartition", "flow", "0"});
  EXPECT_EQ(shown.status, 0) << shown.err;
  EXPECT_EQ(shown.out, R"({
  "name": "flow",
  "db": "",
  "pid": 0,
  "etag": "0011",
  "partition": {
    "pid": 0,
    "partition_meta": [
      {"endpoint": "A:1", "is_leader": true, "is_alive": true}
    ],
    "term_offset": [
      {"term": "18446744073709551615", "offset": "0"}
    ]
  }
}
)");
  const Ran written = run({"gettablepartition", "flow", "0", file_});
  EXPECT_EQ(written.status, 0) << written.err;
  EXPECT_EQ(written.out, "get table partition ok\n");
  EXPECT_EQ(read(), shown.out);
  EXPECT_THAT(run({"gettablepartition", "flow", "0", "--db", "shop"}).out, HasSubstr("0033"));
}

TEST_F(CtlPartitionTest, WhatIsNotThereIsNamed) {
  EXPECT_EQ(run({"gettablepartition", "none", "0"}).err,
            "failed to get table partition. error msg: table is not exist\n");
  EXPECT_EQ(run({"gettablepartition", "flow", "9"}).err,
            "failed to get table partition. error msg: pid is not exist\n");
  EXPECT_EQ(run({"gettablepartition", "flow", "x"}).status, 2);
  EXPECT_THAT(run({"gettablepartition", "flow", "0", "/nosuch/file"}).err,
              HasSubstr("cannot write /nosuch/file"));
}

// What was read goes back as it is, but for what somebody has edited, and with its etag.
TEST_F(CtlPartitionTest, IsShownAndThenWritten) {
  ASSERT_EQ(run({"gettablepartition", "flow", "0", file_}).status, 0);
  const Ran plan = run({"settablepartition", file_, "--plan"});
  EXPECT_EQ(plan.out, "flow/0: A:1: is_alive true -> false\n");
  auto seen = commands();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].args.at("plan"), "true");
  const Ran done = run({"settablepartition", file_, "--yes"});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(done.out, "set table partition ok\n");
  EXPECT_EQ(done.err, "flow/0: A:1: is_alive true -> false\n");
  seen = commands();
  ASSERT_EQ(seen.size(), 2U);
  const std::map<std::string, std::string> told{
      {"name", "flow"}, {"etag", "0011"}, {"partition", kPartition}};
  EXPECT_EQ(seen[1].args, told);
  ASSERT_EQ(run({"gettablepartition", "flow", "0", file_, "--db", "shop"}).status, 0);
  EXPECT_EQ(run({"settablepartition", file_}).status, 0);
  EXPECT_EQ(commands()[1].args.at("db"), "shop");
}

TEST_F(CtlPartitionTest, AFileThatIsNoneIsNamed) {
  const std::string begin = "Fail to set table partition. error msg: " + file_;
  EXPECT_THAT(mistake(""), StartsWith(begin + " is not JSON"));
  EXPECT_THAT(mistake("{\n\n"), StartsWith(begin + " is not JSON"));
  EXPECT_THAT(mistake("[]"), StartsWith(begin + ": it is not what gettablepartition writes"));
  EXPECT_THAT(mistake(R"({"name": "flow", "partition": {}})"), HasSubstr("etag is missing"));
  EXPECT_THAT(mistake(R"({"name": "flow", "etag": "1"})"), HasSubstr("partition is missing"));
  EXPECT_THAT(mistake(R"({"name": "flow", "etag": "1", "partition": {}, "pids": 1})"),
              HasSubstr("there is no field pids"));
  EXPECT_THAT(mistake(R"({"name": "flow", "etag": "1", "pid": 1, "partition": {"pid": 0}})"),
              HasSubstr("pid is another one"));
  std::filesystem::remove(file_);
  EXPECT_EQ(run({"settablepartition", file_}).err,
            "Fail to set table partition. error msg: cannot "
            "read " +
                file_ + "\n");
}

TEST_F(CtlPartitionTest, ARefusalIsOneLine) {
  ASSERT_EQ(run({"gettablepartition", "flow", "0", file_}).status, 0);
  served_.on_loop([&] {
    source_.on_command = [](const CommandRequest&, const auto& done) {
      CommandResult result;
      result.kind = CommandResult::Kind::kRefused;
      result.code = 304;
      result.error = "set zk failed";
      result.hint = "the table's znode has changed meanwhile: read it again";
      done(result);
    };
  });
  const Ran ran = run({"settablepartition", file_, "--yes"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err,
            "Fail to set table partition. error msg: set zk failed: the table's znode has changed "
            "meanwhile: read it again\n");
}

}  // namespace
}  // namespace failoverd::admin
