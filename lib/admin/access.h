// Who may change things over HTTP. Reading is open to whoever reaches the address; changing needs
// the token or, where none is set, a call from this machine. Cookies are never used. Pure.
//
// A browser on this machine is such a caller too, whatever page it shows, and so is a proxy,
// whoever stands behind it. So a change whose Origin is another site is refused, and, where only
// loopback vouches for the caller, one that was forwarded, and whatever has a Host that is a name
// but not this machine's: that is how a site that rebinds its DNS name to 127.0.0.1 looks.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace failoverd::admin {

struct Peer {
  std::string address;  // "127.0.0.1:40312", for records.
  bool local = false;   // Through loopback or a unix socket.
};

struct Credentials {
  std::string host;           // The Host header as sent.
  std::string origin;         // Origin, empty when absent.
  std::string authorization;  // Authorization.
  std::string fetch_site;     // Sec-Fetch-Site: whose page a browser asks for; empty: no browser.
  std::string forwarded;      // A header that only proxies send; empty: none has come.
};

struct AccessPolicy {
  std::string token;                    // What the token file holds, without white space at its
                                        // ends; empty: no token.
  std::vector<std::string> host_names;  // This machine's names, besides localhost and addresses.
};

struct Denial {
  unsigned status = 403;  // 401: a token is needed and the right one did not come. 403: never.
  std::string error;
};

// Nothing: the call may change things.
std::optional<Denial> judge_change(const AccessPolicy& policy, const Peer& peer,
                                   const Credentials& credentials);

// Nothing: the call may read. Only a browser sends a Host that it did not choose itself, so without
// one, or with the token, it may.
std::optional<Denial> judge_read(const AccessPolicy& policy, const Peer& peer,
                                 const Credentials& credentials);

// Whether a header of this name says that somebody else stands behind the caller.
bool tells_of_a_proxy(std::string_view header_name);

// The host of "host", "host:port", "[v6]:port", in lower case, without brackets.
std::string host_of(std::string_view host_and_port);

// In time that does not depend on where they differ.
bool same_secret(std::string_view a, std::string_view b);

}  // namespace failoverd::admin
