// Talks to one tablet and waits for the answer, running the caller's loop meanwhile: for tests and
// tools, where one thing after the other is what is wanted.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "lib/rpc/channel.h"
#include "tests/minitablet/control.pb.h"

namespace failoverd::testkit {

class Client {
 public:
  Client(boost::asio::io_context& io, std::string endpoint);

  rpc::Answer call(const std::string& service, const std::string& method, std::string request,
                   std::string attachment = {},
                   std::chrono::milliseconds within = std::chrono::seconds{10});

  // A TabletServer method; nothing if it was not answered (last_answer() says why).
  template <class Response, class Request>
  std::optional<Response> ask(const std::string& method, const Request& request,
                              std::string attachment = {},
                              std::chrono::milliseconds within = std::chrono::seconds{10}) {
    return parse<Response>(
        call("TabletServer", method, request.SerializeAsString(), std::move(attachment), within));
  }
  // The same without waiting: `done` gets the response, or nothing.
  template <class Response, class Request>
  void ask_async(const std::string& method, const Request& request,
                 std::function<void(std::optional<Response>)> done,
                 std::chrono::milliseconds within = std::chrono::seconds{30}) {
    channel_.call("TabletServer", method, request.SerializeAsString(), within,
                  [this, done = std::move(done)](rpc::Answer answer) {
                    done(parse<Response>(std::move(answer)));
                  });
  }

  // A method of minitablet's own service; whether it answered with code 0.
  template <class Request>
  bool control(const std::string& method, const Request& request) {
    const auto answer =
        parse<minitablet::control::Answer>(call("MiniTablet", method, request.SerializeAsString()));
    return answer && answer->code() == 0;
  }
  std::optional<minitablet::control::DumpResponse> dump(
      const minitablet::control::DumpRequest& request);

  const rpc::Answer& last_answer() const { return last_; }
  rpc::Channel& channel() { return channel_; }

 private:
  template <class Response>
  std::optional<Response> parse(rpc::Answer answer) {
    last_ = std::move(answer);
    Response response;
    if (last_.outcome != rpc::Outcome::kAnswered || !response.ParseFromString(last_.payload)) {
      return std::nullopt;
    }
    return response;
  }

  boost::asio::io_context& io_;
  rpc::Channel channel_;
  rpc::Answer last_;
};

}  // namespace failoverd::testkit
