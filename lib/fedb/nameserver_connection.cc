#include "lib/fedb/nameserver_connection.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "lib/rpc/endpoint.h"

namespace failoverd::fedb {

// Works with every generation (FEDB.md 2).
constexpr const char* kService = "NameServer";

void NameserverConnection::call(const std::string& endpoint, const std::string& method,
                                std::string request, Duration deadline, Done done) {
  if (!rpc::may_be_connected_to(endpoint)) {
    boost::asio::post(io_, lifetime_.guard([done = std::move(done), endpoint] {
      done({false, false, {}, "\"" + endpoint + "\" is no endpoint IP:PORT"});
    }));
    return;
  }
  if (!channel_ || channel_->endpoint() != endpoint) {
    channel_ = std::make_unique<rpc::Channel>(io_, endpoint, rpc::Channel::Options{});
  }
  channel_->call(kService, method, std::move(request), deadline,
                 lifetime_.guard([done = std::move(done)](const rpc::Answer& answer) {
                   const bool answered = answer.outcome == rpc::Outcome::kAnswered;
                   done({answered, answer.sent, answer.payload, answered ? "" : answer.error_text});
                 }));
}

}  // namespace failoverd::fedb
