// FileWatch on real files. What must not be told is shown with a second file that is written
// afterwards: by the time its end of quiet is told, the first one's would have been.
#include "lib/config/watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

namespace failoverd::config {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& text) { std::ofstream{path} << text; }

class Watch : public testing::Test {
 protected:
  Watch() {
    std::string name = testing::TempDir() + "failoverd_watch_XXXXXX";
    directory_ = ::mkdtemp(name.data());
    fs::create_directory(directory_ / "etc");
  }
  ~Watch() override { fs::remove_all(directory_); }

  FileWatch watch(const fs::path& path, int& told) {
    Result<FileWatch> result = FileWatch::start(io_, path.string(), [&told] { ++told; });
    EXPECT_TRUE(result) << result.error().text;
    return std::move(*result);
  }

  bool wait_until(const std::function<bool()>& predicate) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    io_.restart();
    while (!predicate()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      io_.run_one_for(std::chrono::milliseconds{50});
    }
    return true;
  }

  // Everything that was to be told before now has been told.
  void settle() {
    int told = 0;
    const fs::path path = directory_ / "settle";
    const FileWatch other = watch(path, told);
    write(path, "x");
    ASSERT_TRUE(wait_until([&] { return told > 0; }));
  }

  asio::io_context io_{1};
  fs::path directory_;
  const std::string name_ = "failoverd.yaml";
  int told_ = 0;
};

TEST_F(Watch, TellsOfAFileThatWasWrittenAndClosed) {
  const fs::path file = directory_ / "etc" / name_;
  write(file, "a");
  const FileWatch watched = watch(file, told_);
  settle();
  EXPECT_EQ(told_, 0) << "what was there before is not told";
  write(file, "b");
  ASSERT_TRUE(wait_until([&] { return told_ == 1; }));
  write(file, "c");
  ASSERT_TRUE(wait_until([&] { return told_ == 2; }));
  settle();
  EXPECT_EQ(told_, 2);
}

TEST_F(Watch, WaitsUntilTheWriterHasClosed) {
  const fs::path file = directory_ / "etc" / name_;
  write(file, "a");
  const FileWatch watched = watch(file, told_);
  std::ofstream out{file};
  out << "half" << std::flush;
  settle();
  EXPECT_EQ(told_, 0);
  out << "whole" << std::flush;
  settle();
  EXPECT_EQ(told_, 0);
  out.close();
  ASSERT_TRUE(wait_until([&] { return told_ == 1; }));
}

TEST_F(Watch, ANewFileIsToldOnceItIsClosed) {
  const fs::path file = directory_ / "etc" / name_;
  const FileWatch watched = watch(file, told_);
  std::ofstream out{file};
  settle();
  out << "half" << std::flush;
  settle();
  EXPECT_EQ(told_, 0);
  out.close();
  ASSERT_TRUE(wait_until([&] { return told_ == 1; }));
}

TEST_F(Watch, AFileThatIsOpenedAgainIsNotToldHalfWritten) {
  const fs::path file = directory_ / "etc" / name_;
  const FileWatch watched = watch(file, told_);
  write(file, "a");
  std::ofstream out{file};  // Cuts it to nothing before the first end of quiet.
  settle();
  EXPECT_EQ(told_, 0);
  out << "b";
  out.close();
  ASSERT_TRUE(wait_until([&] { return told_ == 1; }));
}

TEST_F(Watch, ManyWritesInARowAreOne) {
  const fs::path file = directory_ / "etc" / name_;
  const FileWatch watched = watch(file, told_);
  for (int i = 0; i < 20; ++i) {
    write(file, std::to_string(i));
    io_.poll();
  }
  ASSERT_TRUE(wait_until([&] { return told_ == 1; }));
  settle();
  EXPECT_EQ(told_, 1);
}

TEST_F(Watch, TellsOfARenameOver) {
  const fs::path file = directory_ / "etc" / name_;
  write(file, "a");
  const FileWatch watched = watch(file, told_);
  for (int round = 1; round <= 3; ++round) {
    write(directory_ / "etc" / "new", "b");
    settle();
    EXPECT_EQ(told_, round - 1) << "another name is not ours";
    fs::rename(directory_ / "etc" / "new", file);
    ASSERT_TRUE(wait_until([&] { return told_ == round; }));
  }
  write(file, "c");
  ASSERT_TRUE(wait_until([&] { return told_ == 4; })) << "the new file is followed";
  write(directory_ / "etc" / "empty", "");
  fs::rename(directory_ / "etc" / "empty", file);
  ASSERT_TRUE(wait_until([&] { return told_ == 5; }));
}

TEST_F(Watch, AFileThatGoesIsNotToldUntilItIsBack) {
  const fs::path file = directory_ / "etc" / name_;
  write(file, "a");
  const FileWatch watched = watch(file, told_);
  fs::remove(file);
  settle();
  EXPECT_EQ(told_, 0);
  write(file, "b");
  ASSERT_TRUE(wait_until([&] { return told_ == 1; }));
  write(file, "c");
  fs::remove(file);
  settle();
  EXPECT_EQ(told_, 1) << "gone before it was quiet";
  write(file, "d");
  ASSERT_TRUE(wait_until([&] { return told_ == 2; }));
}

