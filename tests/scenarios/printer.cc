#include "tests/scenarios/printer.h"

#include <array>
#include <cstdio>
#include <utility>

#include "lib/base/overload.h"
#include "tests/simulation/daemon.h"
#include "tests/simulation/ledger.h"
#include "tests/simulation/trace.h"

namespace failoverd::scenarios {

using simulation::Daemon;

std::vector<std::string> Printer::take() {
  since_ = world_.schedule.now();
  return std::exchange(lines_, {});
}

void Printer::line(const std::string& text) { lines_.push_back(text); }

void Printer::timed(const std::string& text) {
  std::array<char, 32> time{};
  std::snprintf(time.data(), time.size(), "%8.1f ", milliseconds(world_.schedule.now() - since_));
  lines_.push_back(time.data() + text);
}

void Printer::daemon_started(const Daemon& d) { timed(d.name() + " starts"); }

void Printer::daemon_died(const Daemon& d) { timed(d.name() + " dies"); }

void Printer::before_step(const Daemon& d, const core::Event& event) {
  if (const auto* e = std::get_if<core::Published>(&event)) {
    if (e->outcome != core::Published::Outcome::kDone) timed(d.name() + " < " + to_text(event));
  }
  if (const auto* e = std::get_if<core::TableTried>(&event)) show_trial(d, *e);
  if (const auto* e = std::get_if<core::StatusAsked>(&event)) {
    asked_[e->id] = {world_.schedule.now(), e->tids};
  }
  if (std::holds_alternative<core::LoopStalled>(event) ||
      std::holds_alternative<core::ZookeeperLost>(event)) {
    timed(d.name() + " < " + to_text(event));
  }
}

void Printer::show_trial(const Daemon& d, const core::TableTried& e) {
  using Outcome = core::TableTried::Outcome;
  const std::string outcome = e.outcome == Outcome::kTaken            ? "it is taken"
                              : e.outcome == Outcome::kRefused        ? e.refused.why
                              : e.outcome == Outcome::kConnectionLost ? "the connection is lost"
                                                                      : "nobody knows";
  timed(d.name() + " tried " + e.znode + " with " + std::to_string(e.bytes) + " bytes: " + outcome);
}

void Printer::commanded(const Daemon& d, const core::Command& command) {
  if (const auto* note = std::get_if<core::Note>(&command)) {
    timed(d.name() + ' ' + to_text(note->severity) + ": " + note->text);
  } else if (const auto* op = std::get_if<core::CountOp>(&command)) {
    timed(d.name() + " op " + std::to_string(op->id) + ' ' + to_text(op->type) + ' ' +
          to_text(op->status));
  } else if (const auto* show = std::get_if<core::ShowStatus>(&command)) {
    show_tables(d, show->id);
  } else if (const auto* answer = std::get_if<core::AnswerOperator>(&command)) {
    timed(d.name() + " > " + to_text(command));
    for (const std::string& line : answer->answer.plan) timed("  plan: " + line);
  }
}

// As the daemon shows it to people: an offset that is older than the question comes with its age.
void Printer::show_tables(const Daemon& d, core::RequestId id) {
  const auto& [asked_at, tids] = asked_.at(id);
  const core::Model& model = d.brain().model();
  for (const std::uint32_t tid : tids) {
    const core::Table* table = model.table(tid);
    if (!table) continue;
    for (const auto& [pid, p] : table->partitions) {
      std::string text;
      for (const core::Replica& r : p.replicas) {
        text += (text.empty() ? ": " : " | ") + model.tablet(r.tablet).endpoint + " offset " +
                std::to_string(r.report.offset);
        const Instant heard = r.report.heard_at.value_or(asked_at);
        if (heard >= asked_at) continue;
        text += " of " + std::to_string(static_cast<int>(milliseconds(asked_at - heard))) +
                " ms before";
      }
      timed(d.name() + " shows " + model.name_of({tid, pid}) + text);
    }
  }
}

void Printer::answered(const Daemon& d, const core::CallTablet& c, const core::Answer& answer) {
  // What was carried out is shown where it was; here only what the daemon does not know.
  if (!core::changes(c.call) || answer.answered()) return;
  timed(d.name() + " heard nothing from " + c.tablet + " on " + call_text(c.call) + ": " +
        to_text(answer));
}

void Printer::carried_out(const std::string&, const core::CallTablet& c,
                          const core::Answer& answer) {
  if (shows_readings_) show_reading(c, answer);
  if (!core::changes(c.call)) return;
  std::string text = c.tablet + " did " + call_text(c.call);
  if (answer.code != core::kOk) text += ": code " + std::to_string(answer.code);
  if (std::holds_alternative<core::Probe>(c.call) && answer.ok()) {
    text += ": offset " + std::to_string(answer.offset);
  }
  timed(text);
}

// What one replica was asked, not what everybody is asked all the time.
void Printer::show_reading(const core::CallTablet& c, const core::Answer& answer) {
  const auto at = simulation::partition_of(c.call);
  const core::ReplicaStatus* status = at ? answer.status_of(*at) : nullptr;
  if (status) {
    timed(c.tablet + " was read, " + call_text(c.call) + ": offset " +
          std::to_string(status->offset));
  } else if (std::holds_alternative<core::GetTermPair>(c.call) && answer.has_table) {
    timed(c.tablet + " was read, " + call_text(c.call) + ": term " + std::to_string(answer.term) +
          " offset " + std::to_string(answer.offset));
  }
}

void Printer::table_written(const core::TableShape& before, const core::TableShape& after,
                            const std::string& by) {
  for (const core::PartitionShape& p : after.partitions) {
    const auto* old = simulation::partition_of(before, p.pid);
    if (!old || *old == p) continue;
    timed(by + " wrote " + after.name + '/' + std::to_string(p.pid) + ": " +
          simulation::rows_text(p));
  }
}

void Printer::happened(const std::string& sentence) { timed(sentence); }

std::string Printer::call_text(const core::Call& call) const {
  const auto at = simulation::partition_of(call);
  const std::string where = at ? ' ' + world_.name_of(*at) : "";
  const std::string name = simulation::name_of(simulation::method_of(call)) + where;
  return std::visit(
      Overload{
          [&](const core::Probe& c) { return name + " term " + std::to_string(c.term); },
          [&](const core::Promote& c) {
            std::string text = name + " term " + std::to_string(c.term) + " sending to";
            for (const auto& r : c.replicas) text += ' ' + r;
            return c.replicas.empty() ? text + " nobody" : text;
          },
          [&](const core::DelReplica& c) { return name + ' ' + c.replica; },
          [&](const auto&) { return name; },
      },
      call);
}

}  // namespace failoverd::scenarios
