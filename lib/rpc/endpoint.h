// Endpoints as the cluster writes them: "ip:port", "[v6]:port". Pure text, nothing is resolved.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/base/result.h"

namespace failoverd::rpc {

struct HostPort {
  std::string host;  // Without brackets.
  std::uint16_t port = 0;
};

// The port is decimal, 0 to 65535; what is before the last colon is the host, not empty.
Result<HostPort> parse_endpoint(std::string_view endpoint);

// Whether somebody could listen there: a host that is an address or could be a name, and a port
// that is not 0.
bool may_be_connected_to(std::string_view endpoint);

// The endpoint in the one spelling that is not one of several: IPv4 as four decimal numbers, IPv6
// as short as it gets, localhost as 127.0.0.1, the port without leading zeros. Other names stay as
// they are, and so does what is no endpoint.
std::string one_spelling(std::string_view endpoint);

// The reverse: a host with a colon in it gets its brackets.
std::string to_text(const HostPort& endpoint);

}  // namespace failoverd::rpc
