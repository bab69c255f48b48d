#include "tests/minitablet/follower_link.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "tests/minitablet/await.h"

namespace failoverd::minitablet {
namespace {

// The entries lie serialized in the binlog; they are put behind the other fields as they are.
void add_entry(std::string& request, const std::string& entry) {
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::io::StringOutputStream out{&request};
  google::protobuf::io::CodedOutputStream coded{&out};
  coded.WriteTag(WireFormatLite::MakeTag(fedb::AppendEntriesRequest::kEntriesFieldNumber,
                                         WireFormatLite::WIRETYPE_LENGTH_DELIMITED));
  coded.WriteVarint32(static_cast<std::uint32_t>(entry.size()));
  coded.WriteString(entry);
}

bool is_ok(const rpc::Answer& answer, fedb::AppendEntriesResponse& response) {
  return answer.outcome == rpc::Outcome::kAnswered && response.ParseFromString(answer.payload) &&
         response.has_code() && response.code() == 0;
}

}  // namespace

FollowerLink::FollowerLink(asio::io_context& io, PartitionPtr partition, std::string endpoint,
                           std::shared_ptr<rpc::Channel> channel,
                           std::shared_ptr<const Options> options)
    : options_{std::move(options)},
      partition_{std::move(partition)},
      endpoint_{std::move(endpoint)},
      channel_{std::move(channel)},
      io_{io},
      timer_{io} {}

void FollowerLink::start() {
  if (started_) return;
  started_ = running_ = true;
  asio::co_spawn(
      io_, [self = shared_from_this()] { return self->run(); }, asio::detached);
}

void FollowerLink::stop(std::function<void()> joined) {
  running_ = false;
  if (!started_ || finished_) {
    joined();
    return;
  }
  joined_ = std::move(joined);
  timer_.cancel();
}

void FollowerLink::finish() {
  finished_ = true;
  if (joined_) std::exchange(joined_, nullptr)();
}

void FollowerLink::poke() {
  if (!idle_) return;
  idle_ = false;
  if (options_->binlog_notify_on_put) {
    timer_.cancel();
  } else {
    // The original looks every binlog_sync_wait_time: on average half of it passes.
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    const auto period = std::chrono::nanoseconds{options_->binlog_sync_wait_time};
    timer_.expires_after(period.count() == 0 ? period : period - now % period);
  }
}

asio::awaitable<void> FollowerLink::wait(Millis duration) {
  if (!running_) co_return;
  timer_.expires_after(duration);
  co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<void> FollowerLink::wait_for_news() {
  // Re-arming the timer wakes its waiter too, so it is awaited until it was not merely re-armed.
  idle_ = true;
  timer_.expires_at(asio::steady_timer::time_point::max());
  while (running_) {
    const auto armed = timer_.expiry();
    const auto [error] = co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (!error || timer_.expiry() == armed) break;
  }
  idle_ = false;
}

asio::awaitable<rpc::Answer> FollowerLink::ask(std::string request) {
  return call(*channel_, options_->generation->service, "AppendEntries", std::move(request),
              std::string{}, options_->request_timeout);
}

asio::awaitable<bool> FollowerLink::match() {
  fedb::AppendEntriesRequest request;
  request.set_tid(partition_->tid());
  request.set_pid(partition_->pid());
  request.set_term(partition_->term);
  request.set_pre_log_index(0);
  const rpc::Answer answer = co_await ask(request.SerializeAsString());
  fedb::AppendEntriesResponse response;
  if (!is_ok(answer, response)) co_return false;
  offset_ = response.log_offset();
  co_return true;
}

asio::awaitable<bool> FollowerLink::send_batch() {
  std::vector<Record> records;
  if (partition_->binlog.read(cursor_, offset_, options_->binlog_sync_batch_size, records) !=
      Binlog::Read::kRecords) {
    co_return false;
  }
  fedb::AppendEntriesRequest head;
  head.set_tid(partition_->tid());
  head.set_pid(partition_->pid());
  head.set_term(partition_->term);
  head.set_pre_log_index(offset_);
  std::string request = head.SerializeAsString();
  for (const Record& record : records) add_entry(request, record.entry);
  // The same batch again until it is taken, as the original's cached request.
  for (;;) {
    const rpc::Answer answer = co_await ask(request);
    fedb::AppendEntriesResponse response;
    if (is_ok(answer, response)) break;
    co_await wait(options_->binlog_coffee_time);
    if (!running_) co_return true;
  }
  offset_ = records.back().index;
  co_return true;
}

asio::awaitable<void> FollowerLink::run() {
  // Whoever started us answers first.
  co_await yield();
  bool matched = false;
  while (running_ && !matched) {
    matched = co_await match();
    if (!matched) co_await wait(options_->binlog_match_logoffset_interval);
  }
  while (running_) {
    if (offset_ >= partition_->offset) {
      co_await wait_for_news();
      continue;
    }
    const bool sent = co_await send_batch();
    if (!sent) co_await wait(options_->binlog_coffee_time);
  }
  finish();
}

}  // namespace failoverd::minitablet
