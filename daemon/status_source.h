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
  std::vector<admin::TabletRow> tablets() override;
  void tables(const admin::TableFilter& filter,
              std::function<void(std::vector<admin::ReplicaRow>)> done) override;
  std::vector<admin::OpRow> ops(const std::optional<std::string>& name,
                                std::optional<std::uint32_t> pid) override;
  std::vector<admin::ConfRow> conf() override;
  std::vector<admin::EventRow> events(std::uint64_t since, std::size_t limit) override;
  admin::Subscription subscribe(std::function<void(const admin::EventRow&)> callback) override;
  admin::Readiness readiness() override;
  std::string metrics() override;
  void command(admin::CommandRequest request,
               std::function<void(admin::CommandResult)> done) override;

 private:
  std::int64_t wall(Instant at) const;
  std::vector<admin::ReplicaRow> replica_rows(const admin::TableFilter& filter,
                                              Instant asked_at) const;
  std::vector<admin::Count> tablet_counts() const;
  std::vector<admin::Count> partition_counts() const;
  std::string partition_state(const core::Partition& partition) const;
  void list_holds(admin::StatusView&) const;
  void list_wrong(admin::StatusView& view) const;
  void list_left_alone(admin::StatusView& view) const;
  std::vector<admin::Count> left_alone_counts() const;
  admin::OpRow op_row(const core::OpRecord& op) const;
  admin::HolderView holder() const;
  admin::SwitchView switch_view() const;
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
