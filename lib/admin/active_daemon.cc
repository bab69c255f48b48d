#include "lib/admin/active_daemon.h"

#include <boost/asio/ip/address.hpp>
#include <optional>

namespace failoverd::admin {
namespace {

// What stands before the port.
std::string host_part(const std::string& address) { return address.substr(0, address.rfind(':')); }

std::optional<boost::asio::ip::address> ip_of(const std::string& address) {
  std::string host = host_part(address);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  const auto ip = boost::asio::ip::make_address(host, error);
  return error ? std::nullopt : std::optional(ip);
}

}  // namespace

std::string lock_value(const std::string& name, const std::string& listen) {
  const auto ip = ip_of(listen);
  const bool wildcard = ip && ip->is_unspecified();
  return name + " " + (wildcard ? host_part(name) + listen.substr(listen.rfind(':')) : listen);
}

HolderView holder_from(const std::string& value, const std::string& me) {
  const auto space = value.find(' ');
  if (space == std::string::npos) return {value, ""};
  HolderView holder{value.substr(0, space), value.substr(space + 1)};
  const auto ip = ip_of(holder.address);
  const bool only_there = ip && ip->is_loopback() && host_part(holder.name) != host_part(me);
  if (only_there) holder.address.clear();
  return holder;
}

}  // namespace failoverd::admin
