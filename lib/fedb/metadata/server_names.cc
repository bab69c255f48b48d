#include "lib/fedb/metadata/server_names.h"

#include "lib/rpc/endpoint.h"

namespace failoverd::fedb {

void ServerNames::set(const std::string& name, const std::string& address) {
  std::string& known = addresses_[name];
  if (known == address) return;
  known = address;
  ++version_;
}

std::optional<std::string> ServerNames::address_of(const std::string& server) const {
  const auto found = addresses_.find(server);
  if (found != addresses_.end()) return found->second;
  if (rpc::may_be_connected_to(server)) return server;
  return std::nullopt;
}

}  // namespace failoverd::fedb
