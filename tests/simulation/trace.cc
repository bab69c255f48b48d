#include "tests/simulation/trace.h"

#include <iomanip>

#include "tests/simulation/daemon.h"
#include "tests/simulation/ledger.h"
#include "tests/simulation/nameserver_link.h"

namespace failoverd::simulation {

std::string rows_text(const core::PartitionShape& p) {
  std::string text;
  for (const core::Row& row : p.rows) {
    if (!text.empty()) text += " | ";
    text += row.endpoint + (row.is_leader ? " leader" : " follower") +
            (row.is_alive ? " alive" : " dead");
  }
  text += "  terms";
  for (const core::TermPair& t : p.terms) {
    text += ' ' + std::to_string(t.term) + ':' + std::to_string(t.offset);
  }
  return text;
}

std::ostream& Trace::line(const std::string& who) {
  const auto since = world_.schedule.now() - Instant{std::chrono::seconds{1000}};
  return to_ << std::fixed << std::setprecision(6) << std::setw(11) << seconds(since) << ' '
             << std::left << std::setw(6) << who << std::right << ' ';
}

void Trace::daemon_started(const Daemon& d) { line(d.name()) << "starts\n"; }

void Trace::daemon_died(const Daemon& d) { line(d.name()) << "dies\n"; }

void Trace::before_step(const Daemon& d, const core::Event& event) {
  line(d.name()) << "< " << core::to_text(event) << '\n';
}

void Trace::commanded(const Daemon& d, const core::Command& command) {
  line(d.name()) << "> " << core::to_text(command) << '\n';
}

void Trace::carried_out(const std::string& daemon, const core::CallTablet& c,
                        const core::Answer& answer) {
  line(c.tablet) << "did " << core::to_text(c.call) << " for " << daemon << ": "
                 << core::to_text(answer) << '\n';
}

void Trace::trouble(const core::Endpoint& tablet, const std::string& what) {
  line(tablet) << "! " << what << '\n';
}

void Trace::table_written(const core::TableShape& before, const core::TableShape& after,
                          const std::string& by) {
  for (const core::PartitionShape& p : after.partitions) {
    const auto* old = partition_of(before, p.pid);
    if (old && *old == p) continue;
    line("zk") << by << " wrote " << after.name << '/' << p.pid << ": " << rows_text(p) << '\n';
  }
}

void Trace::nameserver_did(const NameserverCall& call) {
  line(call.endpoint) << "did " << call.method << ' ' << call.id << " for " << call.daemon << '\n';
}

void Trace::nameserver_answered(const NameserverCall& call, const fedb::NameserverReply& reply) {
  line(call.daemon) << "< " << call.method << ' ' << call.id << " of " << call.endpoint << ": "
                    << (reply.answered ? "answered" : reply.text) << '\n';
}

void Trace::happened(const std::string& sentence) { line("world") << "! " << sentence << '\n'; }

}  // namespace failoverd::simulation
