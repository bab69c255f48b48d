// Connections of the nameserver to its tablets. Owned by the Nameserver.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "lib/rpc/channel.h"
#include "proto/tablet.pb.h"
#include "tests/minitablet/await.h"
#include "tests/nameserver/options.h"

namespace failoverd::mininameserver {

namespace asio = boost::asio;

class Tablets {
 public:
  Tablets(asio::io_context& io, const Options& options) : io_{io}, options_{options} {}

  // With use_name: the addresses behind the tablets' names.
  std::map<std::string, std::string> names;

  // What is handed over by reference has to be there until it is answered: gcc 12 may destroy
  // values twice that are temporaries of a co_await.
  // The response, or nothing if there was none within request_timeout.
  template <class Response>
  asio::awaitable<std::optional<Response>> ask(const std::string& endpoint, const char* method,
                                               const std::string& request) {
    const std::shared_ptr<rpc::Channel> channel = channel_to(endpoint);
    std::string payload = request;
    std::string attachment;
    const rpc::Answer answer = co_await minitablet::call(
        *channel, options_.kind->wire->service, method, std::move(payload), std::move(attachment),
        options_.request_timeout);
    Response response;
    if (answer.outcome != rpc::Outcome::kAnswered || !response.ParseFromString(answer.payload)) {
      co_return std::nullopt;
    }
    co_return std::move(response);
  }
  // The response's code; kNotAnswered.
  static constexpr int kNotAnswered = -1000;
  asio::awaitable<int> code(const std::string& endpoint, const char* method,
                            const std::string& request) {
    const auto response = co_await ask<fedb::GeneralResponse>(endpoint, method, request);
    co_return response && response->has_code() ? response->code() : kNotAnswered;
  }

 private:
  std::shared_ptr<rpc::Channel> channel_to(const std::string& endpoint) {
    const auto named = names.find(endpoint);
    const std::string& address = named == names.end() ? endpoint : named->second;
    auto& channel = channels_[address];
    if (!channel) channel = std::make_shared<rpc::Channel>(io_, address, rpc::Channel::Options{});
    return channel;
  }

  asio::io_context& io_;
  const Options& options_;
  std::map<std::string, std::shared_ptr<rpc::Channel>> channels_;  // By address.
};

}  // namespace failoverd::mininameserver
