// The captured requests of real clusters' nameservers, sent as they were captured: mininameserver
// answers as the real one did wherever it can be brought into the same state. The captured tablets'
// addresses stand for ours, in the order of their names. Left out is what nobody can repeat: times,
// and the bytes that rows take.
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "lib/rpc/frame.h"
#include "proto/openmldb.pb.h"
#include "tests/nameserver/rig.h"

namespace failoverd::testkit {
namespace {

rpc::Frame read_frame(const std::string& directory, const std::string& name) {
  std::ifstream file{FAILOVERD_GOLDEN "/" + directory + "/rpc/" + name + ".bin", std::ios::binary};
  std::stringstream bytes;
  bytes << file.rdbuf();
  rpc::FrameParser parser;
  parser.feed(bytes.str());
  rpc::Frame frame;
  EXPECT_EQ(parser.next(frame), rpc::FrameParser::State::kFrame) << name;
  return frame;
}

// Fields of any message, wherever they stand in it.
void clear_fields(google::protobuf::Message& message, const std::vector<std::string>& names) {
  const auto* reflection = message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    if (std::ranges::count(names, field->name()) > 0) {
      reflection->ClearField(&message, field);
    } else if (field->message_type() && field->is_repeated()) {
      for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
        clear_fields(*reflection->MutableRepeatedMessage(&message, field, i), names);
      }
    } else if (field->message_type()) {
      clear_fields(*reflection->MutableMessage(&message, field), names);
    }
  }
}

// Strings of any message that are one of these names become another.
void rename_strings(google::protobuf::Message& message,
                    const std::map<std::string, std::string>& names) {
  const auto* reflection = message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->message_type() && field->is_repeated()) {
      for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
        rename_strings(*reflection->MutableRepeatedMessage(&message, field, i), names);
      }
    } else if (field->message_type()) {
      rename_strings(*reflection->MutableMessage(&message, field), names);
    } else if (field->type() == field->TYPE_STRING && !field->is_repeated()) {
      const auto name = names.find(reflection->GetString(message, field));
      if (name != names.end()) reflection->SetString(&message, field, name->second);
    }
  }
}

class Golden : public NameserverTest {
 protected:
  // The tablets of the capture, sorted; ours stand for them.
  std::vector<std::string> captured_;

  template <class Message>
  Message renamed(const Message& message, bool to_ours) {
    auto ours = cluster().endpoints();
    std::ranges::sort(ours);
    std::map<std::string, std::string> names;
    for (std::size_t i = 0; i < captured_.size(); ++i) {
      names[to_ours ? captured_[i] : ours[i]] = to_ours ? ours[i] : captured_[i];
    }
    Message result = message;
    rename_strings(result, names);
    return result;
  }
  // The tablet that stands for a captured one.
  std::size_t tablet(std::size_t i) {
    auto ours = cluster().endpoints();
    std::ranges::sort(ours);
    const auto all = cluster().endpoints();
    return static_cast<std::size_t>(std::ranges::find(all, ours[i]) - all.begin());
  }

