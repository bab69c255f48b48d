#include "tests/minitablet/testkit/client.h"

#include <utility>

#include "tests/harness/wait_until.h"

namespace failoverd::testkit {

Client::Client(boost::asio::io_context& io, std::string endpoint)
    : io_{io}, channel_{io, std::move(endpoint), rpc::Channel::Options{}} {}

rpc::Answer Client::call(const std::string& service, const std::string& method, std::string request,
                         std::string attachment, std::chrono::milliseconds within) {
  std::optional<rpc::Answer> got;
  channel_.call_with_attachment(service, method, std::move(request), std::move(attachment), within,
                                [&](rpc::Answer answer) { got = std::move(answer); });
  // The channel keeps the deadline; every call is answered.
  while (!harness::wait_until(
      io_, [&] { return got.has_value(); }, std::chrono::hours{1}, "the call is answered")) {
  }
  return std::move(*got);
}

std::optional<minitablet::control::DumpResponse> Client::dump(
    const minitablet::control::DumpRequest& request) {
  return parse<minitablet::control::DumpResponse>(
      call("MiniTablet", "Dump", request.SerializeAsString(), {}, std::chrono::seconds{60}));
}

}  // namespace failoverd::testkit
