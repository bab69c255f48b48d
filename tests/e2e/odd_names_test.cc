// Names that a terminal would obey: in the log, and in what failoverctl prints.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <csignal>
#include <sstream>

#include "lib/base/utf8.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::e2e {
namespace {

using testing::HasSubstr;
using testing::Not;

// U+009B begins a control sequence, U+202E turns what follows round.
const std::string kControl = "\xC2\x9B";
const std::string kOverride = "\xE2\x80\xAE";
const std::string kOdd = "fl" + kControl + "2J" + kOverride + "ow";

TEST(OddNames, ReachNoTerminal) {
  Cluster cluster({.generation = &minitablet::openmldb()});
  // In a database: of others the name is the znode's, which may not have all of that.
  cluster.create_table(kOdd, 1, 3, {}, true, "db");
  Daemon& daemon = cluster.start_active_daemon({.config = {"log: {level: debug, format: json}"}});
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return daemon.metric(
                   "failoverd_ops_total{type="
                   "\"kChangeLeaderOP\",status="
                   "\"kDone\"}") == 1;
      },
      "a failover that is logged"));
  for (const std::vector<std::string>& command : {std::vector<std::string>{"showtable"},
                                                  {"showtable", "--json"},
                                                  {"showopstatus"},
                                                  {"status"},
                                                  {"events"},
                                                  {"events", "--json"}}) {
    const auto shown = daemon.ctl(command);
    EXPECT_EQ(shown.status, 0) << shown.err;
    EXPECT_THAT(shown.out, HasSubstr("2J")) << command[0];
    EXPECT_THAT(shown.out, Not(HasSubstr(kControl))) << command[0];
    EXPECT_THAT(shown.out, Not(HasSubstr(kOverride))) << command[0];
  }
  const auto json = boost::json::parse(daemon.ctl({"showtable", "--json"}).out);
  EXPECT_EQ(json.at(0).at("name").as_string(), kOdd) << "it says the same";
  const std::string log = daemon.log();
  EXPECT_THAT(log, Not(HasSubstr(kControl)));
  EXPECT_THAT(log, Not(HasSubstr(kOverride)));
  EXPECT_TRUE(is_utf8(log));
  std::istringstream lines{log};
  boost::system::error_code error;
  for (std::string line; std::getline(lines, line);) {
    boost::json::parse(line, error);
    EXPECT_FALSE(error) << line;
  }
}

}  // namespace
}  // namespace failoverd::e2e
