// The floor: what is left when nothing has to be found out or decided. A client that knows that
// tablet 0 is dead probes every follower, promotes, and writes the table once.
#include <csignal>
#include <map>
#include <stdexcept>
#include <vector>

#include "proto/nameserver.pb.h"
#include "proto/tablet.pb.h"
#include "tests/bench/measure.h"
#include "tests/e2e/cluster.h"

namespace failoverd::bench {
namespace {

using zookeeper::Op;

constexpr const char* kTable = "flow";
constexpr std::uint64_t kProbeTerm = 1000;  // Above every term that a new cluster has.
constexpr std::chrono::seconds kPatience{10};

class Floor {
 public:
  Floor(std::uint32_t partitions, bool nameserver)
      : cluster_{{.nameservers = nameserver ? 1 : 0}}, nameserver_{nameserver} {
    cluster_.create_table(kTable, partitions, 3);
    for (const int tablet : {1, 2}) {  // Connected beforehand, as failoverd is.
      (void)cluster_.client(tablet).ask<fedb::GetTableStatusResponse>(
          "GetTableStatus", fedb::GetTableStatusRequest{});
    }
    table_ = cluster_.znodes().get("table/table_data/flow").value();
    notify_ = cluster_.znodes().get("table/notify").value();
    if (!info_.ParseFromString(table_.bytes)) throw std::runtime_error("no table");
    cluster_.znodes().create("floor", "");
    cluster_.kill_tablet(0);
  }

  Limit measure() {
    Limit limit;
    limit.probes = timed([&] { probe_all(); });
    limit.roles = timed([&] { promote_all(); });
    limit.multi = timed([&] { nameserver_ ? set_all() : write(); });
    return limit;
  }

 private:
  template <class Work>
  static double timed(const Work& work) {
    const auto began = Clock::now();
    work();
    return milliseconds(Clock::now() - began);
  }

  bool was_led_by_the_dead(const fedb::TablePartition& partition) const {
    return partition.partition_meta(0).endpoint() == cluster_.tablet(0);
  }

  template <class Response, class Request>
  void send(int tablet, const char* method, const Request& request) {
    ++open_;
    cluster_.client(tablet).ask_async<Response>(
        method, request,
        [this](const std::optional<Response>& answer) {
          --open_;
          if (!answer || answer->code() != 0) failed_ = true;
        },
        kPatience);
  }

  void wait_for_answers() {
    cluster_.wait_until([&] { return open_ == 0; }, "the tablets answer");
    if (failed_) throw std::runtime_error("a tablet refuses what failoverd would ask");
  }

  void probe_all() {
    for (const fedb::TablePartition& partition : info_.table_partition()) {
      if (!was_led_by_the_dead(partition)) continue;
      fedb::AppendEntriesRequest request;
      request.set_tid(info_.tid());
      request.set_pid(partition.pid());
      request.set_term(kProbeTerm);
      request.set_pre_log_index(0);
      for (const int tablet : {1, 2}) {
        send<fedb::AppendEntriesResponse>(tablet, "AppendEntries", request);
      }
    }
    wait_for_answers();
  }

  void promote_all() {
    int next = 1;
    for (fedb::TablePartition& partition : *info_.mutable_table_partition()) {
      if (!was_led_by_the_dead(partition)) continue;
      changed_.push_back(&partition);
      const int winner = next;
      next = 3 - next;
      fedb::ChangeRoleRequest request;
      request.set_tid(info_.tid());
      request.set_pid(partition.pid());
      request.set_term(kProbeTerm + 1);
      request.set_mode(fedb::kTableLeader);
      request.add_replicas(cluster_.tablet(3 - winner));
      send<fedb::ChangeRoleResponse>(winner, "ChangeRole", request);
      for (fedb::PartitionMeta& row : *partition.mutable_partition_meta()) {
        row.set_is_alive(row.endpoint() != cluster_.tablet(0));
        if (row.endpoint() == cluster_.tablet(winner)) row.set_is_leader(true);
      }
      fedb::TermPair& term = *partition.add_term_offset();
      term.set_term(kProbeTerm + 1);
      term.set_offset(1);
    }
    wait_for_answers();
  }

  // In the order in which they are sent.
  void set_all() {
    testkit::Nameservers& nameservers = cluster_.nameservers();
    testkit::Client& client = nameservers.client(nameservers.wait_for_leader());
    for (const fedb::TablePartition* partition : changed_) {
      fedb::SetTablePartitionRequest request;
      request.set_name(kTable);
      *request.mutable_table_partition() = *partition;
      ++open_;
      client.channel().call(
          "NameServer", "SetTablePartition", request.SerializeAsString(), kPatience,
          [this](const rpc::Answer& answer) {
            --open_;
            fedb::NameServerResponse response;
            if (!response.ParseFromString(answer.payload) || response.code() != 0) {
              failed_ = true;
            }
          });
    }
    wait_for_answers();
  }

  void write() {
    testkit::Znodes& znodes = cluster_.znodes();
    const std::string next = std::to_string(std::stoull(notify_.bytes) + 1);
    const auto code = znodes.multi({
        Op::check(znodes.path("floor"), 0),
        Op::set(znodes.path("table/table_data/flow"), info_.SerializeAsString(), table_.version),
        Op::set(znodes.path("table/notify"), next, -1),
    });
    if (code != zookeeper::Code::kOk) throw std::runtime_error("the multi failed");
  }

  e2e::Cluster cluster_;
  const bool nameserver_;
  std::vector<const fedb::TablePartition*> changed_;
  fedb::TableInfo info_;
  testkit::Znodes::Value table_;
  testkit::Znodes::Value notify_;
  std::size_t open_ = 0;
  bool failed_ = false;
};

}  // namespace

Limit measure_limit(std::uint32_t partitions, bool nameserver) {
  return Floor{partitions, nameserver}.measure();
}

}  // namespace failoverd::bench
