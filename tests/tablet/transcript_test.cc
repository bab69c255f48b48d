// tablet.txt of each generation: the questions that a real tablet was asked, one after the other,
// put to three minitablets of that generation. Every answer must be the one that stands there, in
// every field, but for ports and the names of snapshots. A line that is left out says why here.
#include "tests/tablet/transcript.h"

#include <gmock/gmock.h>

#include <set>

#include "tests/tablet/generation.h"
#include "tests/tablet/rig.h"
#include "tests/tablet/table_meta.pb.h"

namespace failoverd::minitablet {
namespace {

namespace fs = std::filesystem;
namespace pb = google::protobuf;

constexpr std::uint32_t kTable = 900;
// The tablets as the transcript calls them.
constexpr std::size_t kA = 0;
constexpr std::size_t kB = 1;
constexpr std::size_t kD = 2;

class Repeated : public Rig, public testing::WithParamInterface<const Generation*> {
 protected:
  Repeated() {
    for (int i = 0; i < 3; ++i) {
      begin([this](Options& options) { options.generation = &kind(); });
    }
  }
  const Generation& kind() const { return *GetParam(); }

  void expect(const std::string& label, const std::string& got) {
    EXPECT_EQ(transcript_.without_names(got), transcript_.take_without_names(label)) << label;
  }

  template <class Response = fedb::GeneralResponse>
  std::string ask(std::size_t tablet, const std::string& method, const pb::Message& request) {
    const rpc::Answer answer =
        client(tablet).call("TabletServer", method, serialize(request, kind()));
    if (answer.outcome != rpc::Outcome::kAnswered) {
      return "rpc error " + std::to_string(answer.error_code);
    }
    Response response;
    return response.ParseFromString(answer.payload) ? text_of(response) : "does not parse";
  }

  // The requests.
  template <class Request>
  static Request of(std::uint32_t tid) {
    Request request;
    request.set_tid(static_cast<decltype(request.tid())>(tid));
    request.set_pid(0);
    return request;
  }
  static fedb::TaskInfo task_of(std::uint64_t op, fedb::TaskType type,
                                fedb::OPType op_type = fedb::kReAddReplicaOP) {
    fedb::TaskInfo info;
    info.set_op_id(op);
    info.set_op_type(op_type);
    info.set_task_type(type);
    info.set_status(fedb::kInited);
    return info;
  }
  // The task says which tablet carries it out.
  template <class Request>
  Request with_task(Request request, std::size_t tablet, fedb::TaskInfo info) {
    info.set_endpoint(endpoint(tablet));
    *request.mutable_task_info() = info;
    return request;
  }
  enum class Columns { kNone, kAll };
  template <class Request>
  Request with_table(fedb::TableMode mode, Columns columns, std::uint64_t term = 0,
                     std::optional<std::size_t> follower = {}, std::uint32_t tid = kTable) {
    Request request;
    TableMeta& meta = *request.mutable_table_meta();
    meta.set_tid(static_cast<std::int32_t>(tid));
    meta.set_pid(0);
    meta.set_name("t");
    meta.set_seg_cnt(8);
    meta.set_mode(mode);
    if (term != 0) meta.set_term(term);
    if (follower) meta.add_replicas(endpoint(*follower));
    if (columns == Columns::kAll) {
      for (const std::string& column : kind().column_desc) meta.add_column_desc(column);
      for (const std::string& key : kind().column_key) meta.add_column_key(key);
    }
    return request;
  }
  static fedb::PutRequest row(std::uint32_t tid, const std::string& key) {
    auto request = of<fedb::PutRequest>(tid);
    request.set_pk(key);
    request.set_time(1);
    request.set_value("v");
    return request;
  }
  static fedb::GetRequest key(std::uint32_t tid) {
    auto request = of<fedb::GetRequest>(tid);
    request.set_key("nobody's");
    return request;
  }
  fedb::ReplicaRequest replica_on(const std::string& follower, std::uint32_t tid = kTable) {
    auto request = of<fedb::ReplicaRequest>(tid);
    request.set_endpoint(follower);
    return request;
  }
  fedb::ChangeRoleRequest role(fedb::TableMode mode, std::uint64_t term = 0,
                               std::uint32_t tid = kTable) {
    auto request = of<fedb::ChangeRoleRequest>(tid);
    request.set_mode(mode);
    if (term != 0) request.set_term(term);
    return request;
  }
  fedb::AppendEntriesRequest entries(std::uint64_t term, std::uint64_t pre_log_index,
                                     std::optional<std::uint64_t> index = {}) {
    auto request = of<fedb::AppendEntriesRequest>(kTable);
    request.set_term(term);
    request.set_pre_log_index(pre_log_index);
    if (index) {
      fedb::LogEntry& entry = *request.add_entries();
      entry.set_term(term);
      entry.set_log_index(*index);
      entry.set_pk("k");
      entry.set_value("v");
      entry.set_ts(1);
    }
    return request;
  }
  fedb::SendSnapshotRequest snapshot_to_d(bool with_remote_tid) {
    auto request = of<fedb::SendSnapshotRequest>(kTable);
    request.set_endpoint(endpoint(kD));
    if (with_remote_tid) request.set_remote_tid(kTable);
    return request;
  }

