#include "lib/base/line_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "lib/base/standard_streams.h"

namespace failoverd {
namespace {

// A pipe as a shell would have made it; the writing end is the test's own "standard error".
class LineWriterTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0);
    never_wait_to_write(ends_[1]);
  }
  void TearDown() override {
    stop_reading();
    ::close(ends_[1]);
  }
  void stop_reading() {
    if (ends_[0] >= 0) ::close(ends_[0]);
    ends_[0] = -1;
  }
  std::string read_all() {
    std::string text;
    std::array<char, 4096> piece{};
    ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    for (;;) {
      const ssize_t got = ::read(ends_[0], piece.data(), piece.size());
      if (got <= 0) return text;
      text.append(piece.data(), static_cast<std::size_t>(got));
    }
  }

  std::array<int, 2> ends_{-1, -1};
};

// The pipe takes 64 KiB, the writer keeps as much again; all beyond is dropped whole.
TEST_F(LineWriterTest, WhatNobodyReadsIsDroppedAndCounted) {
  LineWriter writer{ends_[1], 64 * 1024};
  const std::string line(1023, 'x');
  for (int i = 0; i < 1000; ++i) writer.write(line + "\n");
  const std::uint64_t taken = 1000 - writer.dropped();
  EXPECT_GE(taken, 64U);
  EXPECT_LT(taken, 200U);
  EXPECT_TRUE(writer.has_kept());

  std::string all = read_all();
  writer.flush();
  all += read_all();
  EXPECT_FALSE(writer.has_kept());
  writer.write("the last one\n");
  all += read_all();
  EXPECT_EQ(all.size(), taken * 1024 + 13);
  EXPECT_TRUE(all.ends_with(line + "\nthe last one\n"));
  EXPECT_EQ(writer.dropped(), 1000 - taken);
}

TEST_F(LineWriterTest, AReaderThatIsGoneCostsLinesOnly) {
  std::signal(SIGPIPE, SIG_IGN);
  LineWriter writer{ends_[1], 1024};
  stop_reading();
  writer.write("one\n");
  writer.write("two\n");
  EXPECT_EQ(writer.dropped(), 2U);
}

// A shell that shares the pipe or terminal is not to be told "try again".
TEST(StandardStreams, OthersThatShareADescriptorGoOnWaiting) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const int shared = ::dup(ends[1]);
  never_wait_to_write(ends[1]);
  EXPECT_EQ(::fcntl(shared, F_GETFL) & O_NONBLOCK, 0);
  const std::string much(256 * 1024, 'x');
  EXPECT_LT(::write(ends[1], much.data(), much.size()), static_cast<ssize_t>(much.size()));
  EXPECT_EQ(::write(ends[1], much.data(), much.size()), -1);
  EXPECT_EQ(errno, EAGAIN);
  for (const int fd : {ends[0], ends[1], shared}) ::close(fd);
}

}  // namespace
}  // namespace failoverd
