#include "lib/fedb/tablets.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "lib/base/boot_clock.h"
#include "lib/fedb/wire/tablet_calls.h"
#include "proto/tablet.pb.h"

namespace failoverd::fedb {
namespace {

// Works with every generation; a full protobuf name would not (FEDB.md 2).
constexpr const char* kService = "TabletServer";

constexpr const char* kNotAllowed = "no lock or no fresh contact with ZooKeeper";

constexpr const char* kNoConnection = "no connection stands to whoever was last heard there";

constexpr const char* kNoNumbering = "it is not known which numbers the cluster's tables have";

constexpr const char* kNoEndpoint = "its name is no endpoint IP:PORT";

constexpr const char* kAnothersAddress = "its address is another tablet's now";

// A shorter call that was not answered in time says nothing about its connection.
constexpr Duration kLongEnough = std::chrono::seconds{1};

// The tablet does not know the address of one that the call names (FEDB.md 8).
constexpr int kNameNotFound = 155;
constexpr Duration kTellNames = std::chrono::seconds{1};
constexpr Duration kShortest = std::chrono::milliseconds{1};

// The tablet needs the address of another one to carry it out.
bool names_a_tablet(const core::Call& call) {
  const auto* promote = std::get_if<core::Promote>(&call);
  return (promote && !promote->replicas.empty()) ||
         std::holds_alternative<core::AddReplica>(call) ||
         std::holds_alternative<core::SendSnapshot>(call);
}

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

Tablets::Tablets(boost::asio::io_context& io, const ServerNames& names,
                 std::function<std::optional<Numbering>()> numbering, Tell tell)
    : io_(io), names_(names), numbering_(std::move(numbering)), tell_(std::move(tell)) {}

Tablets::~Tablets() = default;

Tablets::Line& Tablets::line(const core::Endpoint& endpoint) {
  Line& line = lines_[endpoint];
  const auto named = names_.all().find(endpoint);
  const std::string& address = named == names_.all().end() ? endpoint : named->second;
  if (line.channel && line.channel->endpoint() == address) return line;
  const bool stood = line.channel && line.channel->connected();
  line.names_told = 0;
  line.channel = std::make_unique<rpc::Channel>(io_, address, rpc::Channel::Options{});
  line.channel->on_lost = [this, endpoint](rpc::Lost how) {
    lines_[endpoint].names_told = 0;
    tell_(core::ConnectionLost{endpoint, end_of(how)});
  };
  // Whoever listens at its old address is not meant any more.
  if (stood) tell_(core::ConnectionLost{endpoint, core::ConnectionEnd::kOther});
  return line;
}

// A name that has gone may have left its address to another one.
bool Tablets::is_anothers(const core::Endpoint& tablet, const std::string& address) const {
  if (names_.all().empty() || is_registered(tablet)) return false;
  if (address != tablet && is_registered(address)) return true;
  return std::ranges::any_of(names_.all(), [&](const auto& other) {
    return other.second == address && other.first != tablet && is_registered(other.first);
  });
}

void Tablets::call(const core::CallTablet& command) {
  const bool asks = !core::changes(command.call);
  const auto address = names_.address_of(command.tablet);
  if (!address) {
    refuse(command, asks ? core::Transport::kNowhere : core::Transport::kNotSent, kNoEndpoint);
  } else if (is_anothers(command.tablet, *address)) {
    refuse(command, asks ? core::Transport::kSilent : core::Transport::kNotSent, kAnothersAddress);
  } else if (command.fresh) {
    call_fresh(command, *address);
  } else if (const char* why = why_not(command)) {
    refuse(command, core::Transport::kNotSent, why);
  } else if (names_a_tablet(command.call) && lacks_names(command.tablet)) {
    send_behind_names(command, boot_now() + command.deadline);
  } else {
    send(command, command.deadline, /*names_again=*/true);
  }
}

// Why it must not be sent at this moment; null: it may.
const char* Tablets::why_not(const core::CallTablet& command) {
  if (core::changes(command.call)) {
    if (!may_change()) return kNotAllowed;
    if (!line(command.tablet).channel->connected()) return kNoConnection;
  }
  const bool loads = std::holds_alternative<core::LoadTable>(command.call);
  return loads && !numbering_() ? kNoNumbering : nullptr;
}

void Tablets::send(const core::CallTablet& command, Duration within, bool names_again) {
  WireCall wire = to_wire(command.call, numbering_().value_or(Numbering::kFedb), command.storage);
  Line& mine = line(command.tablet);
  mine.answers_at_most = std::max(mine.answers_at_most, command.answer_at_most);
  mine.channel->take_at_most(mine.answers_at_most);
  const auto answered = [this, command, names_again,
                         end = boot_now() + within](const rpc::Answer& answer) {
    Line& used = line(command.tablet);
    if (answer.outcome == rpc::Outcome::kTimeout && command.deadline >= kLongEnough) {
      used.timed_out = true;
    }
    if (answer.outcome == rpc::Outcome::kAnswered) used.timed_out = false;
    const core::TabletAnswered event = told(command, answer);
    if (names_again && event.answer.says(kNameNotFound) && names_a_tablet(command.call)) {
      used.names_told = 0;
      if (lacks_names(command.tablet)) return send_behind_names(command, end);
    }
    tell_(event);
  };
  mine.channel->call(kService, wire.method, std::move(wire.request), within,
                     lifetime_.guard(answered));
}

// --- Names ---------------------------------------------------------------------------------------

// And it is for us to tell it.
bool Tablets::lacks_names(const core::Endpoint& tablet) {
  if (names_.all().empty() || !may_change() || !is_registered(tablet)) return false;
  const Line& mine = line(tablet);
  return mine.channel->connected() && mine.names_told != names_.version();
}

// Whether it takes them or not: what it lacks it will say.
void Tablets::send_behind_names(const core::CallTablet& command, Instant end) {
  line(command.tablet).behind_names.emplace_back(lifetime_.guard([this, command, end] {
    if (const char* why = why_not(command)) {
      return refuse(command, core::Transport::kNotSent, why);
    }
    send(command, std::max<Duration>(end - boot_now(), kShortest), /*names_again=*/false);
  }));
  tell_names(command.tablet);
}

void Tablets::tell_names(const core::Endpoint& to) {
  Line& mine = line(to);
  if (mine.names_going != 0) return;
  mine.names_going = names_.version();
  UpdateRealEndpointMapRequest request;
  for (const auto& [name, address] : names_.all()) {
    auto& one = *request.add_real_endpoint_map();
    one.set_name(name);
    one.set_real_endpoint(address);
  }
  mine.channel->call(kService, "UpdateRealEndpointMap", request.SerializeAsString(), kTellNames,
                     lifetime_.guard([this, to](const rpc::Answer& a) { names_answered(to, a); }));
}

void Tablets::names_answered(const core::Endpoint& by, const rpc::Answer& answer) {
  Line& mine = line(by);
  const std::uint64_t version = std::exchange(mine.names_going, 0);
  GeneralResponse response;
  const bool is_done = answer.outcome == rpc::Outcome::kAnswered &&
                       response.ParseFromString(answer.payload) && response.code() == 0;
  // One that has no such method has no names either: it is not asked again.
  if (is_done || answer.outcome == rpc::Outcome::kServerError) mine.names_told = version;
  for (const auto& go_on : std::exchange(mine.behind_names, {})) go_on();
}

void Tablets::tell_names() {
  for (const auto& [endpoint, its] : lines_) (void)line(endpoint);
  if (nameserver_leads()) return;
  for (const auto& [endpoint, its] : lines_) {
    if (lacks_names(endpoint)) tell_names(endpoint);
  }
}

// -------------------------------------------------------------------------------------------------

void Tablets::refuse(const core::CallTablet& command, core::Transport how, std::string why) {
  core::Answer answer;
  answer.transport = how;
  answer.text = std::move(why);
  boost::asio::post(io_, lifetime_.guard([this, id = command.id, tablet = command.tablet,
                                          answer = std::move(answer)] {
    tell_(core::TabletAnswered{id, tablet, answer});
  }));
}

void Tablets::call_fresh(const core::CallTablet& command, const std::string& address) {
  rpc::Channel::Options options;
  options.connect_timeout = command.deadline;
  auto& fresh = fresh_[command.id];
  fresh = std::make_unique<rpc::Channel>(io_, address, options);
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
    standing.names_told = 0;
    // The next one may lead to somebody else (SAFETY 21).
    if (stood) tell_(core::ConnectionLost{command.tablet, core::ConnectionEnd::kOther});
  }
  tell_(told(command, answer));
  // Not from inside its own callback.
  boost::asio::post(io_, lifetime_.guard([this, id = command.id] { fresh_.erase(id); }));
}

void Tablets::drop_all() {
  for (auto& [endpoint, line] : lines_) {
    line.channel->drop();
    line.names_told = 0;
  }
}

}  // namespace failoverd::fedb
