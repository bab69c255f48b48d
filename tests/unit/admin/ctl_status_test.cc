// `failoverctl status`, word by word: what somebody reads at night.
#include <gtest/gtest.h>

#include "daemon/ctl/show.h"
#include "daemon/ctl/status_text.h"
#include "lib/admin/json.h"

namespace failoverd::ctl {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

admin::StatusView healthy() {
  admin::StatusView view;
  view.version = "0.1.0";
  view.name = "d1";
  view.ready = true;
  view.active = true;
  view.holder = {"d1", "127.0.0.1:9650"};
  view.epoch = 3;
  view.zookeeper_connected = true;
  view.zookeeper = "127.0.0.1:2181";
  view.session = "0x1000";
  view.session_timeout_ms = 2000;
  view.cluster_root = "/rtidb_cluster";
  view.auto_failover = {true, true, "", "/etc/failoverd.yaml", kNow - 3'600'000};
  view.tablets = {{"healthy", 3}};
  view.partitions = {{"healthy", 24}};
  view.tables = 2;
  view.config = {"/etc/failoverd.yaml", true, "", kNow - 60'000};
  view.started_ms = kNow - 7'200'000;
  return view;
}

std::string text_of(const admin::StatusView& view) {
  const auto text = status_text(to_json(view, kNow));
  return text ? *text : text.error().text;
}

TEST(CtlStatus, AllIsWell) {
  EXPECT_EQ(text_of(healthy()),
            "active: this daemon (d1), epoch 3, auto_failover on, 24 partitions: 24 healthy\n"
            "\n"
            "tablets:       3 healthy\n"
            "tables:        2\n"
            "auto_failover: on, set from /etc/failoverd.yaml, 1h ago\n"
            "zookeeper:     127.0.0.1:2181/rtidb_cluster, session 0x1000 of 2000 ms\n"
            "configuration: /etc/failoverd.yaml, read 1m ago\n"
            "failoverd:     0.1.0, up for 2h\n");
}

TEST(CtlStatus, TheShadowsTotalsAreOfAllLosses) {
  admin::StatusView view = healthy();
  view.shadow = true;
  view.shadow_total = 300;
  view.shadow_totals = {400, 200, 0, 150, 1000};
  view.shadow_failovers.resize(200);
  const auto summary = [&] {
    const auto report = shadow_report(to_json(view, kNow));
    if (!report) return report.error().text;
    return report->substr(report->rfind('\n', report->size() - 2) + 1);
  };
  const std::string rest =
      "; the longest time without one: 1000 ms; by the last samples failoverd would have lost 400 "
      "entries in 200, the others have lost nothing in 150\n";
  EXPECT_EQ(summary(), "300 leaders lost (the newest 200 are listed)" + rest);
  view.shadow_total = 200;
  EXPECT_EQ(summary(), "200 leaders lost" + rest);
}

TEST(CtlStatus, WhatIsWrongComesFirst) {
  admin::StatusView view = healthy();
  view.auto_failover = {true, false, "ann", "127.0.0.1:5000", kNow - 5'000};
  view.tablets = {{"healthy", 2}, {"crashed", 1}};
  view.partitions = {{"healthy", 21}, {"degraded", 1}, {"leaderless", 2}};
  view.wrong = {{"flow", "", 0, "leaderless", "leader_lost",
                 "its leader 127.0.0.1:9720 has crashed", "auto_failover is off", kNow - 3000},
                {"flow", "db", 1, "degraded", "follower_lost", "1 of 3 replicas is dead", "", 0}};
  view.wrong_total = 3;
  admin::HoldRow mass_loss;
  mass_loss.text = "3 of 4 tablets were lost within 10 s";
  mass_loss.since_ms = kNow - 1000;
  view.holds = {mass_loss};
  view.holds_total = 1;
  view.unreadable = {{"torn", "/rtidb_cluster/table/table_data/torn", "no tid"}};
  view.strangers = {{"127.0.0.1:9721", "it holds theirs/0 (tid 2, leader)", kNow - 2000}};
  view.would_do = {"kChangeLeaderOP flow 0"};
  admin::OpRow op;
  op.op_id = 1'000'000'001;
  op.op_type = "kChangeLeaderOP";
  op.name = "flow";
  op.status = "kDoing";
  op.cur_task = "kSelectLeader";
  op.start_ms = kNow - 2000;
  op.detail = "1 of 2 have answered";
  view.running = {op};
  view.config = {"/etc/failoverd.yaml", false, "/etc/failoverd.yaml:3:5: bad", kNow - 60'000};
  EXPECT_EQ(text_of(view),
            "active: this daemon (d1), epoch 3, auto_failover OFF, 24 partitions: 1 degraded, 2 "
            "leaderless, 21 healthy\n"
            "leaderless: flow 0, for 3s: its leader 127.0.0.1:9720 has crashed\n"
            "  waits for: auto_failover is off\n"
            "degraded: db.flow 1: 1 of 3 replicas is dead\n"
            "... and 1 more partitions\n"
            "held for 1s: 3 of 4 tablets were lost within 10 s\n"
            "left alone: table torn (/rtidb_cluster/table/table_data/torn): no tid\n"
            "stranger on 127.0.0.1:9721 for 2s: it holds theirs/0 (tid 2, leader)\n"
            "would be done were auto_failover on:\n"
            "  kChangeLeaderOP flow 0\n"
            "op 1000000001: kChangeLeaderOP flow 0, kDoing at kSelectLeader, for 2s: 1 of 2 have "
            "answered\n"
            "configuration refused 1m ago, the old one holds: /etc/failoverd.yaml:3:5: bad\n"
            "\n"
            "tablets:       1 crashed, 2 healthy\n"
            "tables:        2\n"
            "auto_failover: off, set by ann from 127.0.0.1:5000, 5s ago\n"
            "zookeeper:     127.0.0.1:2181/rtidb_cluster, session 0x1000 of 2000 ms\n"
            "configuration: /etc/failoverd.yaml\n"
            "failoverd:     0.1.0, up for 2h\n");
}

// SAFETY 20: who is waited for, how many entries, how long still.
TEST(CtlStatus, AHoldSaysWhatForHowLongAndWhatLiftsIt) {
  admin::StatusView view = healthy();
  admin::HoldRow hold;
  hold.word = "known_loss";
  hold.text = "waits for 10.0.0.1:9520 (5000 entries)";
  hold.since_ms = kNow - 3000;
  hold.until_ms = kNow + 17'000;
  hold.lifted_by = "its return, or election.wait_for_lost";
  hold.name = "flow";
  hold.db = "shop";
  hold.pid = 3;
  hold.waits_for = {{"10.0.0.1:9520", 5000, false}};
  view.holds = {hold};
  view.holds_total = 3;
  EXPECT_NE(text_of(view).find("\nheld for 3s, 17s more at most: shop.flow 3: waits for "
                               "10.0.0.1:9520 (5000 entries); lifted by its return, or "
                               "election.wait_for_lost\n... and 2 more holds\n"),
            std::string::npos)
      << text_of(view);
  view.holds[0].until_ms = 0;  // election.wait_for_lost is never.
  view.holds_total = 1;
  EXPECT_NE(text_of(view).find("\nheld for 3s: shop.flow 3: waits for "), std::string::npos);
  EXPECT_EQ(text_of(view).find("more holds"), std::string::npos);
  const std::string json = to_json(view, kNow);
  EXPECT_NE(json.find(R"("waits_for":[{"endpoint":"10.0.0.1:9520","entries":5000,"loads":false}])"),
            std::string::npos)
      << json;
  EXPECT_NE(json.find(R"("until":null)"), std::string::npos) << json;
}

std::string first_line(const admin::StatusView& view) {
  const std::string text = text_of(view);
  return text.substr(0, text.find('\n'));
}

TEST(CtlStatus, TheFirstLineSaysWhyNothingHappens) {
  admin::StatusView view = healthy();
  view.active = false;
  view.holder = {"d2", "10.0.0.2:9650"};
  EXPECT_EQ(first_line(view),
            "standby: this daemon (d1); active: d2 at 10.0.0.2:9650, epoch 3, auto_failover on, 24 "
            "partitions: 24 healthy");
  view.holder = {};
  view.zookeeper_connected = false;
  view.ready = false;
  view.ready_reason = "no contact for 9 s";
  view.auto_failover.known = false;
  view.partitions = {};
  EXPECT_EQ(first_line(view),
            "NOBODY ACTS: this daemon (d1) is a standby, epoch 3, auto_failover not known, NO "
            "CONTACT TO ZOOKEEPER, NOT READY: no contact for 9 s, 0 partitions");
  view = healthy();
  view.stands_back = {{"nameserver", "a nameserver leads: 127.0.0.1:9822", kNow - 61'000}};
  EXPECT_EQ(first_line(view),
            "active: this daemon (d1), epoch 3, auto_failover on, STANDS BACK, 24 partitions: 24 "
            "healthy");
  EXPECT_NE(text_of(view).find("\nchanges nothing for 1m: a nameserver leads: 127.0.0.1:9822\n"),
            std::string::npos);
}

TEST(CtlStatus, TheSwitchWasSetBySomebodyOrByHand) {
  admin::StatusView view = healthy();
  view.auto_failover = {true, false, "", "the file of db1:9650", kNow - 5'000};
  EXPECT_NE(text_of(view).find("\nauto_failover: off, set from the file of db1:9650, 5s ago\n"),
            std::string::npos);
  view.auto_failover = {true, false, "", "", kNow - 5'000};
  EXPECT_NE(text_of(view).find("\nauto_failover: off, set 5s ago\n"), std::string::npos);
  view.auto_failover.file = false;
  EXPECT_NE(text_of(view).find("\nauto_failover: off, set 5s ago\n"), std::string::npos);
  view.auto_failover.file = true;
  EXPECT_NE(text_of(view).find("\nauto_failover: off, set 5s ago; this daemon's file says true\n"),
            std::string::npos);
}

TEST(CtlStatus, NamesMoveNoCursor) {
  admin::StatusView view = healthy();
  view.wrong = {{"a\x1b[2J", "", 0, "degraded", "", "x\ny", "", 0}};
  view.wrong_total = 1;
  EXPECT_NE(text_of(view).find("degraded: a?[2J 0: x?y\n"), std::string::npos);
}

}  // namespace
}  // namespace failoverd::ctl
