// One of several servers hangs: nobody waits for it once the active one has answered.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "daemon/ctl/http_client.h"
#include "tests/unit/admin/fake_source.h"

namespace failoverd::admin {
namespace {

using namespace std::chrono_literals;

// Takes connections, and says nothing.
class Hanging {
 public:
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_{io_, {boost::asio::ip::address_v4::loopback(), 0}};
};

TEST(CtlHanging, TheOthersAreNotWaitedFor) {
  ServedSource served;
  served.start();
  const Hanging hanging;
  const auto ask = [&](Duration deadline) {
    return ctl::http_call_all(
        {{"127.0.0.1", std::to_string(hanging.port())}, {"127.0.0.1", std::to_string(served.port)}},
        {"GET", "/readyz", "", {}}, deadline,
        [](const ctl::Answer& answer) { return answer.role == "active"; });
  };
  const auto answers = ask(24h);  // In vain for whom it hangs.
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_FALSE(answers[0]);
  ASSERT_TRUE(answers[1]);
  EXPECT_EQ(answers[1]->role, "active");
  // A standby may not know best: all are waited for.
  served.on_loop([&] { served.source.status_view.active = false; });
  const auto standby = ask(200ms);
  ASSERT_FALSE(standby[0]);
  EXPECT_NE(standby[0].error().text.find("no answer in time"), std::string::npos);
  EXPECT_TRUE(standby[1]);
}

}  // namespace
}  // namespace failoverd::admin
