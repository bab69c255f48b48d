#include "lib/admin/access.h"

#include <arpa/inet.h>

#include <algorithm>

#include "lib/base/lower_case.h"

namespace failoverd::admin {
namespace {

bool is_address(const std::string& host) {
  in6_addr scratch{};
  return ::inet_pton(AF_INET, host.c_str(), &scratch) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &scratch) == 1;
}

// An address cannot be rebound: a page from there is a page of this daemon.
bool is_this_machine(const AccessPolicy& policy, const std::string& host) {
  if (host == "localhost" || is_address(host)) return true;
  return std::any_of(policy.host_names.begin(), policy.host_names.end(),
                     [&](const std::string& name) { return lower_case(name) == host; });
}

bool same_site(const Credentials& credentials) {
  if (credentials.origin.empty()) return true;  // Not a browser.
  const auto scheme = credentials.origin.find("://");
  if (scheme == std::string::npos) return false;  // "null": sandboxed or a file.
  return lower_case(credentials.origin.substr(scheme + 3)) == lower_case(credentials.host);
}

bool has_token(const AccessPolicy& policy, const Credentials& credentials) {
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view given = credentials.authorization;
  if (given.size() < kScheme.size() || lower_case(given.substr(0, kScheme.size())) != kScheme) {
    return false;
  }
  return same_secret(given.substr(kScheme.size()), policy.token);
}

std::optional<Denial> judge_host(const AccessPolicy& policy, const Credentials& credentials) {
  if (is_this_machine(policy, host_of(credentials.host))) return std::nullopt;
  return Denial{403, "Host " + credentials.host + " is not this machine: use its address"};
}

}  // namespace

std::optional<Denial> judge_change(const AccessPolicy& policy, const Peer& peer,
                                   const Credentials& credentials) {
  if (!same_site(credentials)) {
    return Denial{403, "a page of " + credentials.origin + " may not change anything here"};
  }
  if (!policy.token.empty()) {
    if (has_token(policy, credentials)) return std::nullopt;
    return Denial{401, credentials.authorization.empty()
                           ? "the token is needed: Authorization: Bearer TOKEN"
                           : "the token is not the right one"};
  }
  if (!peer.local) {
    return Denial{403,
                  "without a token (listen.token_file) changes are taken from this machine "
                  "only, not from " +
                      peer.address};
  }
  // Both are on this machine whoever sent the request.
  if (!credentials.forwarded.empty()) {
    return Denial{403,
                  "without a token (listen.token_file) no change is taken through a proxy, and "
                  "a header " +
                      credentials.forwarded + " came along"};
  }
  const std::string site = lower_case(credentials.fetch_site);
  if (!site.empty() && site != "same-origin" && site != "none") {
    return Denial{
        403, "another site's page may not change anything here (Sec-Fetch-Site: " + site + ")"};
  }
  return judge_host(policy, credentials);
}

std::optional<Denial> judge_read(const AccessPolicy& policy, const Peer& peer,
                                 const Credentials& credentials) {
  if (!peer.local || credentials.host.empty()) return std::nullopt;
  if (!policy.token.empty() && has_token(policy, credentials)) return std::nullopt;
  return judge_host(policy, credentials);
}

bool tells_of_a_proxy(std::string_view header_name) {
  const std::string name = lower_case(header_name);
  return name == "forwarded" || name == "via" || name == "x-real-ip" ||
         name.starts_with("x-forwarded-");
}

std::string host_of(std::string_view host_and_port) {
  if (!host_and_port.empty() && host_and_port.front() == '[') {
    const auto end = host_and_port.find(']');
    return lower_case(host_and_port.substr(1, end == std::string_view::npos ? end : end - 1));
  }
  return lower_case(host_and_port.substr(0, host_and_port.find(':')));
}

bool same_secret(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char other = b.empty() ? '\0' : b[i % b.size()];
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(other);
  }
  return difference == 0;
}

}  // namespace failoverd::admin
