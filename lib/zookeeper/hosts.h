// The servers of an ensemble: their list as configured, and their addresses. Names are looked up
// here, because the C client would do it on the loop's thread and hold everything up while a name
// server does not answer. A name that cannot be looked up now has the addresses found last.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/result.h"

namespace failoverd::zookeeper {

struct Host {
  std::string name;  // Or an address, without brackets.
  std::string port;
  bool operator==(const Host&) const = default;
};

// "h1:2181,[::1]:2182". Fails for an empty list, a missing port, a path (a chroot).
Result<std::vector<Host>> parse_hosts(std::string_view list);

// Whether no name has to be looked up.
bool are_addresses(const std::vector<Host>& hosts);

// As the C client takes it: "127.0.0.1:2181,::1:2182", sorted.
std::string to_client_list(const std::vector<Host>& hosts);

// Looks all names up at once, then calls done with the addresses of those that were found, which
// may be none. done is called from the io_context, exactly once, or not at all if cancelled.
class HostLookup {
 public:
  using Done = std::function<void(std::vector<Host>)>;
  explicit HostLookup(boost::asio::io_context& io);
  ~HostLookup();  // Cancels.
  void start(const std::vector<Host>& hosts, Done done);
  bool under_way() const;

 private:
  struct Round;
  boost::asio::io_context& io_;
  std::shared_ptr<Round> round_;
};

}  // namespace failoverd::zookeeper
