#include "lib/fedb/nameserver_connection.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace failoverd::fedb {

// Works with every generation (FEDB.md 2).
constexpr const char* kService = "NameServer";

void NameserverConnection::call(const std::string& endpoint, const std::string& method,
                                std::string request, Duration deadline, Done done) {
  const auto address = names_.address_of(endpoint);
  if (!address) {
    boost::asio::post(io_, lifetime_.guard([done = std::move(done), endpoint] {
      done({false, false, {}, "\"" + endpoint + "\" is no endpoint IP:PORT, and no name of one"});
    }));
    return;
  }
  if (!channel_ || channel_->endpoint() != *address) {
    channel_ = std::make_unique<rpc::Channel>(io_, *address, rpc::Channel::Options{});
  }
  channel_->call(kService, method, std::move(request), deadline,
                 lifetime_.guard([done = std::move(done)](const rpc::Answer& answer) {
                   const bool answered = answer.outcome == rpc::Outcome::kAnswered;
                   done({answered, answer.sent, answer.payload, answered ? "" : answer.error_text});
                 }));
}

}  // namespace failoverd::fedb
