// What a leader does for one follower: it asks once for the follower's offset and from then on
// sends what is behind its own idea of it, from the binlog. It never asks again: a follower that
// came back with less answers 122 for ever, until DelReplica. The original has a thread for it.
// Owned by its Partition until stopped.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "lib/rpc/channel.h"
#include "tests/minitablet/options.h"
#include "tests/minitablet/partition.h"

namespace failoverd::minitablet {

class FollowerLink : public std::enable_shared_from_this<FollowerLink> {
 public:
  // endpoint: what the follower is called; `channel` leads to it.
  FollowerLink(boost::asio::io_context& io, PartitionPtr partition, std::string endpoint,
               std::shared_ptr<rpc::Channel> channel, std::shared_ptr<const Options> options);

  void start();
  // Sleeps are cut short; an AppendEntries under way is waited for, that is what makes ChangeRole
  // and DelReplica slow. Calls joined when nothing more will be sent; at once if never started.
  void stop(std::function<void()> joined);
  // The log has grown.
  void poke();

  const std::string& endpoint() const { return endpoint_; }
  // Where we believe the follower is; 0 until first matched.
  std::uint64_t offset() const { return offset_; }
  // The binlog file that is being read; kNowhere before the first read.
  std::int64_t file() const { return cursor_.file; }

 private:
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<rpc::Answer> ask(std::string request);
  boost::asio::awaitable<bool> match();
  boost::asio::awaitable<bool> send_batch();
  boost::asio::awaitable<void> wait(Millis duration);
  boost::asio::awaitable<void> wait_for_news();
  void finish();

  const std::shared_ptr<const Options> options_;
  const PartitionPtr partition_;
  const std::string endpoint_;
  const std::shared_ptr<rpc::Channel> channel_;

  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
  std::uint64_t offset_ = 0;
  Binlog::Cursor cursor_;
  bool started_ = false;
  bool running_ = false;  // False once stop() was called.
  bool finished_ = false;
  bool idle_ = false;  // In wait_for_news().
  std::function<void()> joined_;
};

}  // namespace failoverd::minitablet
