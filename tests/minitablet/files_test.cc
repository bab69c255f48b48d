// The pieces below the tablet that need no sockets: records, binlog files, flags.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/harness/temporary_directory.h"
#include "tests/minitablet/binlog.h"
#include "tests/minitablet/faults.h"
#include "tests/minitablet/options.h"
#include "tests/minitablet/record_reader.h"

namespace failoverd::minitablet {
namespace {

namespace fs = std::filesystem;

std::string frame(std::uint64_t index, const std::string& entry = "e") {
  std::string bytes;
  append_frame(bytes, Record{index, 1, entry});
  return bytes;
}

TEST(Records, ComeBackAndDamageIsSeen) {
  std::string bytes = frame(7, "hello") + frame(8, "");
  std::string_view in = bytes;
  Record record;
  EXPECT_EQ(take_frame(in, record), Frame::kWhole);
  EXPECT_EQ(record.index, 7u);
  EXPECT_EQ(record.entry, "hello");
  EXPECT_EQ(take_frame(in, record), Frame::kWhole);
  EXPECT_EQ(take_frame(in, record), Frame::kPart);
  for (std::size_t cut = 0; cut < frame(7, "hello").size(); ++cut) {
    std::string_view part = std::string_view{bytes}.substr(0, cut);
    EXPECT_EQ(take_frame(part, record), Frame::kPart);
  }
  bytes[10] ^= 1;
  in = bytes;
  EXPECT_EQ(take_frame(in, record), Frame::kDamaged);
}

class BinlogFiles : public testing::Test {
 protected:
  Binlog open(std::uint64_t max_bytes = 100) {
    Binlog log{disk_, directory_.path() / "binlog", max_bytes};
    EXPECT_TRUE(log.open());
    return log;
  }
  // Appends entries first..last to the log.
  static void fill(Binlog& log, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t i = first; i <= last; ++i) ASSERT_TRUE(log.append(frame(i), i - 1));
  }
  std::vector<std::uint64_t> read(Binlog& log, Binlog::Cursor& cursor, std::uint64_t offset,
                                  std::size_t limit = 100) {
    std::vector<Record> records;
    last_ = log.read(cursor, offset, limit, records);
    std::vector<std::uint64_t> indexes;
    for (const Record& record : records) indexes.push_back(record.index);
    return indexes;
  }
  Disk disk_;
  harness::TemporaryDirectory directory_;
  Binlog::Read last_ = Binlog::Read::kNothing;
};

TEST_F(BinlogFiles, ReadOverSeveralFilesFromAnyOffset) {
  Binlog log = open();
  fill(log, 1, 20);
  EXPECT_GT(log.files().size(), 3u);
  for (std::uint64_t offset = 0; offset < 20; ++offset) {
    Binlog::Cursor cursor;
    const auto indexes = read(log, cursor, offset);
    ASSERT_EQ(indexes.size(), 20 - offset);
    EXPECT_EQ(indexes.front(), offset + 1);
    EXPECT_EQ(indexes.back(), 20u);
    EXPECT_TRUE(read(log, cursor, 20).empty());
    EXPECT_EQ(last_, Binlog::Read::kNothing);
  }
}

TEST_F(BinlogFiles, CursorGoesOnWhereItStands) {
  Binlog log = open();
  Binlog::Cursor cursor;
  fill(log, 1, 5);
  EXPECT_THAT(read(log, cursor, 0, 3), testing::ElementsAre(1, 2, 3));
  EXPECT_THAT(read(log, cursor, 3, 3), testing::ElementsAre(4, 5));
  fill(log, 6, 7);
  EXPECT_THAT(read(log, cursor, 5, 3), testing::ElementsAre(6, 7));
}

TEST_F(BinlogFiles, OpenedAgainItBeginsANewFile) {
  {
    Binlog log = open(1 << 20);
    fill(log, 1, 3);
  }
  Binlog log = open(1 << 20);
  EXPECT_EQ(log.files().size(), 1u);
  fill(log, 4, 5);
  EXPECT_EQ(log.files().size(), 2u);
  EXPECT_EQ(log.files()[1].start_offset, 3u);
  Binlog::Cursor cursor;
  EXPECT_THAT(read(log, cursor, 1), testing::ElementsAre(2, 3, 4, 5));
}

TEST_F(BinlogFiles, WhatWasDeletedIsMissing) {
  Binlog log = open();
  fill(log, 1, 20);
  log.delete_below(log.file_behind(15));
  EXPECT_EQ(log.file_behind(0), Binlog::Cursor::kNowhere);
  Binlog::Cursor cursor;
  EXPECT_TRUE(read(log, cursor, 0).empty());
  EXPECT_EQ(last_, Binlog::Read::kMissing);
  cursor = {};
  EXPECT_THAT(read(log, cursor, 15), testing::ElementsAre(16, 17, 18, 19, 20));
}

TEST_F(BinlogFiles, AGapEndsTheReading) {
  Binlog log = open(1 << 20);
  fill(log, 1, 2);
  disk_.set_full(true);
  EXPECT_FALSE(log.append(frame(3), 2));
  disk_.set_full(false);
  fill(log, 4, 5);
  Binlog::Cursor cursor;
  EXPECT_THAT(read(log, cursor, 0), testing::ElementsAre(1, 2));
  EXPECT_TRUE(read(log, cursor, 2).empty());
  EXPECT_EQ(last_, Binlog::Read::kMissing);
}

TEST_F(BinlogFiles, EmptyFileIsForgottenAndRubbishRefused) {
  fs::create_directories(directory_.path() / "binlog");
  std::ofstream{directory_.path() / "binlog" / "00000000.log"};
  EXPECT_TRUE(open().files().empty());
  std::ofstream{directory_.path() / "binlog" / "00000001.log"} << std::string(100, 'x');
  Binlog log{disk_, directory_.path() / "binlog", 100};
  EXPECT_FALSE(log.open());
}

TEST_F(BinlogFiles, RecordLargerThanAChunk) {
  Binlog log = open(1 << 30);
  const std::string large(300'000, 'x');
  ASSERT_TRUE(log.append(frame(1, large), 0));
  ASSERT_TRUE(log.append(frame(2, large), 1));
  std::vector<Record> records;
  Binlog::Cursor cursor;
  EXPECT_EQ(log.read(cursor, 0, 10, records), Binlog::Read::kRecords);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1].entry, large);
}

