// The captured requests of a real cluster, sent as they were captured: minitablet answers as the
// real tablet did wherever it can be brought into the same state. Ports in the frames are 9720 and
// up; the frames are sent to tablets on free ports, so followers and targets named in them are out
// of reach.
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include <fstream>
#include <sstream>

#include "lib/rpc/frame.h"
#include "tests/minitablet/rig.h"

namespace failoverd::minitablet {
namespace {

rpc::Frame read_frame(const std::string& name) {
  std::ifstream file{FAILOVERD_GOLDEN "/rtidb-1.4.1/rpc/" + name + ".bin", std::ios::binary};
  std::stringstream bytes;
  bytes << file.rdbuf();
  rpc::FrameParser parser;
  parser.feed(bytes.str());
  rpc::Frame frame;
  EXPECT_EQ(parser.next(frame), rpc::FrameParser::State::kFrame) << name;
  const std::string port = "127.0.0.1:972";
  for (std::size_t at = 0; (at = frame.payload.find(port, at)) != std::string::npos;) {
    frame.payload.replace(at, port.size(), "127.0.0.1:000");
  }
  return frame;
}

class Golden : public Rig {
 protected:
  // Sends the captured request; the answer must be the captured one in every field but those named.
  template <class Response>
  void replay(std::size_t which, const std::string& name,
              const std::function<void(Response&)>& leave_out = {}) {
    const rpc::Frame request = read_frame(name + ".request");
    const rpc::Frame wanted = read_frame(name + ".response");
    const rpc::Answer answer =
        client(which).call(request.service, request.method, request.payload, request.attachment);
    ASSERT_EQ(answer.outcome, rpc::Outcome::kAnswered) << name << ": " << answer.error_text;
    Response got;
    Response expected;
    ASSERT_TRUE(got.ParseFromString(answer.payload)) << name;
    ASSERT_TRUE(expected.ParseFromString(wanted.payload)) << name;
    if (leave_out) {
      leave_out(got);
      leave_out(expected);
    }
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(got, expected))
        << name << "\ngot:\n"
        << got.ShortDebugString() << "\nexpected:\n"
        << expected.ShortDebugString();
  }
  void general(std::size_t which, const std::string& name) {
    replay<fedb::GeneralResponse>(which, name);
  }
};

// Which segment a key falls into is a matter of the original's hash.
void without_segments(fedb::GetTableStatusResponse& response) {
  for (auto& status : *response.mutable_all_table_status()) {
    for (auto& index : *status.mutable_ts_idx_status()) index.clear_seg_cnts();
  }
}

TEST_F(Golden, FromCreateTableToReads) {
  // As 9720 (leader of partition 0, follower of 1) and as 9721.
  const auto first = begin();
  const auto second = begin();
  replay<fedb::GetTableStatusResponse>(first, "001.TabletServer.GetTableStatus");
  replay<fedb::GetTaskStatusResponse>(first, "002.TabletServer.GetTaskStatus");
  general(second, "006.TabletServer.CreateTable");
  general(first, "007.TabletServer.CreateTable");
  general(first, "008.TabletServer.CreateTable");
  replay<fedb::AppendEntriesResponse>(second, "009.TabletServer.AppendEntries");
  replay<fedb::AppendEntriesResponse>(first, "010.TabletServer.AppendEntries");
  replay<fedb::GetTableStatusResponse>(first, "011.TabletServer.GetTableStatus", without_segments);
  general(first, "014.TabletServer.CreateTable");
  replay<fedb::PutResponse>(first, "016.TabletServer.Put");
  replay<fedb::AppendEntriesResponse>(second, "017.TabletServer.AppendEntries");
  replay<fedb::GetTableStatusResponse>(first, "018.TabletServer.GetTableStatus", without_segments);
  replay<fedb::PutResponse>(first, "020.TabletServer.Put");
  replay<fedb::AppendEntriesResponse>(second, "021.TabletServer.AppendEntries");
  replay<fedb::PutResponse>(first, "022.TabletServer.Put");
  replay<fedb::GetResponse>(first, "033.TabletServer.Get");
  replay<fedb::ScanResponse>(first, "034.TabletServer.Scan");
}

TEST_F(Golden, MakeSnapshotAndItsTask) {
  const auto tablet = begin();
  general(tablet, "008.TabletServer.CreateTable");
  replay<fedb::PutResponse>(tablet, "016.TabletServer.Put");
  general(tablet, "029.TabletServer.MakeSnapshot");
  ASSERT_TRUE(soon([&] { return task_status(tablet, 2) == fedb::kDone; }, "it is made"));
  replay<fedb::GetTaskStatusResponse>(tablet, "030.TabletServer.GetTaskStatus");
  general(tablet, "031.TabletServer.DeleteOPTask");
  replay<fedb::GetTaskStatusResponse>(tablet, "002.TabletServer.GetTaskStatus");
}

TEST_F(Golden, AfterTheRestartOf9720) {
  const auto tablet = begin();
  general(tablet, "008.TabletServer.CreateTable");
  for (const char* put : {"016.TabletServer.Put", "020.TabletServer.Put", "022.TabletServer.Put"}) {
    replay<fedb::PutResponse>(tablet, put);
  }
  general(tablet, "029.TabletServer.MakeSnapshot");
  ASSERT_TRUE(soon([&] { return task_status(tablet, 2) == fedb::kDone; }, "it is made"));
  general(tablet, "014.TabletServer.CreateTable");
  end(tablet);
  begin_again(tablet);
  replay<fedb::GetTermPairResponse>(tablet, "042.TabletServer.GetTermPair");
  general(tablet, "043.TabletServer.DeleteBinlog");
  replay<fedb::GetTermPairResponse>(tablet, "046.TabletServer.GetTermPair");
  general(tablet, "049.TabletServer.LoadTable");
  // The files of partition 1 come, and are checked.
  general(tablet, "051.TabletServer.SendData");
  general(tablet, "052.TabletServer.SendData");
  general(tablet, "057.TabletServer.CheckFile");
  replay<fedb::GetTermPairResponse>(tablet, "055.TabletServer.GetTermPair");
  general(tablet, "056.TabletServer.LoadTable");
  ASSERT_TRUE(soon([&] { return task_status(tablet, 11) == fedb::kDone; }, "it is loaded"));
  fedb::GetTermPairRequest request;
  request.set_tid(2);
  request.set_pid(0);
  const auto pair = client(tablet).ask<fedb::GetTermPairResponse>("GetTermPair", request);
  EXPECT_EQ(pair->offset(), 3u);
}

TEST_F(Golden, LeaderOfPartitionOne) {
  // 9721: leads partition 1, and partition 0 after 9720's death.
  const auto tablet = begin();
  general(tablet, "006.TabletServer.CreateTable");
  // Its CreateTable of partition 1 was not captured as a frame: it is partition 0's with another
  // pid.
  fedb::CreateTableRequest create;
  ASSERT_TRUE(create.ParseFromString(read_frame("008.TabletServer.CreateTable.request").payload));
  create.mutable_table_meta()->set_pid(1);
  create.mutable_table_meta()->set_replicas(0, "127.0.0.1:0000");
  create.mutable_table_meta()->set_replicas(1, "127.0.0.1:0002");
  ASSERT_EQ(client(tablet).ask<fedb::GeneralResponse>("CreateTable", create)->code(), 0);
  for (int i = 0; i < 3; ++i) replay<fedb::PutResponse>(tablet, "023.TabletServer.Put");
  // The followers are out of reach here: only their belief differs.
  replay<fedb::GetTableFollowerResponse>(tablet, "035.TabletServer.GetTableFollower",
                                         [](fedb::GetTableFollowerResponse& response) {
                                           for (auto& info : *response.mutable_follower_info()) {
                                             info.clear_offset();
                                           }
                                         });
  general(tablet, "036.TabletServer.DelReplica");
  replay<fedb::GetTaskStatusResponse>(tablet, "038.TabletServer.GetTaskStatus");
  replay<fedb::ChangeRoleResponse>(tablet, "037.TabletServer.ChangeRole");
  replay<fedb::GetManifestResponse>(tablet, "044.TabletServer.GetManifest");
  general(tablet, "066.TabletServer.DeleteOPTask");
  fedb::DeleteOPTaskRequest forget;
  forget.add_op_id(4);
  ASSERT_TRUE(client(tablet).ask<fedb::GeneralResponse>("DeleteOPTask", forget));
  general(tablet, "045.TabletServer.PauseSnapshot");
  general(tablet, "047.TabletServer.PauseSnapshot");
  replay<fedb::GetTaskStatusResponse>(tablet, "048.TabletServer.GetTaskStatus");
  general(tablet, "050.TabletServer.SendSnapshot");
  general(tablet, "053.TabletServer.AddReplica");
  general(tablet, "054.TabletServer.RecoverSnapshot");
  general(tablet, "059.TabletServer.AddReplica");
  general(tablet, "060.TabletServer.RecoverSnapshot");
}

TEST_F(Golden, OldLeaderAndDroppedReplica) {
  // 9722 leads partition 1 with term 5 at offset 5.
  const auto tablet = begin();
  fedb::CreateTableRequest create;
  ASSERT_TRUE(create.ParseFromString(read_frame("007.TabletServer.CreateTable.request").payload));
  ASSERT_EQ(client(tablet).ask<fedb::GeneralResponse>("CreateTable", create)->code(), 0);
  replay<fedb::ChangeRoleResponse>(tablet, "065.TabletServer.ChangeRole");
  for (int i = 0; i < 5; ++i) replay<fedb::PutResponse>(tablet, "023.TabletServer.Put");
  replay<fedb::GetTermPairResponse>(tablet, "085.TabletServer.GetTermPair");
  general(tablet, "006.TabletServer.CreateTable");
  general(tablet, "090.TabletServer.DropTable");
  EXPECT_TRUE(soon([&] { return task_status(tablet, 23) == fedb::kDone; }, "it is dropped"));
}

}  // namespace
}  // namespace failoverd::minitablet
