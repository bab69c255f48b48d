// The connection to the leading nameserver: one, to whom was asked last. Owned by the driver; one
// thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "lib/base/lifetime.h"
#include "lib/fedb/metadata/nameserver_calls.h"
#include "lib/fedb/metadata/server_names.h"
#include "lib/rpc/channel.h"

namespace failoverd::fedb {

class NameserverConnection : public NameserverCalls {
 public:
  NameserverConnection(boost::asio::io_context& io, const ServerNames& names)
      : io_(io), names_(names) {}

  void call(const std::string& endpoint, const std::string& method, std::string request,
            Duration deadline, Done done) override;

 private:
  boost::asio::io_context& io_;
  const ServerNames& names_;
  std::unique_ptr<rpc::Channel> channel_;
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
