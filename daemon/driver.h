// Carries out what the brain decides, and tells it what happened. The driver owns the connections
// to ZooKeeper and the tablets, the timers and the log, and decides nothing; it only refuses to
// send what changes something without the lock and fresh contact (SAFETY 14). One thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/log.h"
#include "daemon/timers.h"
#include "lib/admin/event_log.h"
#include "lib/admin/metrics.h"
#include "lib/base/asio_loop.h"
#include "lib/config/config.h"
#include "lib/core/brain.h"
#include "lib/fedb/metadata/server_names.h"
#include "lib/fedb/nameserver_connection.h"
#include "lib/fedb/tablets.h"
#include "lib/fedb/zookeeper_side.h"
#include "lib/zookeeper/session.h"

namespace failoverd {

class Driver {
 public:
  // name: this daemon's, unique among those of the cluster.
  Driver(boost::asio::io_context& io, const config::Config& config, std::string name, Log& log,
         admin::EventLog& events, admin::Metrics& metrics);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  void start();
  // Gives the lock back and closes the session, then calls done.
  void stop(std::function<void()> done);
  // A reload took effect.
  void policy_changed(const core::Policy& policy);
  void file_says(std::optional<bool> auto_failover);

  // Has the tablets that hold these tables asked what they hold now. `done` is called once, later,
  // after at most core::kShowAtMost: then the brain's model shows it. A standby asks nobody.
  void ask_status(std::vector<std::uint32_t> tids, std::function<void()> done);

  // An operator's command. `done` is called once: with its refusal, or with the ops that were
  // opened for it, before this returns; of an edit by hand when it is written.
  void ask_operator(core::OperatorCommand command, std::string by, bool only_plan,
                    bool as_nameserver, std::function<void(const core::OperatorAnswer&)> done);

  // An entry of the event log that is not the brain's.
  void note(core::Severity severity, std::string kind, std::string text,
            std::vector<std::pair<std::string, std::string>> fields = {});

  const core::Brain& brain() const { return brain_; }
  const fedb::ClusterView& view() const { return side_.view; }
  const fedb::ClusterNumbering& numbering() const { return side_.numbering; }
  const fedb::Leadership& leadership() const { return side_.leadership; }
  const zookeeper::Session& session() const { return session_; }
  fedb::Switch& switched() { return side_.switched; }
  fedb::NameserverSwitch& nameserver_switch() { return side_.nameserver_switch; }
  const std::string& name() const { return name_; }
  // Since when ZooKeeper is away; none: connected.
  std::optional<Instant> zookeeper_away_since() const { return away_since_; }

 private:
  void tell(core::Event event);
  std::optional<Duration> look_at_the_clock();
  void carry_out(core::Command command);
  void session_changed(zookeeper::SessionState state, bool new_session);
  void tell_names(const core::Event& after);
  void beat();
  void show_status(core::RequestId id);
  void answer_operator(const core::AnswerOperator& c);

  const std::string name_;
  Log& log_;
  admin::EventLog& events_;
  admin::Metrics& metrics_;

  core::Brain brain_;
  AsioLoop loop_;
  zookeeper::Session session_;
  fedb::ServerNames names_;
  fedb::NameserverConnection nameserver_;
  fedb::ZookeeperSide side_;
  fedb::Tablets tablets_;
  Timers timers_;
  boost::asio::steady_timer heart_;

  std::deque<core::Event> waiting_;  // Told while the brain was thinking.
  bool thinking_ = false;
  Instant last_turn_;
  std::optional<Instant> away_since_;
  core::RequestId last_status_question_ = 0;
  std::map<core::RequestId, std::function<void()>> status_questions_;
  core::RequestId last_operator_question_ = 0;
  std::map<core::RequestId, std::function<void(const core::OperatorAnswer&)>> operators_;
};

}  // namespace failoverd
