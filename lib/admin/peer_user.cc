#include "lib/admin/peer_user.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

namespace failoverd::admin {
namespace {

struct Address {
  unsigned char family = 0;
  std::array<std::uint32_t, 4> ip{};
  std::uint16_t port = 0;  // In network order, as ip is.
};

// An IPv4 address in IPv6 clothes is one of IPv4: as such the kernel knows the caller's socket.
std::optional<Address> address_of(const sockaddr_storage& from) {
  Address address;
  if (from.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(from);
    address.family = AF_INET;
    address.ip[0] = v4.sin_addr.s_addr;
    address.port = v4.sin_port;
    return address;
  }
  if (from.ss_family != AF_INET6) return std::nullopt;
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
  std::memcpy(address.ip.data(), &v6.sin6_addr, sizeof address.ip);
  address.port = v6.sin6_port;
  address.family = AF_INET6;
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    address.family = AF_INET;
    address.ip = {address.ip[3], 0, 0, 0};
  }
  return address;
}

struct Question {
  nlmsghdr header{};
  inet_diag_req_v2 body{};
};

Question question(const Address& caller, const Address& ours) {
  Question q;
  q.header.nlmsg_len = sizeof q;
  q.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  q.header.nlmsg_flags = NLM_F_REQUEST;
  q.body.sdiag_family = caller.family;
  q.body.sdiag_protocol = IPPROTO_TCP;
  q.body.idiag_states = ~0U;
  std::memcpy(q.body.id.idiag_src, caller.ip.data(), sizeof q.body.id.idiag_src);
  std::memcpy(q.body.id.idiag_dst, ours.ip.data(), sizeof q.body.id.idiag_dst);
  q.body.id.idiag_sport = caller.port;
  q.body.id.idiag_dport = ours.port;
  q.body.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  q.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return q;
}

// Asks the kernel for the owner of the caller's own socket.
std::optional<uid_t> tcp_owner(const Address& caller, const Address& ours) {
  const int netlink = ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (netlink < 0) return std::nullopt;
  const Question q = question(caller, ours);
  alignas(nlmsghdr) std::array<char, 8192> buffer{};
  ssize_t size = ::send(netlink, &q, sizeof q, MSG_DONTWAIT);
  // The kernel answers within send().
  if (size > 0) size = ::recv(netlink, buffer.data(), buffer.size(), MSG_DONTWAIT);
  ::close(netlink);
  if (size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(inet_diag_msg)))) return std::nullopt;
  const auto* header = reinterpret_cast<const nlmsghdr*>(buffer.data());
  if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY) return std::nullopt;
  const auto* found = static_cast<const inet_diag_msg*>(NLMSG_DATA(header));
  // One that its process has closed has no inode, and says root. A user whom our own user namespace
  // does not know is shown as nobody.
  constexpr uid_t kNobody = 65534;
  if (found->idiag_inode == 0 || found->idiag_uid == kNobody) return std::nullopt;
  return found->idiag_uid;
}

std::string name_of(uid_t uid) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/etc/passwd", "re"),
                                                             &std::fclose);
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> text{};
  while (file && ::fgetpwent_r(file.get(), &entry, text.data(), text.size(), &found) == 0) {
    if (found->pw_uid == uid) return found->pw_name;
  }
  return "uid " + std::to_string(uid);
}

}  // namespace

std::string user_behind(int socket) {
  sockaddr_storage theirs{};
  sockaddr_storage ours{};
  socklen_t size = sizeof theirs;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&theirs), &size) != 0) return "";
  size = sizeof ours;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&ours), &size) != 0) return "";
  if (ours.ss_family == AF_UNIX) {
    ucred peer{};
    socklen_t length = sizeof peer;
    const bool told = ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
    return told ? name_of(peer.uid) : "";
  }
  const auto caller = address_of(theirs);
  const auto here = address_of(ours);
  if (!caller || !here) return "";
  const auto owner = tcp_owner(*caller, *here);
  return owner ? name_of(*owner) : "";
}

}  // namespace failoverd::admin
