// The nameserver's ops that move replicas: what they refuse, and that rows and tablets are as
// asked.
#include "tests/nameserver/rig.h"

namespace failoverd::testkit {
namespace {

using Lines = std::vector<std::string>;

class Replicas : public NameserverTest {
 protected:
  // Three tablets A, B, C; flow/0 is led by A and followed by B.
  void begin_flow(std::vector<std::string> flags = {}) {
    begin(3, std::move(flags));
    const auto e = cluster().endpoints();
    ASSERT_EQ(nameservers().create_table(0, {.name = "flow", .rows = {{e[0], e[1]}}}), 0);
    EXPECT_EQ(put(0, 2, 0, "a"), 0);
  }
  std::string on(std::size_t tablet) { return cluster().endpoints()[tablet]; }
  std::string flow() { return rows(nameservers().table(0, "flow"), 0); }
  bool idle() {
    return soon([&] { return nameservers().idle(0); }, "the ops end");
  }
  template <class Request>
  std::string said(const std::string& method, const Request& request) {
    const auto answer = nameservers().ask<fedb::NameServerResponse>(0, method, request);
    return answer ? std::to_string(answer->code()) + " " + answer->msg() : "nothing";
  }
  std::string migrate(std::size_t from, const std::string& to, std::uint32_t pid) {
    fedb::MigrateRequest request;
    request.set_name("flow");
    request.set_src_endpoint(on(from));
    request.set_des_endpoint(to);
    request.add_pid(pid);
    return said("Migrate", request);
  }
  // AddReplicaNS and DelReplicaNS.
  template <class Request>
  std::string change(const std::string& method, std::size_t tablet, std::uint32_t pid = 0) {
    Request request;
    request.set_name("flow");
    request.set_pid(pid);
    request.set_endpoint(on(tablet));
    return said(method, request);
  }
  std::string add(std::size_t tablet, std::uint32_t pid = 0) {
    return change<fedb::AddReplicaNSRequest>("AddReplicaNS", tablet, pid);
  }
  std::string del(std::size_t tablet, std::uint32_t pid = 0) {
    return change<fedb::DelReplicaNSRequest>("DelReplicaNS", tablet, pid);
  }
};
INSTANTIATE_TEST_SUITE_P(Generations, Replicas, testing::Values("rtidb", "openmldb"),
                         generation_name);

TEST_P(Replicas, OneMigrates) {
  begin_flow();
  EXPECT_EQ(migrate(0, on(2), 0), "320 cannot migrate leader. name[flow] pid[0]");
  EXPECT_EQ(migrate(1, on(2), 9), "320 leader endpoint is empty. name[flow] pid[9]");
  EXPECT_EQ(migrate(2, on(1), 0),
            "320 src_endpoint[" + on(2) + "] has not partition[0]. name[flow]");
  EXPECT_EQ(migrate(1, on(0), 0),
            "320 partition[0] is already in des_endpoint[" + on(0) + "]. name[flow]");
  EXPECT_TRUE(migrate(1, "1.2.3.4:5", 0).starts_with("319 des_endpoint"));
  EXPECT_EQ(flow(), "A=L+ B=F+");
  ASSERT_EQ(migrate(1, on(2), 0), "0 ok");
  ASSERT_TRUE(idle());
  EXPECT_EQ(nameservers().ops(0), Lines{"kMigrateOP flow/0 kDone"});
  EXPECT_EQ(flow(), "A=L+ C=F+");
  EXPECT_EQ(rows(stored("flow"), 0), "A=L+ C=F+");
  EXPECT_TRUE(statuses(1).empty()) << "dropped where it was";
  EXPECT_EQ(put(0, 2, 0, "b"), 0);
  EXPECT_TRUE(
      soon([&] { return statuses(2).size() == 1 && statuses(2)[0].offset() == 2; }, "it follows"));
  EXPECT_EQ(statuses(0)[0].state(), fedb::kTableNormal) << "its snapshot is not paused";
}

TEST_P(Replicas, OneComesAndGoes) {
  begin_flow();
  EXPECT_EQ(add(1), "317 pid 0 is exist in " + on(1));
  EXPECT_TRUE(add(2, 7).starts_with("307 "));
  ASSERT_EQ(add(2), "0 ok");
  ASSERT_TRUE(idle());
  EXPECT_EQ(flow(), "A=L+ B=F+ C=F+");
  EXPECT_TRUE(soon([&] { return statuses(2).size() == 1 && statuses(2)[0].offset() == 1; },
                   "it holds the row"));
  EXPECT_EQ(del(0), "102 can not del leader. pid 0 endpoint " + on(0));
  EXPECT_EQ(del(1, 7), "307 max pid is greater than partition size");
  ASSERT_EQ(del(1), "0 ok");
  ASSERT_TRUE(idle());
  EXPECT_EQ(del(1), "308 pid 0 is not in " + on(1));
  EXPECT_EQ(rows(stored("flow"), 0), "A=L+ C=F+");
  EXPECT_TRUE(statuses(1).empty());
  EXPECT_EQ(nameservers().ops(0),
            (Lines{"kAddReplicaOP flow/0 kDone", "kDelReplicaOP flow/0 kDone"}));
}

TEST_P(Replicas, ASnapshotIsMade) {
  begin_flow();
  fedb::MakeSnapshotNSRequest request;
  request.set_name("nosuch");
  request.set_pid(0);
  EXPECT_TRUE(said("MakeSnapshotNS", request).starts_with("305 "));
  request.set_name("flow");
  ASSERT_EQ(said("MakeSnapshotNS", request), "0 ok");
  ASSERT_TRUE(idle());
  EXPECT_EQ(nameservers().ops(0), Lines{"kMakeSnapshotOP flow/0 kDone"});
}

}  // namespace
}  // namespace failoverd::testkit
