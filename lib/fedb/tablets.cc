#include "lib/fedb/tablets.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "lib/base/boot_clock.h"
#include "lib/fedb/wire/tablet_calls.h"
#include "lib/rpc/endpoint.h"

namespace failoverd::fedb {
namespace {

// Works with every generation; a full protobuf name would not (FEDB.md 2).
constexpr const char* kService = "TabletServer";

constexpr const char* kNotAllowed = "no lock or no fresh contact with ZooKeeper";

constexpr const char* kNoConnection = "no connection stands to whoever was last heard there";

constexpr const char* kNoNumbering = "it is not known which numbers the cluster's tables have";

constexpr const char* kNoEndpoint = "its name is no endpoint IP:PORT";

// A shorter call that was not answered in time says nothing about its connection.
constexpr Duration kLongEnough = std::chrono::seconds{1};

core::ConnectionEnd end_of(rpc::Lost how) {
  switch (how) {
    case rpc::Lost::kClosedByPeer:
    case rpc::Lost::kQuietReset:
      return core::ConnectionEnd::kClosed;
    case rpc::Lost::kReset:
      return core::ConnectionEnd::kReset;
    case rpc::Lost::kTimeout:
    case rpc::Lost::kMalformed:
      break;
  }
  return core::ConnectionEnd::kOther;
}

core::TabletAnswered told(const core::CallTablet& command, const rpc::Answer& answer) {
  return {command.id, command.tablet, from_wire(command.call, answer, command.answer_at_most)};
}

}  // namespace

Tablets::Tablets(boost::asio::io_context& io, std::function<std::optional<Numbering>()> numbering,
                 Tell tell)
    : io_(io), numbering_(std::move(numbering)), tell_(std::move(tell)) {}

Tablets::~Tablets() = default;

Tablets::Line& Tablets::line(const core::Endpoint& endpoint) {
  Line& line = lines_[endpoint];
  if (!line.channel) {
    line.channel = std::make_unique<rpc::Channel>(io_, endpoint, rpc::Channel::Options{});
    line.channel->on_lost = [this, endpoint](rpc::Lost how) {
      tell_(core::ConnectionLost{endpoint, end_of(how)});
    };
  }
  return line;
}

void Tablets::call(const core::CallTablet& command) {
  if (!rpc::may_be_connected_to(command.tablet)) {
    const bool asks = !core::changes(command.call);
    refuse(command, asks ? core::Transport::kNowhere : core::Transport::kNotSent, kNoEndpoint);
    return;
  }
  if (command.fresh) {
    call_fresh(command);
    return;
  }
  if (core::changes(command.call)) {
    if (!may_change()) {
      refuse(command, core::Transport::kNotSent, kNotAllowed);
      return;
    }
    if (!line(command.tablet).channel->connected()) {
      refuse(command, core::Transport::kNotSent, kNoConnection);
      return;
    }
  }
  if (std::holds_alternative<core::LoadTable>(command.call) && !numbering_()) {
    refuse(command, core::Transport::kNotSent, kNoNumbering);
    return;
  }
  send(command);
}

void Tablets::send(const core::CallTablet& command) {
  WireCall wire = to_wire(command.call, numbering_().value_or(Numbering::kFedb), command.storage);
  Line& mine = line(command.tablet);
  mine.answers_at_most = std::max(mine.answers_at_most, command.answer_at_most);
  mine.channel->take_at_most(mine.answers_at_most);
  line(command.tablet)
      .channel->call(
          kService, wire.method, std::move(wire.request), command.deadline,
          lifetime_.guard([this, command](const rpc::Answer& answer) {
            Line& used = line(command.tablet);
            if (answer.outcome == rpc::Outcome::kTimeout && command.deadline >= kLongEnough) {
              used.timed_out = true;
            }
            if (answer.outcome == rpc::Outcome::kAnswered) used.timed_out = false;
            tell_(told(command, answer));
          }));
}

void Tablets::refuse(const core::CallTablet& command, core::Transport how, std::string why) {
  core::Answer answer;
  answer.transport = how;
  answer.text = std::move(why);
  boost::asio::post(io_, lifetime_.guard([this, id = command.id, tablet = command.tablet,
                                          answer = std::move(answer)] {
    tell_(core::TabletAnswered{id, tablet, answer});
  }));
}

void Tablets::call_fresh(const core::CallTablet& command) {
  rpc::Channel::Options options;
  options.connect_timeout = command.deadline;
  auto& fresh = fresh_[command.id];
  fresh = std::make_unique<rpc::Channel>(io_, command.tablet, options);
  fresh->take_at_most(command.answer_at_most);
  WireCall wire = to_wire(command.call, numbering_().value_or(Numbering::kFedb), command.storage);
  fresh->call(kService, wire.method, std::move(wire.request), command.deadline,
              lifetime_.guard(
                  [this, command](const rpc::Answer& answer) { fresh_answered(command, answer); }));
}

void Tablets::fresh_answered(const core::CallTablet& command, const rpc::Answer& answer) {
  // The port answers and the standing connection does not: its peer is gone without a word (a host
  // that was cut off), so the next call connects anew.
  Line& standing = line(command.tablet);
  if (answer.outcome == rpc::Outcome::kAnswered && standing.timed_out) {
    standing.timed_out = false;
    const bool stood = standing.channel->connected();
    standing.channel->drop();
    // The next one may lead to somebody else (SAFETY 21).
    if (stood) tell_(core::ConnectionLost{command.tablet, core::ConnectionEnd::kOther});
  }
  tell_(told(command, answer));
  // Not from inside its own callback.
  boost::asio::post(io_, lifetime_.guard([this, id = command.id] { fresh_.erase(id); }));
}

void Tablets::drop_all() {
  for (auto& [endpoint, line] : lines_) line.channel->drop();
}

}  // namespace failoverd::fedb