  // What the transcript asks again and again.
  void expect_term_pair(const std::string& label, std::size_t tablet) {
    expect(label, ask<fedb::GetTermPairResponse>(tablet, "GetTermPair",
                                                 of<fedb::GetTermPairRequest>(kTable)));
  }
  void expect_followers(const std::string& label, std::size_t tablet, std::uint32_t tid = kTable) {
    expect(label, ask<fedb::GetTableFollowerResponse>(tablet, "GetTableFollower",
                                                      of<fedb::GetTableFollowerRequest>(tid)));
  }
  void expect_role(const std::string& label, std::size_t tablet,
                   const fedb::ChangeRoleRequest& request) {
    expect(label, ask<fedb::ChangeRoleResponse>(tablet, "ChangeRole", request));
  }
  void expect_append(const std::string& label, std::size_t tablet,
                     const fedb::AppendEntriesRequest& request) {
    expect(label, ask<fedb::AppendEntriesResponse>(tablet, "AppendEntries", request));
  }
  void expect_general(const std::string& label, std::size_t tablet, const std::string& method) {
    expect(label, ask(tablet, method, of<fedb::GeneralRequest>(kTable)));
  }
  void expect_load(const std::string& label, std::size_t tablet, const LoadTableRequest& request) {
    expect(label, ask(tablet, "LoadTable", request));
    wait_for_loads(tablet);
  }
  void expect_drop(const std::string& label, std::size_t tablet,
                   const fedb::DropTableRequest& request) {
    expect(label, ask(tablet, "DropTable", request));
    wait_for_tasks(tablet);
  }

  std::vector<fedb::TaskInfo> tasks(std::size_t tablet) {
    const auto response = client(tablet).ask<fedb::GetTaskStatusResponse>(
        "GetTaskStatus", fedb::GetTaskStatusRequest{});
    return {response->task().begin(), response->task().end()};
  }
  void wait_for_tasks(std::size_t tablet) {
    const auto ended = [&] {
      for (const auto& one : tasks(tablet)) {
        if (one.status() == fedb::kDoing) return false;
      }
      return true;
    };
    ASSERT_TRUE(soon(ended, "its tasks end"));
  }
  void expect_tasks(std::size_t tablet) {
    std::string text;
    for (const auto& one : tasks(tablet)) text += (text.empty() ? "" : ", ") + nested_text_of(one);
    expect("tasks", "[" + text + "]");
  }
  std::vector<fedb::TableStatus> tables(std::size_t tablet) {
    const auto response = client(tablet).ask<fedb::GetTableStatusResponse>(
        "GetTableStatus", fedb::GetTableStatusRequest{});
    return {response->all_table_status().begin(), response->all_table_status().end()};
  }
  void wait_for_loads(std::size_t tablet) {
    const auto loaded = [&] {
      for (const auto& one : tables(tablet)) {
        if (one.state() < fedb::kTableNormal || one.state() == fedb::kTableLoading) return false;
      }
      return true;
    };
    ASSERT_TRUE(soon(loaded, "its tables are loaded"));
  }
  void wait_for_offset(std::size_t tablet, std::uint64_t offset) {
    ASSERT_TRUE(soon([&] { return tables(tablet).at(0).offset() == offset; }, "the rows come"));
  }
  void wait_for_follower(std::size_t leader, std::uint64_t offset) {
    const auto matched = [&] {
      const auto response = client(leader).ask<fedb::GetTableFollowerResponse>(
          "GetTableFollower", of<fedb::GetTableFollowerRequest>(kTable));
      return response->follower_info_size() == 1 && response->follower_info(0).offset() == offset;
    };
    ASSERT_TRUE(soon(matched, "the leader knows its follower's offset"));
  }
  void expect_status(const std::string& label, std::size_t tablet) {
    std::string text;
    for (const auto& one : tables(tablet)) {
      text += (text.empty() ? "'" : ", '") + std::string{"tid "} + std::to_string(one.tid()) +
              " pid " + std::to_string(one.pid()) + " off " + std::to_string(one.offset()) +
              " mode " + std::to_string(one.mode()) + " state " + std::to_string(one.state()) + "'";
    }
    expect(label, "[" + text + "]");
  }
  // The partitions' directories.
  std::string directories(std::size_t tablet) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator{directory(tablet)}) {
      const std::string name = entry.path().filename();
      if (name.find('_') != std::string::npos) names.insert("'" + name + "'");
    }
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return "[" + text + "]";
  }

