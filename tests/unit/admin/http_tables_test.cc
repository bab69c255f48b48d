// Tables are shown when the source has asked the tablets: the answer comes later, and meanwhile the
// server serves others.
#include <gtest/gtest.h>

#include <boost/asio/post.hpp>

#include "tests/harness/wait_until.h"
#include "tests/unit/admin/fake_source.h"
#include "tests/unit/admin/raw_http.h"

namespace failoverd::admin {
namespace {

using harness::wait_until;
using namespace std::chrono_literals;

class HttpTablesTest : public testing::Test {
 protected:
  // The source keeps whoever asks.
  void SetUp() override {
    source_.replica_rows.resize(2);
    source_.replica_rows[0].name = "flow";
    source_.replica_rows[1].name = "other";
    source_.on_tables = [this](std::vector<ReplicaRow> rows, FakeSource::ShowRows show) {
      waiting_.emplace_back(std::move(rows), std::move(show));
    };
  }
  void TearDown() override { served_.stop(); }
  bool comes(std::size_t how_many) {
    return wait_until([&] { return served_.on_loop([&] { return waiting_.size(); }) == how_many; },
                      10s, "the source is asked");
  }
  void show_all() {
    served_.on_loop([&] {
      for (auto& [rows, show] : waiting_) show(rows);
    });
  }

  ServedSource served_;
  FakeSource& source_ = served_.source;
  std::vector<std::pair<std::vector<ReplicaRow>, FakeSource::ShowRows>> waiting_;
};

TEST_F(HttpTablesTest, AreShownWhenTheSourceHasThem) {
  served_.start();
  RawConnection one(served_.port);
  RawConnection all(served_.port);
  one.send(get("/api/v1/tables/flow"));
  ASSERT_TRUE(comes(1));
  all.send(get("/api/v1/tables"));
  ASSERT_TRUE(comes(2));
  EXPECT_EQ(ask(served_.port, get("/healthz")).status, 200) << "nobody waits for the tables";
  show_all();
  const auto lines = [](const RawAnswer& answer) {
    return std::count(answer.body.begin(), answer.body.end(), '\n') - 2;
  };
  EXPECT_EQ(lines(one.answer()), 1);
  EXPECT_EQ(lines(all.answer()), 2);
}

TEST_F(HttpTablesTest, AreShownOnceHoweverOftenTheSourceAnswers) {
  served_.start();
  RawConnection connection(served_.port);
  connection.send(get("/api/v1/tables/flow"));
  ASSERT_TRUE(comes(1));
  show_all();
  show_all();
  EXPECT_EQ(connection.answer().status, 200);
  connection.send(get("/healthz"));  // No second answer stands before this one's.
  EXPECT_EQ(connection.answer().body, "ok\n");
}

TEST_F(HttpTablesTest, ASourceThatDoesNotAnswerIs504) {
  HttpOptions options;
  options.command_timeout = 50ms;
  served_.start(options);
  EXPECT_EQ(ask(served_.port, get("/api/v1/tables")).status, 504);
  show_all();  // Late.
  EXPECT_EQ(ask(served_.port, get("/healthz")).status, 200);
}

TEST_F(HttpTablesTest, WhoeverAskedMayBeGone) {
  served_.start();
  {
    RawConnection connection(served_.port);
    connection.send(get("/api/v1/tables"));
    ASSERT_TRUE(comes(1));
  }
  show_all();
  EXPECT_TRUE(wait_until([&] { return served_.connections() == 0; }, 10s, "it is gone"));
}

TEST_F(HttpTablesTest, TheServerEndsWhileTheSourceIsAsked) {
  served_.start();
  RawConnection connection(served_.port);
  connection.send(get("/api/v1/tables"));
  ASSERT_TRUE(comes(1));
  served_.stop();
  EXPECT_TRUE(connection.read_to_end());
  for (auto& [rows, show] : waiting_) show(rows);  // Nobody is there any more.
}

TEST_F(HttpTablesTest, ASourceThatThrowsIs500) {
  source_.on_tables = [](const auto&, const auto&) { throw std::runtime_error("broken"); };
  served_.start();
  EXPECT_EQ(ask(served_.port, get("/api/v1/tables")).status, 500);
  EXPECT_EQ(ask(served_.port, get("/healthz")).status, 200);
}

}  // namespace
}  // namespace failoverd::admin