TEST(Flags, TheOriginalsAndOurs) {
  const auto parsed = parse_flags({"--endpoint=127.0.0.1:9720", "-zk_cluster=a:1,b:2",
                                   "--nobinlog_notify_on_put", "--request_timeout_ms=700",
                                   "--binlog_single_file_max_size=2", "--db_root_path=/tmp/x"});
  ASSERT_TRUE(parsed);
  const Options& options = parsed.value().options;
  EXPECT_EQ(options.endpoint, "127.0.0.1:9720");
  EXPECT_EQ(options.zk_cluster, "a:1,b:2");
  EXPECT_FALSE(options.binlog_notify_on_put);
  EXPECT_EQ(options.request_timeout, Millis{700});
  EXPECT_EQ(options.binlog_single_file_max_bytes, 2u << 20);
  EXPECT_EQ(options.recycle_bin_root_path, "/tmp/x/recycle");
  EXPECT_TRUE(parsed.value().warnings.empty());
}

TEST(Flags, WhatIsNotHeededIsWarnedOf) {
  const auto parsed = parse_flags({"--gc_interval=120", "--thread_pool_size=10"});
  ASSERT_TRUE(parsed);
  EXPECT_THAT(parsed.value().warnings,
              testing::ElementsAre(testing::HasSubstr("gc_interval"),
                                   testing::HasSubstr("thread_pool_size")));
}

TEST(Flags, CallsThatHangFromTheStart) {
  const auto parsed = parse_flags({"--hang=LoadTable:inside,DropTable:after:3,Put:before:0:2"});
  ASSERT_TRUE(parsed);
  const auto hangs = parse_hangs(parsed.value().options.hang);
  ASSERT_TRUE(hangs);
  ASSERT_EQ(hangs.value().size(), 3u);
  EXPECT_EQ(hangs.value()[0].match().method(), "LoadTable");
  EXPECT_EQ(hangs.value()[0].stage(), control::kInside);
  EXPECT_FALSE(hangs.value()[0].match().has_pid());
  EXPECT_EQ(hangs.value()[1].stage(), control::kAfter);
  EXPECT_EQ(hangs.value()[1].match().pid(), 3u);
  EXPECT_EQ(hangs.value()[2].match().pid(), 0u);
  EXPECT_EQ(hangs.value()[2].skip(), 2u);
}

TEST(Flags, AFileOfThem) {
  harness::TemporaryDirectory directory;
  const fs::path file = directory.path() / "flags";
  std::ofstream{file} << "# a comment\n--endpoint=127.0.0.1:1\n\n--task_pool_size=5\n";
  const auto parsed = parse_flags({"--flagfile=" + file.string()});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed.value().options.task_pool_size, 5u);
  EXPECT_FALSE(parse_flags({"--flagfile=/nowhere/at/all"}));
}

TEST(Flags, WhatCannotWorkIsNamed) {
  for (const char* wrong :
       {"endpoint", "--endpoint=nowhere", "--zk_session_timeout=2s", "--binlog_notify_on_put=maybe",
        "--zk_root_path=rtidb", "--task_pool_size=0", "--hang=LoadTable", "--hang=LoadTable:now",
        "--hang=LoadTable:before:x", "--hang=:before", "--hang=LoadTable:before:1:-1"}) {
    const auto parsed = parse_flags({wrong});
    ASSERT_FALSE(parsed) << wrong;
    EXPECT_FALSE(parsed.error().text.empty());
  }
}

}  // namespace
}  // namespace failoverd::minitablet
