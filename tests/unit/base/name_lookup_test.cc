// Names are looked up beside the loop: one that hangs holds up nothing, not even the end.
#include "lib/base/name_lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>

namespace failoverd {
namespace {

using boost::asio::ip::make_address;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using Lane = NameLookup::Lane;

// A name server. Threads that ask it may outlive a test, so they share it.
class Server {
 public:
  Result<NameLookup::Addresses> ask(const std::string& name) {
    std::unique_lock lock{mutex_};
    ++asked_[name];
    changed_.notify_all();
    changed_.wait(lock, [&] { return !hangs_.contains(name); });
    if (name.starts_with("no")) return Failure{name + ": not found"};
    return NameLookup::Addresses{make_address("192.0.2." + std::to_string(asked_[name]))};
  }
  void hang(const std::string& name) {
    const std::lock_guard lock{mutex_};
    hangs_.insert(name);
  }
  void answer_all() {
    const std::lock_guard lock{mutex_};
    hangs_.clear();
    changed_.notify_all();
  }
  int asked(const std::string& name) {
    const std::lock_guard lock{mutex_};
    return asked_[name];
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, int> asked_;
  std::set<std::string> hangs_;
};

class NameLookupTest : public testing::Test {
 protected:
  NameLookupTest() { set({}); }
  ~NameLookupTest() override { server_->answer_all(); }
  void set(NameLookup::Timing timing) {
    NameLookup::of(*io_).set(
        timing, [server = server_](const std::string& name) { return server->ask(name); });
  }
  void ask(const std::string& name, Lane lane = Lane::kMany) {
    NameLookup::of(*io_).look_up(name, lane, [this](const Result<NameLookup::Addresses>& found) {
      told_.push_back(found ? found->at(0).to_string() : found.error().text);
    });
  }
  // Runs the loop until there are so many answers, and returns them.
  std::vector<std::string> answers(std::size_t count) {
    const auto give_up = std::chrono::steady_clock::now() + seconds{20};
    while (told_.size() < count && std::chrono::steady_clock::now() < give_up) {
      io_->restart();
      io_->run_for(milliseconds{5});
    }
    return std::exchange(told_, {});
  }

  std::shared_ptr<Server> server_ = std::make_shared<Server>();
  std::unique_ptr<boost::asio::io_context> io_ = std::make_unique<boost::asio::io_context>();
  std::vector<std::string> told_;
};

TEST_F(NameLookupTest, OneThatHangsHoldsUpNoOther) {
  for (int i = 0; i < 8; ++i) {
    server_->hang("slow" + std::to_string(i));
    ask("slow" + std::to_string(i));
  }
  ask("a");
  EXPECT_TRUE(told_.empty()) << "never from inside the call";
  EXPECT_THAT(answers(1), ElementsAre("192.0.2.1"));
  server_->answer_all();
  EXPECT_EQ(answers(8).size(), 8u);
}

// However many tablets' names hang, ZooKeeper's are looked up at once.
TEST_F(NameLookupTest, ManyThatHangHoldUpNoneOfTheFew) {
  for (int i = 0; i < 100; ++i) {
    server_->hang("slow" + std::to_string(i));
    ask("slow" + std::to_string(i));
  }
  ask("zookeeper");
  ask("zookeeper", Lane::kOne);
  EXPECT_THAT(answers(2), ElementsAre("192.0.2.1", "192.0.2.1"));
  server_->answer_all();
  EXPECT_EQ(answers(100).size(), 100u) << "the others follow";
}

TEST_F(NameLookupTest, TheEndWaitsForNobody) {
  server_->hang("slow");
  ask("slow");
  io_.reset();  // Asio's own resolver would wait here, for ever.
  server_->answer_all();
  EXPECT_TRUE(told_.empty());
}

TEST_F(NameLookupTest, OneThatWasNotFoundIsNotAskedForAgainForAWhile) {
  for (int i = 0; i < 3; ++i) {
    ask("nowhere");
    EXPECT_THAT(answers(1), ElementsAre("nowhere: not found"));
  }
  EXPECT_EQ(server_->asked("nowhere"), 1);
  ask("nowhere", Lane::kOne);
  EXPECT_EQ(answers(1).size(), 1u);
  EXPECT_EQ(server_->asked("nowhere"), 2) << "one of the few is";
  set({.not_again = Duration{0}});
  ask("nowhere");
  EXPECT_EQ(answers(1).size(), 1u);
  EXPECT_EQ(server_->asked("nowhere"), 3);
}

// What was found last will do while nobody answers, or when the answer is that there is none.
TEST_F(NameLookupTest, WhatWasFoundLastWillDo) {
  set({.patience = milliseconds{1}});
  ask("a", Lane::kOne);
  EXPECT_THAT(answers(1), ElementsAre("192.0.2.1"));
  server_->hang("a");
  ask("a", Lane::kOne);
  ask("a", Lane::kMany);
  EXPECT_THAT(answers(2), ElementsAre("192.0.2.1", "192.0.2.1"));
  NameLookup::of(*io_).set({}, [](const std::string&) { return Failure{"nobody is there"}; });
  server_->answer_all();
  ask("a", Lane::kOne);
  EXPECT_THAT(answers(1), ElementsAre("192.0.2.2")) << "that one was under way";
  ask("a", Lane::kOne);
  EXPECT_THAT(answers(1), ElementsAre("192.0.2.2"));
}

TEST_F(NameLookupTest, AnAddressIsItsOwnName) {
  ask("127.0.0.1");
  ask("::1", Lane::kOne);
  EXPECT_THAT(answers(2), ElementsAre("127.0.0.1", "::1"));
  EXPECT_EQ(server_->asked("127.0.0.1"), 0);
}

}  // namespace
}  // namespace failoverd