  void repeat();
  // The parts, in the transcript's order.
  void create_and_read();
  void refuse_and_register();
  void pause();
  void change_roles();
  void append();
  void load_and_snapshot();
  void send();
  void restart();
  void load_with_columns();

  Transcript transcript_{FAILOVERD_GOLDEN "/" + std::string{kind().golden} + "/tablet.txt"};
};

void Repeated::create_and_read() {
  expect_term_pair("GetTermPair, no table", kA);
  const auto lead = with_table<CreateTableRequest>(fedb::kTableLeader, Columns::kAll, 5, kB);
  const auto follow = with_table<CreateTableRequest>(fedb::kTableFollower, Columns::kAll, 5);
  expect("CreateTable leader term 5, follower b", ask(kA, "CreateTable", lead));
  expect("CreateTable follower term 5", ask(kB, "CreateTable", follow));
  expect("CreateTable again", ask(kA, "CreateTable", lead));
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    ASSERT_EQ(ask<fedb::PutResponse>(kA, "Put", row(kTable, name)).substr(0, 3), "1=0");
  }
  expect("Put on follower", ask<fedb::PutResponse>(kB, "Put", row(kTable, "f")));
  expect("Put on missing table", ask<fedb::PutResponse>(kA, "Put", row(1, "f")));
  expect("Get on missing table", ask<fedb::GetResponse>(kA, "Get", key(1)));
  expect("Get missing key", ask<fedb::GetResponse>(kA, "Get", key(kTable)));
  wait_for_offset(kB, 5);
  wait_for_follower(kA, 5);
  expect_status("status leader", kA);
  expect_status("status follower", kB);
  expect_term_pair("GetTermPair leader", kA);
  expect_term_pair("GetTermPair follower", kB);
  expect_followers("GetTableFollower leader", kA);
  expect_followers("GetTableFollower on follower", kB);
  expect_followers("GetTableFollower missing", kA, 1);
}

void Repeated::refuse_and_register() {
  expect("AddReplica b again", ask(kA, "AddReplica", replica_on(endpoint(kB))));
  expect("AddReplica on follower", ask(kB, "AddReplica", replica_on(endpoint(kD))));
  expect("DelReplica unknown endpoint", ask(kA, "DelReplica", replica_on("127.0.0.1:1")));
  expect("DelReplica missing table", ask(kA, "DelReplica", replica_on(endpoint(kB), 1)));
  expect("GetManifest, none",
         ask<fedb::GetManifestResponse>(kA, "GetManifest", of<fedb::GetManifestRequest>(kTable)));
  auto check = of<fedb::CheckFileRequest>(kTable);
  check.set_file("nothing.sdb");
  check.set_size(1);
  expect("CheckFile, none", ask(kA, "CheckFile", check));
  expect("SendSnapshot, state normal", ask(kA, "SendSnapshot", snapshot_to_d(false)));
}

