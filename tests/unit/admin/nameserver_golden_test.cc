// Every call of a nameserver that was captured, put to failoverd byte by byte: where the state is
// the same its answer is, too.
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "lib/admin/nameserver_messages.h"
#include "proto/openmldb.pb.h"
#include "tests/unit/admin/nameserver_fixture.h"
#include "tests/unit/rpc/golden.h"

namespace failoverd::admin {
namespace {

using rpc::GoldenCall;

rpc::Frame frame_of(const std::string& bytes) {
  rpc::FrameParser parser;
  parser.feed(bytes);
  rpc::Frame frame;
  EXPECT_EQ(parser.next(frame), rpc::FrameParser::State::kFrame);
  return frame;
}

template <class Message>
Message message_of(const rpc::Frame& frame) {
  Message message;
  EXPECT_TRUE(message.ParseFromString(frame.payload));
  return message;
}

template <class Message>
Message golden_answer(const GoldenCall& call) {
  return message_of<Message>(frame_of(call.response_bytes()));
}

// What the command is called here, with its arguments; by the call's number.
const std::map<std::string, std::string> kCommands = {
    {"028", "makesnapshot name=flow pid=0"},
    {"062", "confset key=auto_failover value=false"},
    {"063", "offlineendpoint endpoint=127.0.0.1:9721"},
    {"067", "recoverendpoint endpoint=127.0.0.1:9721 need_restore=false"},
    {"082", "changeleader candidate=auto name=flow pid=1"},
    {"084", "recovertable endpoint=127.0.0.1:9722 name=flow pid=1"},
    {"086", "migrate des=127.0.0.1:9723 name=flow pids=0 src=127.0.0.1:9722"},
    {"087", "migrate des=127.0.0.1:9723 name=flow pids=0 src=127.0.0.1:9720"},
    {"092", "delreplica endpoint=127.0.0.1:9723 name=flow pids=0"},
    {"094", "addreplica endpoint=127.0.0.1:9723 name=flow pids=0"},
    {"095", "changeleader name=nosuch pid=0"},
    {"096", "changeleader name=flow pid=0"},
    {"097", "changeleader name=flow pid=9"},
    {"098", "recovertable endpoint=127.0.0.1:9720 name=flow pid=0"},
    {"099", "recoverendpoint endpoint=1.2.3.4:1 need_restore=false"},
    {"100", "offlineendpoint endpoint=1.2.3.4:1"},
    {"101", "cancelop op_id=3"},
    {"102", "confset key=auto_failover value=maybe"},
};

// What a nameserver adds to the znode's bytes.
void clear_what_tablets_told(fedb::PartitionMeta& meta) {
  meta.clear_offset();
  meta.clear_record_cnt();
  meta.clear_record_byte_size();
  meta.clear_tablet_has_partition();
  meta.clear_diskused();
}
void clear_what_tablets_told(fedb::TablePartition& partition) {
  partition.clear_record_cnt();
  partition.clear_record_byte_size();
  partition.clear_diskused();
}

class NameserverGolden : public NameserverFixture {
 protected:
  // The daemon's state is what the captured answer shows.
  void take_state_of(const GoldenCall& call) {
    if (call.method == "ShowTablet") take(golden_answer<fedb::ShowTabletResponse>(call));
    if (call.method == "ShowTable") take_tables(golden_answer<fedb::ShowTableResponse>(call));
    if (call.method == "ShowOPStatus") take(golden_answer<fedb::ShowOPStatusResponse>(call));
    if (call.method == "ConfGet") {
      const auto shown = golden_answer<fedb::ConfGetResponse>(call);
      for (const auto& pair : shown.conf()) {
        source_.conf_rows.push_back({pair.key(), pair.value()});
      }
    }
    source_.on_command = [call](const CommandRequest&, const FakeSource::Done& done) {
      const auto answer = golden_answer<fedb::NameServerResponse>(call);
      CommandResult result;
      result.code = answer.code();
      result.error = answer.msg();
      result.hint = "a hint is for people";
      if (answer.code() != 0) result.kind = CommandResult::Kind::kRefused;
      done(result);
    };
  }
  void take(const fedb::ShowTabletResponse& shown) {
    source_.tablet_rows.clear();
    for (const auto& tablet : shown.tablets()) {
      TabletRow row;
      row.endpoint = tablet.endpoint();
      row.shown = tablet.state();
      row.age_ms = tablet.age();
      source_.tablet_rows.push_back(row);
    }
  }
  template <class Response>
  void take_tables(const Response& shown) {
    source_.replica_rows.clear();
    for (auto info : shown.table_info()) {
      for (auto& partition : *info.mutable_table_partition()) {
        for (auto& meta : *partition.mutable_partition_meta()) {
          ReplicaRow row;
          row.name = info.name();
          row.tid = info.tid();
          row.pid = partition.pid();
          row.endpoint = meta.endpoint();
          row.offset = meta.offset();
          row.record_cnt = meta.record_cnt();
          row.memused = meta.record_byte_size();
          source_.replica_rows.push_back(row);
          clear_what_tablets_told(meta);
        }
        clear_what_tablets_told(partition);
      }
      source_.table_infos[{"", info.name()}] = info.SerializeAsString();
    }
  }
  void take(const fedb::ShowOPStatusResponse& shown) {
    source_.op_rows.clear();
    for (const auto& op : shown.op_status()) {
      OpRow row;
      row.op_id = op.op_id();
      row.op_type = op.op_type();
      row.name = op.name();
      row.pid = op.pid();
      row.status = op.status();
      row.start_ms = static_cast<std::int64_t>(op.start_time()) * 1000 + 321;
      row.end_ms = static_cast<std::int64_t>(op.end_time()) * 1000 + 321;
      source_.op_rows.push_back(row);
    }
  }
};

TEST_F(NameserverGolden, AnswersAreByteForByteTheSame) {
  serve();
  caller_ = rpc::connect_raw(loop_.io, port_);
  std::size_t compared = 0;
  for (const GoldenCall& call : rpc::golden_calls()) {
    if (call.to_tablet() || call.method == "CreateTable") continue;
    SCOPED_TRACE(call.name);
    take_state_of(call);
    source_.commands.clear();
    caller_->frames.clear();
    caller_->send(call.request_bytes());
    ASSERT_TRUE(loop_.until([&] { return caller_->frames.size() == 1; }));
    EXPECT_EQ(encode(caller_->frames[0]), call.response_bytes());
    const auto command = kCommands.find(call.name.substr(0, 3));
    ASSERT_EQ(source_.commands.size(), command == kCommands.end() ? 0U : 1U);
    if (command != kCommands.end()) {
      EXPECT_EQ(in_text(source_.commands[0]), command->second);
      EXPECT_TRUE(source_.commands[0].as_nameserver);
    }
    ++compared;
    source_.conf_rows.clear();
  }
  EXPECT_EQ(compared, 31U);
}

// --- OpenMLDB ------------------------------------------------------------------------------------

// The captured calls of openmldb-0.9.3, in their order.
std::vector<std::string> openmldb_calls() {
  const std::filesystem::path directory = std::string(FAILOVERD_GOLDEN) + "/openmldb-0.9.3/rpc";
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    const std::string name = file.path().filename().string();
    const auto end = name.find(".request.bin");
    const bool is_one = end != std::string::npos && name.find(".NameServer.") != std::string::npos;
    if (is_one) names.push_back(name.substr(0, end));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// What the command is called here, with its arguments; by the call's number.
const std::map<std::string, std::string> kOpenmldbCommands = {
    {"016", "changeleader name=flow pid=0"},
    {"017", "changeleader name=nosuch pid=0"},
    {"018", "offlineendpoint endpoint=1.2.3.4:5"},
    {"019", "recovertable endpoint=127.0.0.1:52107 name=flow pid=0"},
    {"021", "updatetablealive alive=false endpoint=127.0.0.1:52107 name=nosuch"},
    {"022", "cancelop op_id=99"},
    {"023", "changeleader candidate=auto name=flow pid=0"},
};

class OpenmldbGolden : public NameserverGolden {
 protected:
  static std::string file(const std::string& call, const char* what) {
    return rpc::golden_file("openmldb-0.9.3/rpc/" + call + what);
  }
  template <class Message>
  static void expect_same(const Message& is, const Message& wanted) {
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(is, wanted))
        << is.ShortDebugString() << "\ninstead of\n"
        << wanted.ShortDebugString();
  }
  rpc::Frame answer_to(const std::string& call) {
    caller_->frames.clear();
    caller_->send(file(call, ".request.bin"));
    EXPECT_TRUE(loop_.until([&] { return caller_->frames.size() == 1; }));
    return caller_->frames.empty() ? rpc::Frame{} : caller_->frames[0];
  }
  // Their states as failoverd knows them, which are not OpenMLDB's words.
  void take_tablets(fedb::ShowTabletResponse shown) {
    for (auto& tablet : *shown.mutable_tablets()) {
      tablet.set_state("kTablet" + tablet.state().substr(1));
    }
    take(shown);
  }
  // Its table, as its znode has it: by then its leader has changed, which a partition that was
  // asked for before does not know.
  void take_table(const std::string& call) {
    take_tables(message_of<openmldb::ShowTableResponse>(frame_of(file(call, ".response.bin"))));
  }
  void compare_tables(const std::string& call, const rpc::Frame& is, const rpc::Frame& wanted) {
    SCOPED_TRACE(call);
    auto tables = message_of<openmldb::ShowTableResponse>(wanted);
    for (auto& info : *tables.mutable_table_info()) {
      for (auto& partition : *info.mutable_table_partition()) {
        partition.clear_diskused();  // No tablet is asked for it.
        for (auto& meta : *partition.mutable_partition_meta()) meta.clear_diskused();
      }
    }
    expect_same(message_of<openmldb::ShowTableResponse>(is), tables);
  }
  // The bare znode is answered, without what tablets told.
  void compare_partition(const rpc::Frame& is, const rpc::Frame& wanted) {
    auto partition = message_of<fedb::GetTablePartitionResponse>(wanted);
    clear_what_tablets_told(*partition.mutable_table_partition());
    for (auto& meta : *partition.mutable_table_partition()->mutable_partition_meta()) {
      clear_what_tablets_told(meta);
    }
    expect_same(message_of<fedb::GetTablePartitionResponse>(is), partition);
  }
  // The znode before the leader changed: as the partition that was asked for then.
  void take_partition(const std::string& call) {
    const auto shown =
        message_of<fedb::GetTablePartitionResponse>(frame_of(file(call, ".response.bin")));
    openmldb::TableInfo info;
    info.set_name("flow");
    *info.add_table_partition() = shown.table_partition();
    for (auto& partition : *info.mutable_table_partition()) {
      clear_what_tablets_told(partition);
      for (auto& meta : *partition.mutable_partition_meta()) clear_what_tablets_told(meta);
    }
    source_.table_infos[{"", "flow"}] = info.SerializeAsString();
  }
};

TEST_F(OpenmldbGolden, AnswersHaveTheSameFieldsAndCodes) {
  source_.is_openmldb = true;
  serve();
  caller_ = rpc::connect_raw(loop_.io, port_);
  source_.conf_rows.push_back({"auto_failover", "false"});
  std::size_t compared = 0;
  for (const std::string& call : openmldb_calls()) {
    SCOPED_TRACE(call);
    const std::string method = call.substr(call.rfind('.') + 1);
    const rpc::Frame wanted = frame_of(file(call, ".response.bin"));
    if (method == "ShowTablet") take_tablets(message_of<fedb::ShowTabletResponse>(wanted));
    if (method == "ShowTable") take_table(call);
    if (method == "GetTablePartition") take_partition(call);
    if (method == "ShowOPStatus") take(message_of<fedb::ShowOPStatusResponse>(wanted));
    source_.on_command = [&](const CommandRequest&, const FakeSource::Done& done) {
      const auto answer = message_of<fedb::NameServerResponse>(wanted);
      CommandResult result;
      result.code = answer.code();
      result.error = answer.msg();
      if (answer.code() != 0) result.kind = CommandResult::Kind::kRefused;
      done(result);
    };
    source_.commands.clear();
    const rpc::Frame is = answer_to(call);
    EXPECT_EQ(is.error_code, 0);
    EXPECT_EQ(is.correlation_id, wanted.correlation_id);
    if (method == "ShowTable") {
      compare_tables(call, is, wanted);
    } else if (method == "GetTablePartition") {
      compare_partition(is, wanted);
    } else if (method == "ShowTablet") {
      expect_same(message_of<fedb::ShowTabletResponse>(is),
                  message_of<fedb::ShowTabletResponse>(wanted));
    } else {
      EXPECT_EQ(is.payload, wanted.payload);
    }
    const auto command = kOpenmldbCommands.find(call.substr(0, 3));
    ASSERT_EQ(source_.commands.size(), command == kOpenmldbCommands.end() ? 0U : 1U);
    if (command != kOpenmldbCommands.end()) {
      EXPECT_EQ(in_text(source_.commands[0]), command->second);
      EXPECT_TRUE(source_.commands[0].as_nameserver);
    }
    ++compared;
  }
  EXPECT_EQ(compared, 13U);
}

// --- Broken requests -----------------------------------------------------------------------------

// Whatever comes is a request or none: every captured one, cut anywhere or with a byte changed, put
// to every method.
TEST(NameserverMessages, BrokenRequestsAreRequestsOrNone) {
  std::set<std::string> methods;
  std::set<std::string> payloads = {std::string("\x0a\x01\x66\x12\x02\x12\x00", 7)};
  for (const GoldenCall& call : rpc::golden_calls()) {
    if (call.to_tablet()) continue;
    methods.insert(call.method);
    rpc::FrameParser parser;
    parser.feed(call.request_bytes());
    rpc::Frame frame;
    ASSERT_EQ(parser.next(frame), rpc::FrameParser::State::kFrame);
    payloads.insert(frame.payload);
  }
  methods.insert({"GetTablePartition", "SetTablePartition", "UpdateTableAliveStatus"});
  int requests = 0;
  int none = 0;
  const auto put = [&](const std::string& payload) {
    for (const std::string& method : methods) {
      ++(parse_nameserver_call(method, payload) ? requests : none);
    }
  };
  for (const std::string& payload : payloads) {
    for (std::size_t i = 0; i < payload.size(); ++i) {
      put(payload.substr(0, i));
      std::string changed = payload;
      for (const char byte : {'\x00', '\x01', '\x12', '\x7f', '\xff'}) {
        changed[i] = byte;
        put(changed);
      }
    }
  }
  EXPECT_GT(requests, 1000);
  EXPECT_GT(none, 1000);
}

// What is the nameserver's own is refused, and says whose it is.
TEST_F(NameserverGolden, CreateTableNamesTheNameserver) {
  serve();
  caller_ = rpc::connect_raw(loop_.io, port_);
  for (const GoldenCall& call : rpc::golden_calls()) {
    if (call.to_tablet() || call.method != "CreateTable") continue;
    caller_->frames.clear();
    source_.nameserver_endpoint = "127.0.0.1:9822";
    caller_->send(call.request_bytes());
    ASSERT_TRUE(loop_.until([&] { return caller_->frames.size() == 1; }));
    fedb::NameServerResponse answer;
    ASSERT_TRUE(answer.ParseFromString(caller_->frames[0].payload));
    EXPECT_EQ(answer.code(), -1);
    EXPECT_EQ(answer.msg(),
              "failoverd does the failover part only, CreateTable is the nameserver's: ask "
              "127.0.0.1:9822");
    EXPECT_TRUE(source_.commands.empty());
  }
}

}  // namespace
}  // namespace failoverd::admin
