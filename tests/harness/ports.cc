#include "tests/harness/ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <random>
#include <stdexcept>

namespace failoverd::harness {
namespace {

constexpr int kFirst = 15'000;
constexpr int kLast = 31'999;

// An abstract Unix socket of the port's name: bound by one process at a time, and given back by the
// kernel when that process ends.
bool reserve(int port) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const int length =
      std::snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "failoverd-test-port-%d", port);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 +
                                           static_cast<std::size_t>(length));
  if (bind(fd, reinterpret_cast<const sockaddr*>(&name), size) == 0) return true;  // Kept open.
  close(fd);
  return false;
}

bool can_listen(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const bool ok = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                  listen(fd, 1) == 0;
  close(fd);
  return ok;
}

}  // namespace

std::uint16_t free_port() {
  static std::mt19937 random{std::random_device{}()};
  std::uniform_int_distribution<int> any{kFirst, kLast};
  for (int attempt = 0; attempt < 1'000; ++attempt) {
    const int port = any(random);
    if (reserve(port) && can_listen(port)) return static_cast<std::uint16_t>(port);
  }
  throw std::runtime_error("no free port on 127.0.0.1 between 15000 and 31999");
}

}  // namespace failoverd::harness