void Repeated::pause() {
  const auto pause = of<fedb::GeneralRequest>(kTable);
  fedb::TaskInfo info = task_of(50, fedb::kPauseSnapshot);
  expect("PauseSnapshot task op 50", ask(kA, "PauseSnapshot", with_task(pause, kA, info)));
  expect_tasks(kA);
  expect("PauseSnapshot task op 50 again", ask(kA, "PauseSnapshot", with_task(pause, kA, info)));
  // RTIDB has no task_id: it was not asked.
  if (const char* label = "PauseSnapshot task op 50 again, with other task_id";
      transcript_.next_is(label)) {
    info.set_task_id(77);
    expect(label, ask(kA, "PauseSnapshot", with_task(pause, kA, info)));
  }
  expect("AddReplica with a PauseSnapshot task type (op 51)",
         ask(kA, "AddReplica",
             with_task(replica_on(endpoint(kD)), kA, task_of(51, fedb::kPauseSnapshot))));
  expect_tasks(kA);
  expect_status("status paused", kA);
  expect_general("MakeSnapshot while paused", kA, "MakeSnapshot");
  expect("SendSnapshot while paused, no snapshot there",
         ask(kA, "SendSnapshot",
             with_task(snapshot_to_d(false), kA, task_of(52, fedb::kSendSnapshot))));
  wait_for_tasks(kA);
  expect_tasks(kA);
  expect_role("ChangeRole follower while paused", kA, role(fedb::kTableFollower));
  expect_status("status after", kA);
  expect_general("RecoverSnapshot", kA, "RecoverSnapshot");
  expect_general("RecoverSnapshot again", kA, "RecoverSnapshot");
  fedb::DeleteOPTaskRequest forget_all;
  for (const std::uint64_t op : {50, 51, 52, 99}) forget_all.add_op_id(op);
  expect("DeleteOPTask 50 51 52 99", ask(kA, "DeleteOPTask", forget_all));
  expect_tasks(kA);
}

void Repeated::change_roles() {
  expect_role("ChangeRole leader on b, term 7, no replicas", kB, role(fedb::kTableLeader, 7));
  expect_role("ChangeRole leader on b again, term 8", kB, role(fedb::kTableLeader, 8));
  expect_followers("GetTableFollower, no follower", kB);
  expect_append("AppendEntries probe to leader", kB, entries(9, 0));
  expect_role("ChangeRole follower on a", kA, role(fedb::kTableFollower));
  expect_role("ChangeRole follower on a again", kA, role(fedb::kTableFollower));
}

void Repeated::append() {
  expect_append("AppendEntries probe term 3 (older)", kA, entries(3, 0));
  expect_append("AppendEntries probe term 5 (same)", kA, entries(5, 0));
  expect_append("AppendEntries probe term 7 (newer)", kA, entries(7, 0));
  expect_append("AppendEntries probe term 5 after it", kA, entries(5, 0));
  expect_append("AppendEntries index 9 after 5 (a gap), pre 8", kA, entries(7, 8, 9));
  expect_term_pair("GetTermPair a", kA);
  expect_status("status a", kA);
  expect_append("AppendEntries pre 3, no entries", kA, entries(7, 3));
  expect_role("ChangeRole missing table", kA, role(fedb::kTableLeader, 9, 1));
}

void Repeated::load_and_snapshot() {
  const auto load = with_table<LoadTableRequest>(fedb::kTableFollower, Columns::kAll);
  expect_load("LoadTable on d, no data", kD, with_task(load, kD, task_of(60, fedb::kLoadTable)));
  wait_for_tasks(kD);
  expect_tasks(kD);
  expect_status("status d", kD);
  expect_term_pair("GetTermPair d", kD);
  expect_load("LoadTable on d again", kD, with_task(load, kD, task_of(61, fedb::kLoadTable)));
  expect_load("LoadTable without columns (only tid pid name seg mode)", kD,
              with_table<LoadTableRequest>(fedb::kTableFollower, Columns::kNone, 0, {}, 777));
  expect_drop("DropTable a missing", kA, of<fedb::DropTableRequest>(1));
  const auto make = of<fedb::GeneralRequest>(kTable);
  expect("MakeSnapshot b task 70",
         ask(kB, "MakeSnapshot",
             with_task(make, kB, task_of(70, fedb::kMakeSnapshot, fedb::kMakeSnapshotOP))));
  wait_for_tasks(kB);
  expect_tasks(kB);
  expect("GetManifest b",
         ask<fedb::GetManifestResponse>(kB, "GetManifest", of<fedb::GetManifestRequest>(kTable)));
  expect("MakeSnapshot on follower a",
         ask(kA, "MakeSnapshot",
             with_task(make, kA, task_of(71, fedb::kMakeSnapshot, fedb::kMakeSnapshotOP))));
  wait_for_tasks(kA);
  expect_tasks(kA);
  expect_drop("DropTable d", kD,
              with_task(of<fedb::DropTableRequest>(kTable), kD, task_of(62, fedb::kDropTable)));
  expect_tasks(kD);
  expect_status("status d", kD);
  expect_general("DeleteBinlog d, no dir", kD, "DeleteBinlog");
  expect_load("LoadTable on d after drop", kD, load);
  expect_status("status d", kD);
  expect_drop("DropTable d", kD, of<fedb::DropTableRequest>(kTable));
  ASSERT_TRUE(soon([&] { return tables(kD).empty(); }, "it is dropped"));
}

