#include "lib/admin/peer_user.h"

#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace failoverd::admin {
namespace {

using boost::asio::ip::tcp;

std::string own_name() {
  const passwd* own = ::getpwuid(::getuid());
  return own ? own->pw_name : "uid " + std::to_string(::getuid());
}

// Who listens on all addresses sees IPv4 callers in IPv6 clothes.
TEST(PeerUser, IsThisOneOnEveryKindOfConnection) {
  boost::asio::io_context io;
  for (const bool listens_on_v6 : {false, true}) {
    for (const bool calls_by_v6 : {false, true}) {
      if (calls_by_v6 && !listens_on_v6) continue;
      tcp::acceptor acceptor(io, {listens_on_v6 ? tcp::v6() : tcp::v4(), 0});
      const std::uint16_t port = acceptor.local_endpoint().port();
      tcp::socket caller(io);
      boost::system::error_code error;
      const auto to = boost::asio::ip::make_address(calls_by_v6 ? "::1" : "127.0.0.1");
      caller.connect({to, port}, error);
      if (calls_by_v6 && error) continue;  // Containers often have no ::1.
      ASSERT_FALSE(error) << error.message();
      tcp::socket ours = acceptor.accept();
      EXPECT_EQ(user_behind(ours.native_handle()), own_name()) << listens_on_v6 << calls_by_v6;
      // A process that has gone, and its socket with it, is nobody, and above all not root.
      caller.close();
      EXPECT_EQ(user_behind(ours.native_handle()), "");
    }
  }
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
  EXPECT_EQ(user_behind(pair[0]), own_name());
  for (const int fd : pair) ::close(fd);
  EXPECT_EQ(user_behind(-1), "");
}

}  // namespace
}  // namespace failoverd::admin
