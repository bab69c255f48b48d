#include "lib/config/addresses.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <array>

#include "lib/config/quote.h"
#include "lib/config/units.h"

namespace failoverd::config {
namespace {

constexpr std::string_view kEnsembleForm =
    "write HOST:PORT[,HOST:PORT...], such as 10.0.0.1:2181,10.0.0.2:2181";
constexpr std::string_view kListenForm = "write IP:PORT or [IPV6]:PORT, such as 127.0.0.1:9650";

bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

bool is_ip(int family, std::string_view text) {
  std::array<unsigned char, 16> bytes{};
  return inet_pton(family, std::string{text}.c_str(), bytes.data()) == 1;
}

bool is_numbers_and_dots(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

// A host without its port. What looks like an IPv4 address has to be one: 10.0.0.256 is no name.
bool is_host(std::string_view host) {
  if (host.empty() || host.size() > 255) return false;
  if (is_numbers_and_dots(host)) return is_ip(AF_INET, host);
  return std::all_of(host.begin(), host.end(), is_word_char);
}

struct Parts {
  std::string_view host;  // Without brackets.
  std::string_view port;
  bool in_brackets = false;
};

// nullopt: there is no colon that would part a host from a port.
std::optional<Parts> split(std::string_view address) {
  if (address.starts_with('[')) {
    const std::size_t end = address.find("]:");
    if (end == std::string_view::npos) return std::nullopt;
    return Parts{address.substr(1, end - 1), address.substr(end + 2), true};
  }
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  return Parts{address.substr(0, colon), address.substr(colon + 1), false};
}

bool is_port(std::string_view text) {
  const auto port = parse_number(text);
  return port && *port >= 1 && *port <= 65535;
}

std::string with(std::string_view what, std::string_view form) {
  return std::string{what} + ": " + std::string{form};
}

std::string part_problem(std::string_view part, std::string_view what, std::string_view form) {
  return "has the part " + quoted(part) + ", " + with(what, form);
}

Problem check_server(std::string_view server) {
  if (server.find('/') != std::string_view::npos) {
    return part_problem(server, "a path does not belong here", "write it as cluster.root");
  }
  const auto parts = split(server);
  if (!parts) return part_problem(server, "which has no port", kEnsembleForm);
  const bool host_is_good =
      parts->in_brackets ? is_ip(AF_INET6, parts->host) : is_host(parts->host);
  if (!host_is_good)
    return part_problem(server, "whose host is neither a name nor an address", kEnsembleForm);
  if (!is_port(parts->port))
    return part_problem(server, "whose port is not 1 to 65535", kEnsembleForm);
  return std::nullopt;
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

}  // namespace

Problem check_ensemble(std::string_view text) {
  if (text.empty()) return with("names no server", kEnsembleForm);
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view server = text.substr(begin, end - begin);
    if (server.empty()) return with("has an empty part", kEnsembleForm);
    if (Problem problem = check_server(server)) return problem;
    begin = end + 1;
  }
  return std::nullopt;
}

Problem check_listen_address(std::string_view text) {
  const auto parts = split(text);
  if (!parts) return with("has no port", kListenForm);
  const bool ip_is_good =
      parts->in_brackets ? is_ip(AF_INET6, parts->host) : is_ip(AF_INET, parts->host);
  if (!ip_is_good) {
    return with("does not begin with an IP address",
                std::string{kListenForm} + ", or 0.0.0.0:9650 for every interface");
  }
  if (!is_port(parts->port)) return with("has a port that is not 1 to 65535", kListenForm);
  return std::nullopt;
}

Problem check_listen_address_or_none(std::string_view text) {
  if (text.empty()) return std::nullopt;
  Problem problem = check_listen_address(text);
  if (problem) *problem += ", or \"\" for none";
  return problem;
}

Problem check_znode_path(std::string_view text) {
  constexpr std::string_view kForm = "write an absolute path, such as /rtidb_cluster";
  if (!text.starts_with('/')) return with("is not absolute", kForm);
  if (text == "/") return with("is no place of its own", kForm);
  if (text.ends_with('/')) {
    const std::string_view without = text.substr(0, text.find_last_not_of('/') + 1);
    if (without.empty()) return with("is no place of its own", kForm);
    return "ends with a slash: write " + quoted(without);
  }
  if (has_control_characters(text)) return with("has control characters", kForm);
  for (std::size_t begin = 1; begin <= text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    if (part.empty()) return with("has an empty part", kForm);
    if (part == "." || part == "..") return with("has a relative part", kForm);
    begin = end + 1;
  }
  return std::nullopt;
}

Problem check_path(std::string_view text) {
  constexpr std::string_view kForm = "write an absolute path, such as /var/lib/failoverd";
  if (!text.starts_with('/')) return with("is not absolute", kForm);
  if (has_control_characters(text)) return with("has control characters", kForm);
  return std::nullopt;
}

Problem check_path_or_none(std::string_view text) {
  if (text.empty()) return std::nullopt;
  Problem problem = check_path(text);
  if (problem) *problem += ", or \"\" for none";
  return problem;
}

Problem check_socket_path_or_none(std::string_view text) {
  constexpr std::size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
  if (text.size() > kLongest) {
    return "is too long for a unix socket: write at most " + std::to_string(kLongest) + " bytes";
  }
  return check_path_or_none(text);
}

}  // namespace failoverd::config
