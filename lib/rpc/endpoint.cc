#include "lib/rpc/endpoint.h"

#include <arpa/inet.h>

#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <optional>

namespace failoverd::rpc {
namespace {

// Whatever connect() would take for an IPv4 address: 127.1 and 0x7f.0.0.1, too.
std::optional<std::string> as_address_v4(const std::string& host) {
  in_addr address{};
  const bool may_be = host.find_first_not_of("0123456789abcdefxABCDEFX.") == std::string::npos;
  if (!may_be || ::inet_aton(host.c_str(), &address) == 0) return std::nullopt;
  return boost::asio::ip::make_address_v4(ntohl(address.s_addr)).to_string();
}

std::string one_spelling_of_host(const std::string& host) {
  if (host == "localhost") return "127.0.0.1";
  if (auto v4 = as_address_v4(host)) return std::move(*v4);
  boost::system::error_code error;
  const auto v6 = boost::asio::ip::make_address_v6(host, error);
  return error ? host : v6.to_string();
}

}  // namespace

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
  if (host.find_first_of("[]") != std::string_view::npos) return refuse();
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

std::string one_spelling(std::string_view endpoint) {
  auto parsed = parse_endpoint(endpoint);
  if (!parsed) return std::string(endpoint);
  parsed->host = one_spelling_of_host(parsed->host);
  return to_text(*parsed);
}

std::string to_text(const HostPort& endpoint) {
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return (v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

}  // namespace failoverd::rpc
