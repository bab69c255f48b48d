#include "lib/rpc/endpoint.h"

#include <charconv>

namespace failoverd::rpc {

Result<HostPort> parse_endpoint(std::string_view endpoint) {
  const auto refuse = [&] {
    return Failure{"\"" + std::string(endpoint) + "\" is no endpoint: ip:port or [v6]:port"};
  };
  const std::size_t colon = endpoint.rfind(':');
  if (colon == std::string_view::npos) return refuse();
  std::string_view host = endpoint.substr(0, colon);
  const std::string_view digits = endpoint.substr(colon + 1);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return refuse();  // A bare v6 address: which colon is the last one's is anyone's guess.
  }
  HostPort parsed{std::string(host), 0};
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), parsed.port);
  if (host.empty() || digits.empty() || error != std::errc{} ||
      end != digits.data() + digits.size()) {
    return refuse();
  }
  return parsed;
}

bool may_be_connected_to(std::string_view endpoint) {
  constexpr std::size_t kLongestName = 253;
  constexpr std::string_view kInNames =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:%";
  const auto parsed = parse_endpoint(endpoint);
  return parsed && parsed->port != 0 && parsed->host.size() <= kLongestName &&
         parsed->host.find_first_not_of(kInNames) == std::string::npos;
}

std::string to_text(const HostPort& endpoint) {
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return (v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

}  // namespace failoverd::rpc