  // Sends the captured request; the answer has to be the captured one, but for these fields.
  template <class Request, class Response>
  testing::AssertionResult replay(const std::string& name,
                                  const std::vector<std::string>& leave_out = {}) {
    const std::string& directory = generation().golden;
    const rpc::Frame request = read_frame(directory, name + ".request");
    const rpc::Frame wanted = read_frame(directory, name + ".response");
    Request asked;
    Response expected;
    if (!asked.ParseFromString(request.payload) || !expected.ParseFromString(wanted.payload)) {
      return testing::AssertionFailure() << name << " does not parse";
    }
    const rpc::Answer answer = nameservers().client(0).call(
        request.service, request.method, renamed(asked, true).SerializeAsString());
    Response got;
    if (answer.outcome != rpc::Outcome::kAnswered || !got.ParseFromString(answer.payload)) {
      return testing::AssertionFailure() << name << ": " << answer.error_text;
    }
    got = renamed(got, false);
    clear_fields(got, leave_out);
    clear_fields(expected, leave_out);
    if (google::protobuf::util::MessageDifferencer::Equals(got, expected)) {
      return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << name << "\ngot:\n"
                                       << got.ShortDebugString() << "\nexpected:\n"
                                       << expected.ShortDebugString();
  }
  template <class Request, class Response>
  testing::AssertionResult soon_replay(const std::string& name,
                                       const std::vector<std::string>& leave_out = {}) {
    testing::AssertionResult last = testing::AssertionFailure();
    const auto same = [&] {
      last = replay<Request, Response>(name, leave_out);
      return static_cast<bool>(last);
    };
    soon(same, "the answer is the captured one");
    return last;
  }
  template <class Request>
  testing::AssertionResult general(const std::string& name) {
    return replay<Request, fedb::NameServerResponse>(name);
  }
};

class GoldenRtidb : public Golden {};
INSTANTIATE_TEST_SUITE_P(Generations, GoldenRtidb, testing::Values("rtidb"), generation_name);

const std::vector<std::string> kBytes = {"record_byte_size"};

TEST_P(GoldenRtidb, FromCreateTableToRefusals) {
  begin(3, {"--auto_failover=true"});
  captured_ = {"127.0.0.1:9720", "127.0.0.1:9721", "127.0.0.1:9722"};
  EXPECT_TRUE((replay<fedb::ShowTabletRequest, fedb::ShowTabletResponse>(
      "003.NameServer.ShowTablet", {"age"})));
  EXPECT_TRUE(general<fedb::CreateTableNSRequest>("005.NameServer.CreateTable"));
  EXPECT_TRUE(general<fedb::CreateTableNSRequest>("013.NameServer.CreateTable"));
  using Show = fedb::ShowTableRequest;
  using Tables = fedb::ShowTableResponse;
  EXPECT_TRUE((soon_replay<Show, Tables>("015.NameServer.ShowTable")));
  EXPECT_TRUE((soon_replay<Show, Tables>("025.NameServer.ShowTable")));
  EXPECT_EQ(put(tablet(0), 2, 0, "key1"), 0);
  EXPECT_TRUE((soon_replay<Show, Tables>("019.NameServer.ShowTable", kBytes)));
  EXPECT_EQ(znode("table/notify"), "3") << "as in tree.1.healthy.txt";
  EXPECT_EQ(znode("table/table_index"), "3");
  EXPECT_EQ(znode("table/table_data/flow").size() + 0,
            169 + 6 * (cluster().endpoint(0).size() - captured_[0].size()))
      << "as long as the captured one";

  EXPECT_TRUE((replay<fedb::ConfGetRequest, fedb::ConfGetResponse>("027.NameServer.ConfGet")));
  EXPECT_TRUE(general<fedb::ConfSetRequest>("062.NameServer.ConfSet"));
  EXPECT_TRUE(general<fedb::ConfSetRequest>("102.NameServer.ConfSet"));
  EXPECT_TRUE(general<fedb::ChangeLeaderRequest>("095.NameServer.ChangeLeader"));
  EXPECT_TRUE(general<fedb::ChangeLeaderRequest>("096.NameServer.ChangeLeader"));
  EXPECT_TRUE(general<fedb::ChangeLeaderRequest>("097.NameServer.ChangeLeader"));
  EXPECT_TRUE(general<fedb::RecoverEndpointRequest>("099.NameServer.RecoverEndpoint"));
  EXPECT_TRUE(general<fedb::OfflineEndpointRequest>("100.NameServer.OfflineEndpoint"));
  EXPECT_TRUE(general<fedb::CancelOPRequest>("101.NameServer.CancelOP"));
  // After a leader change the captured run had recovered what was dead, as here.
  EXPECT_TRUE(general<fedb::ChangeLeaderRequest>("082.NameServer.ChangeLeader"));
  ASSERT_TRUE(soon([&] { return nameservers().idle(0); }, "the op ends"));
  EXPECT_EQ(nameservers().state(0).op_index(), 2u) << "the first op's id";
  EXPECT_EQ(znode("table/term"), "3");
}

// As in tree.2: three ops after the end of 9720, and rows that say so.
TEST_P(GoldenRtidb, AfterTheFailoverOf9720) {
  begin(3, {"--auto_failover=true"});
  captured_ = {"127.0.0.1:9720", "127.0.0.1:9721", "127.0.0.1:9722"};
  EXPECT_TRUE(general<fedb::CreateTableNSRequest>("005.NameServer.CreateTable"));
  EXPECT_TRUE(general<fedb::CreateTableNSRequest>("013.NameServer.CreateTable"));
  cluster().kill(tablet(0));
  using Show = fedb::ShowTabletRequest;
  EXPECT_TRUE((soon_replay<Show, fedb::ShowTabletResponse>("039.NameServer.ShowTablet", {"age"})));
  ASSERT_TRUE(soon([&] { return nameservers().ops(0).size() == 3 && nameservers().idle(0); },
                   "the ops end"));
  EXPECT_EQ(nameservers().ops(0), (std::vector<std::string>{
                                      "kChangeLeaderOP flow/0 kDone",
                                      "kOfflineReplicaOP flow/1 kDone",
                                      "kUpdatePartitionStatusOP single/0 kDone",
                                  }));
  std::ifstream file{FAILOVERD_GOLDEN "/rtidb-1.4.1/zk/table_data.flow.after_failover.bin"};
  std::stringstream bytes;
  bytes << file.rdbuf();
  fedb::TableInfo wanted;
  ASSERT_TRUE(wanted.ParseFromString(bytes.str()));
  ASSERT_TRUE(stored("flow"));
  const fedb::TableInfo got = renamed(*stored("flow"), false);
  for (int pid = 0; pid < 2; ++pid) {
    const auto& theirs = wanted.table_partition(pid);
    const auto& ours = got.table_partition(pid);
    ASSERT_EQ(ours.partition_meta_size(), theirs.partition_meta_size());
    for (int i = 0; i < ours.partition_meta_size(); ++i) {
      EXPECT_EQ(ours.partition_meta(i).endpoint(), theirs.partition_meta(i).endpoint());
      EXPECT_EQ(ours.partition_meta(i).is_leader(), theirs.partition_meta(i).is_leader());
      EXPECT_EQ(ours.partition_meta(i).is_alive(), theirs.partition_meta(i).is_alive());
    }
    ASSERT_EQ(ours.term_offset_size(), theirs.term_offset_size());
    EXPECT_EQ(ours.term_offset().rbegin()->term(), theirs.term_offset().rbegin()->term());
  }
}

class GoldenOpenmldb : public Golden {
 protected:
  // `flow` as the captured znode has it: both partitions name the tablets in the same order.
  void create_flow() {
    openmldb::TableInfo info;
    info.set_name("flow");
    for (std::uint32_t pid = 0; pid < 2; ++pid) {
      fedb::TablePartition& partition = *info.add_table_partition();
      partition.set_pid(pid);
      for (const std::size_t i : {2u, 1u, 0u}) {
        fedb::PartitionMeta& row = *partition.add_partition_meta();
        row.set_endpoint(captured_[i]);
        row.set_is_leader(i == 2 - pid);
      }
    }
    info.set_partition_num(2);
    info.set_replica_num(3);
    mininameserver::CreateTableRequest request;
    request.set_table_info(renamed(info, true).SerializeAsString() +
                           generation().columns_of_table_info);
    ASSERT_EQ(nameservers().code(0, "CreateTable", request), 0);
  }
};
INSTANTIATE_TEST_SUITE_P(Generations, GoldenOpenmldb, testing::Values("openmldb"), generation_name);

TEST_P(GoldenOpenmldb, FromShowTableToTheLeaderChange) {
  begin(3, {"--system_table_replica_num=1"});
  captured_ = {"127.0.0.1:39301", "127.0.0.1:52107", "127.0.0.1:52153"};
  ASSERT_TRUE(soon([&] { return znodes().children("table/db_table_data").size() == 5; },
                   "the system tables are made"));
  create_flow();
  for (int i = 0; i < 5; ++i) {
    for (const std::uint32_t pid : {0u, 1u}) {
      EXPECT_EQ(put(tablet(2 - pid), 7, pid, "k" + std::to_string(i)), 0);
    }
  }
  EXPECT_TRUE((replay<fedb::ShowTabletRequest, fedb::ShowTabletResponse>(
      "009.NameServer.ShowTablet", {"age"})));
  using Partition = fedb::GetTablePartitionRequest;
  EXPECT_TRUE((soon_replay<Partition, fedb::GetTablePartitionResponse>(
      "015.NameServer.GetTablePartition", kBytes)));
  EXPECT_TRUE((replay<fedb::ShowOPStatusRequest, fedb::ShowOPStatusResponse>(
      "013.NameServer.ShowOPStatus")));
  EXPECT_TRUE((replay<fedb::ConfGetRequest, fedb::ConfGetResponse>("014.NameServer.ConfGet")));
  EXPECT_TRUE(general<fedb::ChangeLeaderRequest>("016.NameServer.ChangeLeader"));
  EXPECT_TRUE(general<fedb::ChangeLeaderRequest>("017.NameServer.ChangeLeader"));
  EXPECT_TRUE(general<fedb::OfflineEndpointRequest>("018.NameServer.OfflineEndpoint"));
  EXPECT_TRUE(general<fedb::RecoverTableRequest>("019.NameServer.RecoverTable"));
  EXPECT_TRUE(
      general<fedb::UpdateTableAliveStatusRequest>("021.NameServer.UpdateTableAliveStatus"));
  EXPECT_TRUE(general<fedb::CancelOPRequest>("022.NameServer.CancelOP"));
  EXPECT_TRUE(general<fedb::ChangeLeaderRequest>("023.NameServer.ChangeLeader"));
  EXPECT_TRUE((soon_replay<fedb::ShowOPStatusRequest, fedb::ShowOPStatusResponse>(
      "024.NameServer.ShowOPStatus", {"start_time", "end_time"})));
  EXPECT_TRUE((soon_replay<fedb::ShowTableRequest, openmldb::ShowTableResponse>(
      "025.NameServer.ShowTable", kBytes)));
}

}  // namespace
}  // namespace failoverd::testkit
