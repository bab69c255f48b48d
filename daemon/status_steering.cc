// Who steers, the nameserver or failoverd: takeover and release, as StatusSource carries them out.
#include <utility>

#include "daemon/status_source.h"
#include "lib/base/boot_clock.h"

namespace failoverd {
namespace {

using Done = std::function<void(admin::CommandResult)>;

admin::CommandResult refused(const std::string& error, const std::string& why) {
  admin::CommandResult result;
  result.kind = admin::CommandResult::Kind::kRefused;
  result.code = 300;  // nameserver is not leader: of whatever kind, it is the nameserver's.
  result.error = error;
  result.hint = why;
  return result;
}

admin::CommandResult is_now(const std::string& text) {
  admin::CommandResult result;
  result.message = text;
  return result;
}

bool is_set(const admin::CommandRequest& request, const char* name) {
  const auto found = request.args.find(name);
  return found != request.args.end() && found->second == "true";
}

std::vector<std::string> takeover_plan(const std::string& nameserver) {
  return {"failoverd's auto_failover is switched on", "that of " + nameserver + " is switched off",
          "failoverd acts when what runs of its ops has ended"};
}

std::vector<std::string> release_plan(const std::string& nameserver) {
  return {"failoverd's auto_failover is switched off", "what runs of its ops is waited for",
          "that of " + nameserver + " is switched on, if it was on before"};
}

}  // namespace

std::vector<admin::Reason> StatusSource::stands_back() {
  std::vector<admin::Reason> all;
  for (const core::StandsBack& s : driver_.brain().stands_back(boot_now())) {
    if (s.reason == "standby") continue;
    all.push_back({s.reason, s.text, s.since ? wall(*s.since) : started_ms_});
  }
  // What has been begun is finished all the same: so the brain is not told.
  if (const std::string half = driver_.nameserver_switch().half_released(); !half.empty()) {
    all.push_back({"release", half, driver_.switched().written_ms()});
  }
  return all;
}

void StatusSource::steer(const admin::CommandRequest& request, Done done) {
  const bool takes = request.name == "takeover";
  if (driver_.brain().shadow()) return done(not_steered("mode is shadow: nothing is changed"));
  if (is_set(request, "plan")) {
    const std::string nameserver = "the nameserver " + this->nameserver();
    admin::CommandResult result;
    result.plan = takes ? takeover_plan(nameserver) : release_plan(nameserver);
    return done(std::move(result));
  }
  if (!takes) return release(request, std::move(done));
  driver_.nameserver_switch().take_over(
      asked_by(request), [this, done = std::move(done)](bool ok, const std::string& text) {
        done(ok ? is_now(text) : not_steered(text));
      });
}

// Where a release had begun, nobody steers.
admin::CommandResult StatusSource::not_steered(const std::string& why) {
  const std::string half = driver_.nameserver_switch().half_released();
  return half.empty() ? refused("nothing is given over", why) : refused(half, why);
}

// Of the first such partition; empty: there is none.
std::string StatusSource::unfinished_election() const {
  const core::Model& model = driver_.brain().model();
  for (const auto& [tid, table] : model.tables()) {
    for (const auto& [pid, p] : table.partitions) {
      if (!p.unfinished_term || p.op != 0) continue;
      return "an election of " + model.name_of({tid, pid}) +
             " was begun and is not finished: its old leader is fenced; auto_failover on finishes "
             "it";
    }
  }
  return "";
}

// Whatever can be said before failoverd's switch goes off is said before.
void StatusSource::release(const admin::CommandRequest& request, Done done) {
  fedb::NameserverSwitch& steering = driver_.nameserver_switch();
  if (const std::string open = unfinished_election(); !open.empty()) return done(not_steered(open));
  const auto judged = [this, &steering, by = asked_by(request), done](const std::string& why) {
    if (!why.empty()) return done(not_steered(why));
    steering.prepare_release(by, [this, done](bool ok, const std::string& text) {
      ok ? release_what_is_off(text, done) : done(not_steered(text));
    });
  };
  const bool force = is_set(request, "force");
  const core::Term held = driver_.brain().highest_term();
  const auto raised = [&steering, held, force, judged](bool ok, const std::string& why) {
    if (force) return judged("");
    if (!ok) return judged(why);
    steering.why_not_to_release(held, judged);
  };
  steering.raise_terms(held, raised);
}

void StatusSource::release_what_is_off(const std::string& text, const Done& done) {
  if (const std::string open = unfinished_election(); !open.empty()) return done(not_steered(open));
  admin::CommandResult waits;
  for (const auto& [id, op] : driver_.brain().ops().running()) waits.ops.push_back(id);
  if (!waits.ops.empty()) {
    waits.message =
        text + "; " + std::to_string(waits.ops.size()) + " ops are waited for, then release again";
    return done(std::move(waits));
  }
  driver_.nameserver_switch().release([this, done](bool released, const std::string& now) {
    done(released ? is_now(now) : not_steered(now));
  });
}

}  // namespace failoverd
