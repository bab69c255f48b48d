#include "tests/e2e/cluster.h"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "lib/zookeeper/session.h"
#include "proto/tablet.pb.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/programs.h"
#include "tests/harness/ports.h"
#include "tests/harness/wait_until.h"

namespace failoverd::e2e {

namespace control = minitablet::control;

namespace {
std::string free_address() { return "127.0.0.1:" + std::to_string(harness::free_port()); }
}  // namespace

Cluster::Cluster(ClusterOptions options)
    : options_(std::move(options)),
      directory_(options_.disks_below),
      zookeeper_({.properties = options_.zookeeper_properties}) {
  znodes_ = std::make_unique<testkit::Znodes>(io_, zookeeper_.hosts(), "/rtidb_cluster",
                                              generation(), options_.identity);
  start_nameservers();
  for (int i = 0; i < options_.tablets; ++i) {
    endpoints_.push_back(free_address());
    if (!options_.use_name) continue;
    addresses_[i] = std::exchange(endpoints_.back(), "653470841179833139" + std::to_string(i));
  }
  std::sort(endpoints_.begin(), endpoints_.end());
  tablets_.resize(endpoints_.size());
  for (int i = 0; i < options_.tablets; ++i) start_tablet(i);
}

void Cluster::start_nameservers() {
  testkit::NameserverOptions options;
  options.generation = &generation();
  options.zookeeper = zookeeper_.hosts();
  options.session = options_.nameserver_session;
  options.flags = options_.nameserver_flags;
  if (!options_.identity.empty()) options.flags.push_back("--zk_cert=" + options_.identity);
  options.use_name = options_.use_name;
  options.logs = directory();
  nameservers_ = std::make_unique<testkit::Nameservers>(io_, options);
  for (int i = 0; i < options_.nameservers; ++i) nameservers_->add();
  if (options_.nameservers > 0) nameservers_->wait_for_leader();
  testkit::create_cluster_znodes(*znodes_);
}

Cluster::~Cluster() {
  if (writer_) writer_->stop();
}

void Cluster::kill_tablet(int i) {
  clients_.erase(i);
  process(i).kill(SIGKILL);
  process(i).wait(std::chrono::seconds{10});
}

void Cluster::kill_tablets(const std::vector<int>& all) {
  for (const int i : all) process(i).kill(SIGKILL);
  for (const int i : all) kill_tablet(i);
}

harness::Process::Options Cluster::tablet_process(int i) {
  harness::Process::Options options;
  options.arguments = {program("minitablet"),
                       "--endpoint=" + address(i),
                       "--zk_cluster=" + zookeeper_.hosts(),
                       std::string{"--generation="} + generation().name,
                       "--zk_root_path=/rtidb_cluster",
                       "--zk_session_timeout=" + std::to_string(options_.tablet_session.count()),
                       "--send_file_sleep_ms=20",
                       "--db_root_path=" + disk(i).string(),
                       "--ssd_root_path=" + (disk(i) / "ssd").string(),
                       "--hdd_root_path=" + (disk(i) / "hdd").string()};
  options.arguments.insert(options.arguments.end(), options_.tablet_flags.begin(),
                           options_.tablet_flags.end());
  if (!options_.identity.empty()) options.arguments.push_back("--zk_cert=" + options_.identity);
  if (options_.use_name) {
    options.arguments.insert(options.arguments.end(), {"--use_name=true", "--name=" + tablet(i)});
  }
  options.log_file = directory() / ("tablet" + std::to_string(i) + ".log");
  if (const auto hangs = hangs_at_start_.extract(i)) {
    options.arguments.push_back("--hang=" + hangs.mapped());
  }
  return options;
}

void Cluster::launch_tablet(int i) {
  tablets_.at(static_cast<std::size_t>(i)) = std::make_unique<harness::Process>(tablet_process(i));
}

void Cluster::move_tablet(int i) { addresses_.at(i) = free_address(); }

void Cluster::start_tablet(int i) {
  const std::string& endpoint = tablet(i);
  const harness::Process::Options options = tablet_process(i);
  auto& slot = tablets_.at(static_cast<std::size_t>(i));
  const auto before = znodes_->get("nodes/" + endpoint);
  const std::int64_t old_owner = before ? before->ephemeral_owner : 0;
  const auto registered = [&] {
    // One that finds the old znode still there exits, as the real one does: its supervisor is us.
    if (!slot || !slot->running()) slot = std::make_unique<harness::Process>(options);
    const auto znode = znodes_->get("nodes/" + endpoint);
    return slot->running() && znode && znode->ephemeral_owner != old_owner;
  };
  slot = std::make_unique<harness::Process>(options);
  if (!wait_until(registered, "tablet " + endpoint + " is registered",
                  options_.tablet_session + std::chrono::seconds{20})) {
    throw std::runtime_error("tablet " + endpoint + " did not start: " + slot->log());
  }
}

void Cluster::pause_tablet(int i) {
  paused_.insert(i);
  process(i).pause();
}

void Cluster::resume_tablet(int i) {
  paused_.erase(i);
  process(i).resume();
}

bool Cluster::lives(int i) { return process(i).running() && !paused_.contains(i); }

testkit::Client& Cluster::client(int i) {
  auto& client = clients_[i];
  if (!client) client = std::make_unique<testkit::Client>(io_, address(i));
  return *client;
}

void Cluster::hang(int i, const std::string& method, Stage stage,
                   std::chrono::milliseconds at_most) {
  inject(i, {.method = method, .stage = stage, .at_most = at_most});
}

void Cluster::hang_pid(int i, const std::string& method, std::uint32_t pid, Stage stage) {
  inject(i, {.method = method, .pid = pid, .stage = stage});
}

void Cluster::inject(int i, const Fault& fault) {
  control::HangRequest request;
  request.mutable_match()->set_method(fault.method);
  if (fault.pid) request.mutable_match()->set_pid(*fault.pid);
  request.set_stage(fault.stage);
  request.set_skip(fault.skip);
  request.set_calls(fault.calls);
  request.set_milliseconds(static_cast<std::uint32_t>(fault.at_most.count()));
  if (!client(i).control("Hang", request)) throw std::runtime_error("Hang was refused");
}

void Cluster::inject_at_start(int i, const Fault& fault) {
  const char* stages[] = {"", "before", "inside", "after"};
  std::string& hangs = hangs_at_start_[i];
  hangs += (hangs.empty() ? "" : ",") + fault.method + ":" + stages[fault.stage];
  if (fault.pid) hangs += ":" + std::to_string(*fault.pid) + ":" + std::to_string(fault.skip);
}

bool Cluster::hangs(int i, const std::string& method, std::optional<std::uint32_t> pid) {
  const control::CountersResponse counters = this->counters(i);
  return std::any_of(counters.held().begin(), counters.held().end(), [&](const auto& held) {
    return held.method() == method && (!pid || held.pid() == *pid);
  });
}

void Cluster::fail(int i, const std::string& method, int code, std::uint32_t calls) {
  control::FailRequest request;
  request.mutable_match()->set_method(method);
  request.set_code(code);
  request.set_calls(calls);
  if (!client(i).control("Fail", request)) throw std::runtime_error("Fail was refused");
}

void Cluster::fail_pid(int i, const std::string& method, std::uint32_t pid, int code) {
  control::FailRequest request;
  request.mutable_match()->set_method(method);
  request.mutable_match()->set_pid(pid);
  request.set_code(code);
  if (!client(i).control("Fail", request)) throw std::runtime_error("Fail was refused");
}

void Cluster::fill_disk(int i, bool full) {
  control::SetDiskFullRequest request;
  request.set_full(full);
  if (!client(i).control("SetDiskFull", request)) {
    throw std::runtime_error("SetDiskFull was refused");
  }
}

void Cluster::release(int i, const std::string& method) {
  control::ReleaseRequest request;
  request.set_method(method);
  if (!client(i).control("Release", request)) {
    throw std::runtime_error("Release was refused");
  }
}

void Cluster::lose_session(int i, bool stay_lost) {
  control::LoseSessionRequest request;
  request.set_stay_lost(stay_lost);
  if (!client(i).control("LoseSession", request)) {
    throw std::runtime_error("LoseSession was refused");
  }
}

control::CountersResponse Cluster::counters(int i) {
  const rpc::Answer answer =
      client(i).call("MiniTablet", "Counters", control::CountersRequest{}.SerializeAsString());
  control::CountersResponse response;
  if (answer.outcome != rpc::Outcome::kAnswered || !response.ParseFromString(answer.payload)) {
    return {};
  }
  return response;
}

std::uint64_t Cluster::calls(int i, const std::string& method) {
  const control::CountersResponse response = counters(i);
  for (const auto& c : response.counters()) {
    if (c.method() == method) return c.calls();
  }
  return 0;
}

std::filesystem::path Cluster::disk(int i) const {
  return directory() / ("tablet" + std::to_string(i));
}

std::filesystem::path Cluster::disk(int i, const std::string& table, std::uint32_t pid) {
  const std::uint32_t tid = znodes_->table(table).value().tid();
  return disk(i) / (std::to_string(tid) + "_" + std::to_string(pid));
}

void Cluster::create_table(const std::string& name, std::uint32_t partitions,
                           std::uint32_t replicas, std::vector<int> on, bool spread,
                           const std::string& db) {
  testkit::TableWish wish;
  wish.name = name;
  wish.partitions = partitions;
  wish.replicas = replicas;
  wish.spread = spread;
  wish.db = db;
  for (const int i : on) wish.endpoints.push_back(tablet(i));
  create_table(std::move(wish));
}

void Cluster::create_table(testkit::TableWish wish) {
  const std::string name = wish.name;
  if (wish.endpoints.empty()) wish.endpoints = endpoints_;
  if (nameservers_->count() == 0) {
    testkit::create_table(*znodes_, wish);
    return;
  }
  // Every tablet has to be known to be healthy.
  const auto made = [&] {
    return nameservers_->create_as_wished(nameservers_->wait_for_leader(), wish) == 0;
  };
  if (!wait_until(made, "the nameserver creates " + name)) {
    throw std::runtime_error("the nameserver does not create " + name);
  }
}

std::string Cluster::rows(const std::string& name, std::uint32_t pid) {
  const auto table = znodes_->table(name);
  if (!table) return "no table";
  std::string text;
  for (const auto& p : table->table_partition()) {
    if (p.pid() != pid) continue;
    for (const auto& row : p.partition_meta()) {
      const auto found = std::find(endpoints_.begin(), endpoints_.end(), row.endpoint());
      text += text.empty() ? "" : " ";
      text += static_cast<char>('A' + (found - endpoints_.begin()));
      text += row.is_leader() ? "=L" : "=F";
      text += row.is_alive() ? "+" : "-";
    }
  }
  return text;
}

int Cluster::leader(const std::string& name, std::uint32_t pid) {
  const std::string text = rows(name, pid);
  int leader = -1;
  for (std::size_t i = 0; i + 3 < text.size() + 1; i += 5) {
    if (text.compare(i + 1, 3, "=L+") != 0) continue;
    if (leader != -1) return -1;
    leader = text[i] - 'A';
  }
  return leader;
}

bool Cluster::everything_is_led_without(int i) {
  for (const auto& table : znodes_->tables()) {
    if (table.replica_num() < 2) continue;
    for (const auto& p : table.table_partition()) {
      const int leads = leader(table.name(), p.pid());
      if (leads == -1 || leads == i) return false;
    }
  }
  return true;
}

bool Cluster::is_led_without(int i) {
  return wait_until([&] { return everything_is_led_without(i); },
                    "every partition has a new leader");
}

bool Cluster::everything_is_alive() {
  for (const auto& table : znodes_->tables()) {
    for (const auto& p : table.table_partition()) {
      int leaders = 0;
      for (const auto& row : p.partition_meta()) {
        if (!row.is_alive()) return false;
        leaders += row.is_leader() ? 1 : 0;
      }
      if (leaders != 1) return false;
    }
  }
  return true;
}

void Cluster::start_writer(double rate) {
  testkit::Writer::Options options;
  options.zookeeper = zookeeper_.hosts();
  options.identity = options_.identity;
  options.generation = &generation();
  options.rate = rate;
  writer_ = std::make_unique<testkit::Writer>(io_, options);
  writer_->start();
  wait_until([&] { return writer_->summary().acks > 0; }, "the writer writes");
}

void Cluster::stop_writer() {
  if (!writer_) return;
  writer_->stop();
  wait_until([&] { return writer_->idle(); }, "the writer is idle");
}

testkit::Comparison Cluster::compare(bool acked) {
  stop_writer();
  return compare(acked && writer_ ? writer_->acked() : std::vector<testkit::AckedRow>{});
}

testkit::Comparison Cluster::compare(const std::vector<testkit::AckedRow>& wanted) {
  stop_writer();
  testkit::CompareWish wish;
  wish.within = std::chrono::seconds{15};
  wish.acked = wanted;
  return testkit::compare_replicas(*znodes_, wish);
}

std::vector<testkit::AckedRow> Cluster::settle_writer() {
  wait_until(
      [&] {
        const auto all = writer_->summary().partitions;
        return std::all_of(all.begin(), all.end(), [](const auto& p) { return p.acks >= 5; });
      },
      "every partition has some rows");
  const testkit::Comparison c = compare(/*acked=*/true);
  if (!c.equal()) throw std::runtime_error("the replicas do not settle: " + c.to_text());
  return writer_->acked();
}

int Cluster::put(int i, const std::string& table, std::uint32_t pid, const std::string& key) {
  fedb::PutRequest request;
  request.set_pk(key);
  request.set_time(1);
  request.set_value(key);
  request.set_tid(znodes_->table(table).value().tid());
  request.set_pid(pid);
  const auto answer = client(i).ask<fedb::PutResponse>("Put", request);
  return answer ? answer->code() : -1;
}

bool Cluster::holds(int i, const std::string& table, std::uint32_t pid, const std::string& key,
                    const std::string& value) {
  fedb::GetRequest request;
  request.set_tid(znodes_->table(table).value().tid());
  request.set_pid(pid);
  request.set_key(key);
  const auto answer = client(i).ask<fedb::GetResponse>("Get", request);
  return answer && answer->code() == 0 && answer->value() == (value.empty() ? key : value);
}

Daemon& Cluster::start_daemon(const DaemonOptions& options) {
  const int number = static_cast<int>(daemons_.size());
  daemons_.push_back(std::make_unique<Daemon>(*this, number, options));
  daemons_.back()->start();
  return *daemons_.back();
}

Daemon& Cluster::start_active_daemon(const DaemonOptions& options) {
  Daemon& daemon = start_daemon(options);
  const std::string healthy = "failoverd_tablets{state=\"healthy\"}";
  const auto acts = [&] {
    return daemon.active() && daemon.metric(healthy) == static_cast<double>(options_.tablets);
  };
  if (!wait_until(acts, "the daemon acts and knows every tablet")) {
    throw std::runtime_error("failoverd did not become active: " + daemon.log());
  }
  return daemon;
}

bool Cluster::wait_until(const std::function<bool()>& predicate, std::string_view what,
                         std::chrono::milliseconds deadline) {
  return harness::wait_until(io_, predicate, deadline, what);
}

void Cluster::let_pass(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  harness::wait_until(
      io_, [&] { return std::chrono::steady_clock::now() >= end; }, time + std::chrono::seconds{5},
      "time passes");
}

}  // namespace failoverd::e2e
