// What lib/admin shows: the brain's model in the words of status_types.h, and the commands that
// come in over HTTP. Copies and counts; decides nothing. Owned by main().
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/driver.h"
#include "daemon/log.h"
#include "daemon/service.h"
#include "lib/admin/event_log.h"
#include "lib/admin/metrics.h"
#include "lib/admin/status_types.h"
#include "lib/config/config.h"

namespace failoverd {

// Of each list so many are named in `status`; the rest is counted.
inline constexpr std::size_t kMostInStatus = 200;

// "0x1f".
std::string in_hex(std::int64_t id);
// "ann from 127.0.0.1:40312".
std::string asked_by(const admin::CommandRequest& request);
// Milliseconds; 0 for what lies in the future.
std::uint64_t in_ms(Duration d);

class StatusSource : public admin::Source {
 public:
  StatusSource(Driver& driver, admin::EventLog& events, admin::Metrics& metrics,
               const config::Config& config, const Log& log);

  // The configuration in force, and how its last reload went.
  admin::ReloadView reload;
  std::int64_t config_success_ms = 0;

  // Whether it is ready, and in one line what it is or waits for; for systemd.
  Service::State service_state();

  admin::StatusView status() override;
  admin::ListPage<admin::TabletRow> tablets(const std::string& after, std::size_t limit) override;
  void tables(const admin::TablesAsked& asked, std::function<void(ReadTables)> done) override;
  std::string why_unreadable(const std::string& name) override;
  std::optional<admin::TableBytes> table_info(const std::string& name,
                                              const std::string& db) override;
  bool cluster_is_openmldb() override;
  std::optional<admin::ListPage<admin::WrittenPartition>> partitions(
      const admin::PartitionsAsked& asked) override;
  std::string nameserver() override;
  admin::ListPage<admin::OpRow> ops(const admin::OpsAsked& asked) override;
  std::vector<admin::ConfRow> conf() override;
  admin::LoggedEvents events(std::uint64_t since, std::size_t limit) override;
  admin::Subscription subscribe(std::function<void(const admin::EventRow&)> callback) override;
  admin::Readiness readiness() override;
  std::string metrics() override;
  void command(admin::CommandRequest request,
               std::function<void(admin::CommandResult)> done) override;

 private:
  std::int64_t wall(Instant at) const;
  admin::ListPage<admin::ReplicaRow> replica_rows(const admin::TablesAsked& asked,
                                                  Instant asked_at) const;
  admin::TabletRow tablet_row(const core::Tablet& tablet) const;
  std::vector<admin::Count> tablet_counts() const;
  std::vector<admin::Count> partition_counts() const;
  std::string partition_state(const core::Partition& partition) const;
  void list_holds(admin::StatusView&) const;
  void list_shadow(admin::StatusView&) const;
  void list_wrong(admin::StatusView& view) const;
  void list_recovery(admin::StatusView& view) const;
  void list_left_alone(admin::StatusView& view) const;
  void list_strangers(admin::StatusView& view) const;
  void list_ops(admin::StatusView& view) const;
  std::vector<admin::Count> left_alone_counts() const;
  admin::OpRow op_row(const core::OpRecord& op) const;
  admin::HolderView holder() const;
  admin::SwitchView switch_view() const;
  const fedb::TableValue* table_value(const std::string& name, const std::string& db) const;
  // Fills in what it changes, as the znode is now, and which version that is: none where the
  // partition is not any more what it was when it was read.
  void look_at_znode(core::operators::SetTablePartition& edit, const std::string& etag) const;
  void ask_brain(const admin::CommandRequest& request,
                 std::function<void(admin::CommandResult)> done);
  // takeover, release: status_steering.cc.
  std::vector<admin::Reason> stands_back();
  void steer(const admin::CommandRequest& request, std::function<void(admin::CommandResult)> done);
  admin::CommandResult not_steered(const std::string& why);
  std::string unfinished_election() const;
  void release(const admin::CommandRequest& request,
               std::function<void(admin::CommandResult)> done);
  void release_what_is_off(const std::string& text,
                           const std::function<void(admin::CommandResult)>& done);
  void confset(const admin::CommandRequest& request,
               std::function<void(admin::CommandResult)> done);

  Driver& driver_;
  admin::EventLog& events_;
  admin::Metrics& metrics_;
  const config::Config& config_;
  const Log& log_;
  const std::int64_t started_ms_;
};

}  // namespace failoverd
