#include "lib/fedb/tablets.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "lib/fedb/tablet_calls.h"

namespace failoverd::fedb {
namespace {

// Works with every generation; a full protobuf name would not (FEDB.md 2).
constexpr const char* kService = "TabletServer";

// A shorter call that was not answered in time says nothing about its connection.
constexpr Duration kLongEnough = std::chrono::seconds{1};

core::TabletAnswered told(const core::CallTablet& command, const rpc::Answer& answer) {
  return {command.id, command.tablet, from_wire(command.call, answer)};
}

}  // namespace

Tablets::Tablets(boost::asio::io_context& io, Tell tell) : io_(io), tell_(std::move(tell)) {}

Tablets::~Tablets() { *alive_ = false; }

Tablets::Line& Tablets::line(const core::Endpoint& endpoint) {
  Line& line = lines_[endpoint];
  if (!line.channel) {
    line.channel = std::make_unique<rpc::Channel>(io_, endpoint, rpc::Channel::Options{});
    line.channel->on_lost = [this, endpoint](rpc::Lost) { tell_(core::ConnectionLost{endpoint}); };
  }
  return line;
}

void Tablets::call(const core::CallTablet& command) {
  if (core::changes(command.call) && !may_change()) {
    core::Answer answer;
    answer.transport = core::Transport::kNotSent;
    answer.text = "no lock or no fresh contact with ZooKeeper";
    boost::asio::post(io_, [this, alive = alive_, id = command.id, tablet = command.tablet,
                            answer = std::move(answer)] {
      if (*alive) tell_(core::TabletAnswered{id, tablet, answer});
    });
    return;
  }
  if (command.fresh) {
    call_fresh(command);
    return;
  }
  WireCall wire = to_wire(command.call);
  line(command.tablet)
      .channel->call(
          kService, wire.method, std::move(wire.request), command.deadline,
          [this, alive = alive_, command](const rpc::Answer& answer) {
            if (!*alive) return;
            Line& used = line(command.tablet);
            if (answer.outcome == rpc::Outcome::kTimeout && command.deadline >= kLongEnough) {
              used.timed_out = true;
            }
            if (answer.outcome == rpc::Outcome::kAnswered) used.timed_out = false;
            tell_(told(command, answer));
          });
}

void Tablets::call_fresh(const core::CallTablet& command) {
  rpc::Channel::Options options;
  options.connect_timeout = command.deadline;
  auto& fresh = fresh_[command.id];
  fresh = std::make_unique<rpc::Channel>(io_, command.tablet, options);
  WireCall wire = to_wire(command.call);
  fresh->call(kService, wire.method, std::move(wire.request), command.deadline,
              [this, alive = alive_, command](const rpc::Answer& answer) {
                if (!*alive) return;
                fresh_answered(command, answer);
              });
}

void Tablets::fresh_answered(const core::CallTablet& command, const rpc::Answer& answer) {
  // The port answers and the standing connection does not: its peer is gone without a word (a host
  // that was cut off), so the next call connects anew.
  Line& standing = line(command.tablet);
  if (answer.outcome == rpc::Outcome::kAnswered && standing.timed_out) {
    standing.timed_out = false;
    standing.channel->drop();
  }
  tell_(told(command, answer));
  // Not from inside its own callback.
  boost::asio::post(io_, [this, alive = alive_, id = command.id] {
    if (*alive) fresh_.erase(id);
  });
}

void Tablets::drop_all() {
  for (auto& [endpoint, line] : lines_) line.channel->drop();
}

}  // namespace failoverd::fedb