TEST_F(Watch, TouchedAttributesAreNoChange) {
  const fs::path file = directory_ / "etc" / name_;
  write(file, "a");
  const FileWatch watched = watch(file, told_);
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  std::stringstream read;
  read << std::ifstream{file}.rdbuf();
  settle();
  EXPECT_EQ(told_, 0);
}

TEST_F(Watch, FollowsSymlinksThatAreSwapped) {
  // As Kubernetes lays out a ConfigMap: failoverd.yaml -> ..data/failoverd.yaml, ..data -> ..one.
  const fs::path etc = directory_ / "etc";
  for (const char* version : {"..one", "..two", "..three"}) {
    fs::create_directory(etc / version);
    write(etc / version / name_, version);
  }
  fs::create_symlink("..one", etc / "..data");
  fs::create_symlink("..data/" + name_, etc / name_);
  const FileWatch watched = watch(etc / name_, told_);
  int round = 0;
  for (const char* version : {"..two", "..three"}) {
    fs::create_symlink(version, etc / "..data_tmp");
    settle();
    EXPECT_EQ(told_, round);
    fs::rename(etc / "..data_tmp", etc / "..data");
    ++round;
    ASSERT_TRUE(wait_until([&] { return told_ == round; })) << version;
  }
  fs::remove_all(etc / "..one");
  write(etc / "..two" / name_, "not ours any more");
  settle();
  EXPECT_EQ(told_, 2);
  write(etc / "..three" / name_, "written in place");
  ASSERT_TRUE(wait_until([&] { return told_ == 3; }));
}

TEST_F(Watch, FollowsALinkThatIsMadeAnew) {
  const fs::path file = directory_ / "etc" / name_;
  write(directory_ / "one", "1");
  write(directory_ / "two", "2");
  fs::create_symlink(directory_ / "one", file);
  const FileWatch watched = watch(file, told_);
  fs::remove(file);
  fs::create_symlink("../two", file);
  ASSERT_TRUE(wait_until([&] { return told_ == 1; }));
  write(directory_ / "two", "3");
  ASSERT_TRUE(wait_until([&] { return told_ == 2; }));
  fs::remove(file);
  fs::create_hard_link(directory_ / "one", file);
  ASSERT_TRUE(wait_until([&] { return told_ == 3; }));
}

TEST_F(Watch, SurvivesItsDirectories) {
  const fs::path etc = directory_ / "etc";
  const fs::path deep = etc / "a" / "b";
  fs::create_directories(deep);
  write(deep / name_, "a");
  const FileWatch watched = watch(deep / name_, told_);
  for (int round = 1; round <= 3; ++round) {
    fs::remove_all(etc);
    settle();
    EXPECT_EQ(told_, round - 1);
    fs::create_directories(deep);
    write(deep / name_, "b");
    ASSERT_TRUE(wait_until([&] { return told_ == round; }));
  }
  fs::create_directories(directory_ / "other" / "a" / "b");
  write(directory_ / "other" / "a" / "b" / name_, "c");
  fs::rename(etc, directory_ / "old");
  fs::rename(directory_ / "other", etc);
  ASSERT_TRUE(wait_until([&] { return told_ == 4; }));
  write(directory_ / "old" / "a" / "b" / name_, "not ours any more");
  settle();
  EXPECT_EQ(told_, 4);
}

TEST_F(Watch, ADirectoryThatIsReplacedAtOnceIsSeen) {
  const fs::path file = directory_ / "etc" / name_;
  write(file, "a");
  const FileWatch watched = watch(file, told_);
  fs::remove_all(directory_ / "etc");  // All of it before the loop turns once.
  fs::create_directory(directory_ / "etc");
  write(file, "b");
  ASSERT_TRUE(wait_until([&] { return told_ == 1; }));
}

TEST_F(Watch, CircularLinksAreNoFile) {
  const fs::path file = directory_ / "etc" / name_;
  fs::create_symlink(name_, file);
  const FileWatch watched = watch(file, told_);
  settle();
  EXPECT_EQ(told_, 0);
  fs::remove(file);
  write(file, "a");
  ASSERT_TRUE(wait_until([&] { return told_ == 1; }));
}

TEST_F(Watch, TakesARelativePath) {
  const fs::path before = fs::current_path();
  fs::current_path(directory_);
  const FileWatch watched = watch("etc/../etc/" + name_, told_);
  fs::current_path(before);
  write(directory_ / "etc" / name_, "a");
  ASSERT_TRUE(wait_until([&] { return told_ == 1; }));
}

TEST_F(Watch, NothingIsToldAfterItsEnd) {
  const fs::path file = directory_ / "etc" / name_;
  {
    const FileWatch watched = watch(file, told_);
    write(file, "a");
    io_.poll();
  }
  settle();
  EXPECT_EQ(told_, 0);
}

TEST_F(Watch, MayBeDestroyedByItsOwnCall) {
  const fs::path file = directory_ / "etc" / name_;
  std::unique_ptr<FileWatch> watched;
  bool told = false;
  Result<FileWatch> result = FileWatch::start(io_, file.string(), [&] {
    told = true;
    watched.reset();
  });
  ASSERT_TRUE(result);
  watched = std::make_unique<FileWatch>(std::move(*result));
  write(file, "a");
  ASSERT_TRUE(wait_until([&] { return told; }));
  EXPECT_EQ(watched, nullptr);
}

}  // namespace
}  // namespace failoverd::config