void Repeated::send() {
  // The last of three files is held back until the transcript has asked.
  control::HangRequest hold;
  hold.mutable_match()->set_method("CheckFile");
  hold.set_stage(control::kBefore);
  hold.set_skip(2);
  ASSERT_TRUE(client(kD).control("Hang", hold));
  const auto send = [&](std::uint64_t op) {
    return ask(kB, "SendSnapshot",
               with_task(snapshot_to_d(true), kB, task_of(op, fedb::kSendSnapshot)));
  };
  expect_general("PauseSnapshot b", kB, "PauseSnapshot");
  expect("SendSnapshot b to d", send(72));
  expect_tasks(kB);
  const fs::path manifest = directory(kD) / "900_0" / "snapshot" / "MANIFEST";
  ASSERT_TRUE(soon([&] { return fs::exists(manifest); }, "all files are there"));
  // Behind the partitions their files, in the order that the file system has them: left out.
  EXPECT_THAT(transcript_.take(""), testing::StartsWith(directories(kD)));
  expect("SendSnapshot b to d again", send(73));
  release(kD);
  wait_for_tasks(kB);
  expect_tasks(kB);
  expect_general("RecoverSnapshot b", kB, "RecoverSnapshot");
  expect_load("LoadTable d with data, no columns in the request", kD,
              with_table<LoadTableRequest>(fedb::kTableFollower, Columns::kNone));
  expect_status("status d", kD);
  expect_term_pair("GetTermPair d", kD);
  expect_general("SendSnapshot to d, table there loaded", kB, "PauseSnapshot");
  expect(" ..", send(75));
  wait_for_tasks(kB);
  EXPECT_EQ(tasks(kB).back().status(), fedb::kFailed);
  (void)transcript_.take("tasks");  // OpenMLDB's was asked before the last try had failed.
}

void Repeated::restart() {
  end(kB);
  begin_again(kB);
  expect_status("status b after kill -9 and restart", kB);
  expect_term_pair("GetTermPair b, not loaded", kB);
  expect_role("ChangeRole leader b, not loaded", kB, role(fedb::kTableLeader, 10));
  expect_load("LoadTable b as leader, no columns", kB,
              with_task(with_table<LoadTableRequest>(fedb::kTableLeader, Columns::kNone, 10, kD),
                        kB, task_of(76, fedb::kLoadTable)));
  wait_for_tasks(kB);
  expect_tasks(kB);
  expect_status("status b", kB);
  expect_term_pair("GetTermPair b", kB);
  wait_for_follower(kB, 5);
  expect_followers("GetTableFollower b", kB);
}

void Repeated::load_with_columns() {
  const auto load = [&](Columns columns, std::uint32_t tid = kTable) {
    return with_table<LoadTableRequest>(fedb::kTableFollower, columns, 0, {}, tid);
  };
  end(kA);
  begin_again(kA);
  expect_load("LoadTable a, table_meta.txt there AND columns in the request", kA,
              load(Columns::kAll));
  expect_status("status a", kA);
  expect_load("LoadTable a, no columns, after that", kA, load(Columns::kNone));
  expect_status("status a", kA);
  expect_load("LoadTable d 901, no dir, no columns", kD, load(Columns::kNone, 901));
  expect("", directories(kD));
  expect_load("LoadTable d 902, no dir, columns, leader", kD,
              with_table<LoadTableRequest>(fedb::kTableLeader, Columns::kAll, 5, {}, 902));
  expect_status("status d", kD);
}

void Repeated::repeat() {
  for (const auto part :
       {&Repeated::create_and_read, &Repeated::refuse_and_register, &Repeated::pause,
        &Repeated::change_roles, &Repeated::append, &Repeated::load_and_snapshot, &Repeated::send,
        &Repeated::restart, &Repeated::load_with_columns}) {
    (this->*part)();
    if (HasFatalFailure()) return;
  }
  // The real one's error has words around the code.
  const std::string got = ask(kB, "UpdateRealEndpointMap", fedb::UpdateRealEndpointMapRequest{});
  EXPECT_THAT(transcript_.take("UpdateRealEndpointMap"), testing::HasSubstr(got));
  (void)transcript_.take("");  // How the processes ended.
  EXPECT_TRUE(transcript_.ended());
}

TEST_P(Repeated, Transcript) { repeat(); }

INSTANTIATE_TEST_SUITE_P(Generations, Repeated, testing::Values(&rtidb(), &openmldb()),
                         [](const auto& test) { return std::string{test.param->name}; });

}  // namespace
}  // namespace failoverd::minitablet
