#include "daemon/driver.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "lib/admin/active_daemon.h"
#include "lib/base/boot_clock.h"
#include "lib/base/machine_id.h"
#include "lib/base/overload.h"

namespace failoverd {
namespace {

// A loop that turns beats this often; one that did not for so long has stood still, and what it
// did not hear in that time means nothing.
constexpr auto kBeat = std::chrono::milliseconds{100};
constexpr Duration kStalled = std::chrono::milliseconds{500};

std::optional<fedb::Numbering> fixed_numbering(config::Numbering n) {
  switch (n) {
    case config::Numbering::kFedb:
      return fedb::Numbering::kFedb;
    case config::Numbering::kOpenmldb:
      return fedb::Numbering::kOpenmldb;
    case config::Numbering::kAuto:
      break;
  }
  return std::nullopt;
}

fedb::Paths paths(const config::Config& config) {
  fedb::Paths paths{config.cluster.root};
  if (config.policy.shadow) paths.own_name = "failoverd_shadow";
  return paths;
}

zookeeper::Session::Options servers(const config::Config& config) {
  zookeeper::Session::Options options;
  options.hosts = config.cluster.zookeeper;
  options.timeout = config.cluster.session_timeout;
  options.digest_auth = config.cluster.zookeeper_identity;
  return options;
}

zookeeper::OpenClient open_client(boost::asio::io_context& io, const config::Config& config) {
  return [&io, options = servers(config)](std::size_t longest_request) mutable {
    options.longest_request = longest_request;
    return std::make_unique<zookeeper::Session>(io, options);
  };
}

config::LogLevel level(core::Severity severity) {
  switch (severity) {
    case core::Severity::kInfo:
      return config::LogLevel::kInfo;
    case core::Severity::kWarning:
      return config::LogLevel::kWarn;
    case core::Severity::kError:
      return config::LogLevel::kError;
  }
  return config::LogLevel::kError;
}

const char* event_severity(core::Severity severity) {
  return severity == core::Severity::kError ? "critical" : core::to_text(severity);
}

}  // namespace

Driver::Driver(boost::asio::io_context& io, const config::Config& config, std::string name,
               Log& log, admin::EventLog& events, admin::Metrics& metrics)
    : name_(std::move(name)),
      log_(log),
      events_(events),
      metrics_(metrics),
      brain_(config.policy),
      loop_(io),
      session_(io, servers(config)),
      nameserver_(io, names_),
      side_(loop_, session_, open_client(io, config), nameserver_, names_,
            {paths(config), fixed_numbering(config.cluster.numbering), name_, machine_id(),
             admin::lock_value(name_, config.listen.http), config::kDefaultAutoFailover,
             config.policy.metadata == core::Metadata::kAuto, config.policy.shadow},
            [this](core::Event e) { tell(std::move(e)); }),
      tablets_(
          io, names_, [this] { return side_.numbering.known(); },
          [this](core::Event e) { tell(std::move(e)); }),
      timers_(io, [this](core::RequestId id) { tell(core::TimerFired{id}); }),
      heart_(io),
      last_turn_(boot_now()),
      away_since_(boot_now()) {
  session_.on_state = [this](zookeeper::SessionState state, bool new_session) {
    session_changed(state, new_session);
  };
  session_.on_note = [this](const std::string& line) {
    log_.write(config::LogLevel::kInfo, "zookeeper", line);
  };
  const auto on_warning = [this](const std::string& line) {
    note(core::Severity::kError, "znode", line);
  };
  side_.view.on_warning = [this](const std::string& line) {
    note(core::Severity::kWarning, "znode", line);
  };
  side_.names.on_warning = side_.view.on_warning;
  side_.numbering.on_found = [this](const std::string& line) {
    log_.write(config::LogLevel::kInfo, "numbering", line);
  };
  side_.leadership.on_warning = on_warning;
  side_.metadata.on_warning = on_warning;
  side_.through.on_warning = [this](const std::string& line) {
    note(core::Severity::kWarning, "nameserver", line);
  };
  side_.switched.on_warning = on_warning;
  side_.switched.on_info = [this](const std::string& line) {
    log_.write(config::LogLevel::kInfo, "switch", line);
  };
  tablets_.may_change = [this, shadow = config.policy.shadow] {
    return !shadow && side_.leadership.may_change();
  };
  tablets_.is_registered = [this](const core::Endpoint& t) { return side_.view.has_tablet(t); };
  tablets_.nameserver_leads = [this] { return side_.nameserver.is_there(); };
}

Driver::~Driver() = default;

void Driver::start() {
  session_.start();
  beat();
}

void Driver::stop(std::function<void()> done) {
  heart_.cancel();
  side_.leadership.release([this, done = std::move(done)] {
    session_.close();
    done();
  });
}

void Driver::beat() {
  if (const auto stall = look_at_the_clock()) tell(core::LoopStalled{*stall});
  heart_.expires_after(kBeat);
  heart_.async_wait([this](const boost::system::error_code& e) {
    if (!e) beat();
  });
}

// For how long the loop stood still, if it did.
std::optional<Duration> Driver::look_at_the_clock() {
  const Instant now = boot_now();
  const Duration since = now - std::exchange(last_turn_, now);
  if (since < kStalled) return std::nullopt;
  log_.write(config::LogLevel::kWarn, "loop",
             "stood still for " + std::to_string(since.count() / 1000) + " ms");
  return since;
}

void Driver::session_changed(zookeeper::SessionState state, bool new_session) {
  if (state == zookeeper::SessionState::kConnected) {
    away_since_.reset();
  } else if (!away_since_) {
    away_since_ = boot_now();
  }
  side_.session_changed(state, new_session);
}

void Driver::policy_changed(const core::Policy& policy) { tell(core::PolicyChanged{policy}); }

void Driver::file_says(std::optional<bool> auto_failover) {
  side_.switched.file_says(auto_failover);
}

void Driver::ask_status(std::vector<std::uint32_t> tids, std::function<void()> done) {
  const core::RequestId id = ++last_status_question_;
  status_questions_.emplace(id, std::move(done));
  tell(core::StatusAsked{id, std::move(tids)});
}

void Driver::ask_operator(core::OperatorCommand command, std::string by, bool only_plan,
                          bool as_nameserver,
                          std::function<void(const core::OperatorAnswer&)> done) {
  const core::RequestId id = ++last_operator_question_;
  operators_.emplace(id, std::move(done));
  tell(core::OperatorAsked{id, std::move(command), std::move(by), only_plan, as_nameserver});
}

void Driver::answer_operator(const core::AnswerOperator& c) {
  const auto asked = operators_.extract(c.id);
  if (!asked.empty()) asked.mapped()(c.answer);
}

void Driver::show_status(core::RequestId id) {
  const auto found = status_questions_.find(id);
  if (found == status_questions_.end()) return;
  boost::asio::post(heart_.get_executor(), std::move(found->second));
  status_questions_.erase(found);
}

// Where tablets may have come, or nobody else tells them any more. Contact is made so often that
// what was missed comes with it.
void Driver::tell_names(const core::Event& after) {
  if (names_.all().empty()) return;
  if (std::holds_alternative<core::TabletsListed>(after) ||
      std::holds_alternative<core::NameserversListed>(after) ||
      std::holds_alternative<core::ContactMade>(after)) {
    tablets_.tell_names();
  }
}

// All that happens comes in here; all we do goes out here, and is answered by another event.
void Driver::tell(core::Event event) {
  waiting_.push_back(std::move(event));
  if (thinking_) return;
  thinking_ = true;
  if (const auto stall = look_at_the_clock()) waiting_.emplace_front(core::LoopStalled{*stall});
  while (!waiting_.empty()) {
    const core::Event next = std::move(waiting_.front());
    waiting_.pop_front();
    if (log_.wants(config::LogLevel::kDebug)) {
      log_.write(config::LogLevel::kDebug, "event", core::to_text(next));
    }
    side_.before_brain(next);
    for (core::Command& command : brain_.step(boot_now(), next)) carry_out(std::move(command));
    side_.after_brain(next);
    tell_names(next);
    if (std::holds_alternative<core::LockLost>(next)) tablets_.drop_all();
  }
  thinking_ = false;
}

void Driver::carry_out(core::Command command) {
  if (log_.wants(config::LogLevel::kDebug) && !std::holds_alternative<core::Note>(command)) {
    log_.write(config::LogLevel::kDebug, "command", core::to_text(command));
  }
  std::visit(Overload{
                 [&](const core::CallTablet& c) { tablets_.call(c); },
                 [&](const core::SetTimer& c) { timers_.set(c.id, c.at); },
                 [&](const core::ShowStatus& c) { show_status(c.id); },
                 [&](const core::AnswerOperator& c) { answer_operator(c); },
                 [&](core::Note& c) {
                   note(c.severity, std::move(c.kind), std::move(c.text), std::move(c.fields));
                 },
                 [&](const core::CountFailover& c) {
                   metrics_.failover_took(admin::FailoverPhase::kDetect, c.detect);
                   metrics_.failover_took(admin::FailoverPhase::kElect, c.elect);
                   metrics_.failover_took(admin::FailoverPhase::kPublish, c.publish);
                   metrics_.failover_took(admin::FailoverPhase::kTotal, c.total);
                   if (c.possible_loss) metrics_.possible_loss(*c.possible_loss);
                 },
                 [&](const core::CountOp& c) {
                   metrics_.op_finished(core::to_text(c.type), core::to_text(c.status), c.took);
                 },
                 [&](const core::CountLost& c) { metrics_.entries_lost(c.count); },
                 [&](const core::EntriesGivenUp& c) { metrics_.entries_given_up(c.count); },
                 [&](const auto& c) { side_.carry_out(c); },
             },
             command);
}

void Driver::note(core::Severity severity, std::string kind, std::string text,
                  std::vector<std::pair<std::string, std::string>> fields) {
  log_.write(level(severity), kind, text, fields);
  admin::EventRow row;
  row.time_ms = wall_now_ms();
  row.severity = event_severity(severity);
  row.kind = std::move(kind);
  row.text = std::move(text);
  for (auto& [key, value] : fields) row.fields.push_back({std::move(key), std::move(value)});
  events_.add(std::move(row));
}

}  // namespace failoverd
