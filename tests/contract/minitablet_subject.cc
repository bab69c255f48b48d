#include "tests/contract/minitablet_subject.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>

#include "tests/minitablet/binlog.h"
#include "tests/minitablet/snapshot.h"

namespace failoverd::contract {

namespace control = minitablet::control;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

void MinitabletSubject::begin(const std::string& tablet, bool short_binlogs) {
  numbers_[tablet] = Rig::begin([&](minitablet::Options& options) {
    options.generation = &generation_;
    options.ssd_root_path = options.db_root_path + "/ssd";  // It has none for HDD.
    options.request_timeout = 500ms;  // What a leader waits for a follower that hangs.
    if (!short_binlogs) return;
    options.binlog_single_file_max_bytes = 100;
    options.binlog_delete_interval = 10ms;
  });
}

Reply MinitabletSubject::ask(const std::string& tablet, const Question& question) {
  const rpc::Answer answer =
      client(at(tablet))
          .call("TabletServer", question.method, serialize(*question.request, generation_));
  if (answer.outcome != rpc::Outcome::kAnswered) return {nullptr, answer.error_code};
  const MessagePtr response = response_of(question.method);
  if (!response->ParseFromString(answer.payload)) {
    throw std::runtime_error("the answer does not parse");
  }
  return {response, 0};
}

bool MinitabletSubject::soon(const std::function<bool()>& holds) {
  return static_cast<bool>(Rig::soon(holds, "the answer is as expected"));
}

void MinitabletSubject::hold(const std::string& tablet, const Hold& hold) {
  static const std::map<std::string, control::Stage> kStages{
      {"before", control::kBefore}, {"queued", control::kQueued}, {"inside", control::kInside}};
  control::HangRequest request;
  request.mutable_match()->set_method(hold.method);
  request.set_stage(kStages.at(hold.stage));
  request.set_skip(static_cast<std::uint32_t>(hold.skip));
  if (!client(at(tablet)).control("Hang", request)) throw std::runtime_error("not held");
}

// A manifest that names a snapshot which is not there.
void MinitabletSubject::fail_next_load(const std::string& tablet, Place place) {
  fs::path partition = minitablet::partition_path(directory(at(tablet)), place.tid, place.pid);
  if (!fs::exists(partition)) {  // Its table is on disk.
    partition = minitablet::partition_path(directory(at(tablet)) / "ssd", place.tid, place.pid);
  }
  const fs::path snapshots = partition / "snapshot";
  fs::create_directories(snapshots);
  std::ofstream{snapshots / "MANIFEST"} << "offset: 2 name: \"gone.sdb\"";
}

void MinitabletSubject::delete_old_binlogs(const std::string& tablet, Place place) {
  const fs::path binlog =
      minitablet::partition_path(directory(at(tablet)), place.tid, place.pid) / "binlog";
  const auto files = [&] { return minitablet::Binlog::files_in(binlog).size(); };
  if (!soon([&] { return files() == 1; })) throw std::runtime_error("they are still there");
}

std::string MinitabletSubject::rows(const std::string& tablet, Place place) {
  control::DumpRequest request;
  request.set_tid(place.tid);
  request.set_pid(place.pid);
  const auto dump = client(at(tablet)).dump(request);
  if (!dump || dump->code() != 0) throw std::runtime_error(tablet + " does not hold it");
  return std::to_string(dump->row_count()) + " rows, digest " + std::to_string(dump->digest());
}

std::uint64_t MinitabletSubject::appends(const std::string& tablet) {
  control::CountersResponse response;
  response.ParseFromString(client(at(tablet)).call("MiniTablet", "Counters", "").payload);
  for (const auto& counter : response.counters()) {
    if (counter.method() == "AppendEntries") return counter.calls();
  }
  return 0;
}

std::string MinitabletSubject::directories(const std::string& tablet) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator{directory(at(tablet))}) {
    const std::string name = entry.path().filename();
    if (name.find('_') != std::string::npos) names.insert("'" + name + "'");
  }
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return "[" + text + "]";
}

}  // namespace failoverd::contract
