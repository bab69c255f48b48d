#include "lib/rpc/channel.h"

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "lib/base/check.h"
#include "lib/base/name_lookup.h"
#include "lib/rpc/deadlines.h"
#include "lib/rpc/endpoint.h"
#include "lib/rpc/link.h"

namespace failoverd::rpc {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

// Among the deadlines, the connection attempt's; calls count from 1.
constexpr std::int64_t kConnecting = 0;

// So many answers in a row that nobody waits for, and the peer is no server of ours.
constexpr std::size_t kMostStrays = 1'000;

// A whole frame comes within this, however long it is: whoever waited less can tell nothing.
constexpr Duration kFrameTakes = std::chrono::seconds{1};

// SAFETY 15: only ECONNREFUSED and RST are evidence. Whatever is not known for sure is silence.
Outcome outcome_of_connecting(const error_code& error) {
  if (error == asio::error::connection_refused) return Outcome::kRefused;
  if (error == asio::error::connection_reset) return Outcome::kReset;
  if (error == asio::error::timed_out) return Outcome::kTimeout;
  return Outcome::kUnreachable;
}

bool closed_by_peer(const error_code& error) { return error == asio::error::eof; }

bool reset_by_peer(const error_code& error) {
  return error == asio::error::connection_reset || error == asio::error::broken_pipe;
}

Outcome outcome_of(const Link::End& end) {
  if (!end.malformed.empty()) return Outcome::kMalformed;
  if (closed_by_peer(end.error) || reset_by_peer(end.error)) return Outcome::kReset;
  if (end.error == asio::error::timed_out) return Outcome::kTimeout;
  return Outcome::kUnreachable;
}

// `quiet`: nothing of ours was unanswered.
Lost lost_by(const Link::End& end, bool quiet) {
  if (!end.malformed.empty()) return Lost::kMalformed;
  if (closed_by_peer(end.error)) return Lost::kClosedByPeer;
  if (reset_by_peer(end.error)) return quiet ? Lost::kQuietReset : Lost::kReset;
  return Lost::kTimeout;
}

std::string text_of(const Link::End& end) {
  if (!end.malformed.empty()) return "sent " + end.malformed;
  if (closed_by_peer(end.error)) return "closed the connection";
  return end.error.message();
}

// A call that has ended, or is about to.
struct Call {
  Channel::Callback done;
  Duration deadline{};
  std::uint64_t frames_before = 0;  // That had come when it was made.
  Deadlines::Handle handle;
  bool sent = false;
};
using Calls = std::map<std::int64_t, Call>;

// From the io_context only.
void tell(Calls calls, const Answer& how) {
  for (auto& [id, call] : calls) {
    Answer answer = how;
    answer.sent = call.sent;
    call.done(std::move(answer));
  }
}

// Our own port, taken by the kernel as the source of a connection to itself: possible where nobody
// listens on a port of the ephemeral range. It would answer us with our own requests.
bool connected_to_itself(const tcp::socket& socket) {
  error_code error;
  const tcp::endpoint local = socket.local_endpoint(error);
  if (error) return false;
  const tcp::endpoint remote = socket.remote_endpoint(error);
  return !error && local == remote;
}

}  // namespace

// Calls wait in `waiting` while there is no link; while there is one, all of them are its.
struct Channel::State : std::enable_shared_from_this<State> {
  struct Attempt {
    explicit Attempt(asio::io_context& io) : socket(io) {}
    tcp::socket socket;
    std::vector<tcp::endpoint> found;
  };

  State(asio::io_context& loop, std::string at, Options how, Channel* channel)
      : io(loop), endpoint(std::move(at)), options(std::move(how)), owner(channel) {}

  void call(Frame frame, Duration deadline, Callback done);
  void send(std::int64_t id, Frame frame);
  void connect();
  void on_looked_up(const std::shared_ptr<Attempt>& mine, std::uint16_t port,
                    const Result<NameLookup::Addresses>& found);
  void on_connected(const std::shared_ptr<Attempt>& mine, error_code error);
  void connecting_failed(Outcome outcome, std::string_view why);
  void abandon_attempt();
  void establish(tcp::socket socket);
  void on_frame(Frame frame);
  void on_stray();
  void hang_up(std::string why);
  void on_end(const Link::End& end);
  void on_due(std::int64_t key);
  bool was_sent(std::int64_t id);
  Calls take_all();
  void drop();
  Answer answer(Outcome outcome, std::string_view why) const;

  asio::io_context& io;
  const std::string endpoint;
  const Options options;

  Channel* owner;  // Null once it was destroyed.
  std::shared_ptr<Deadlines> deadlines = std::make_shared<Deadlines>(io);
  Calls calls;
  std::int64_t last_id = 0;
  std::map<std::int64_t, Frame> waiting;
  std::shared_ptr<Attempt> attempt;
  std::optional<Deadlines::Handle> attempt_deadline;
  std::shared_ptr<Link> link;
  bool introduced = false;   // Whether the link's first frame was sent.
  std::uint64_t frames = 0;  // That came, over all links.
  std::size_t most_bytes = kMaxFrameBytes;
  std::size_t overdue = 0;  // Calls of the link that ran into their deadline: answers may yet come.
  std::size_t strays =
      0;  // Answers that nobody had asked for since the last one that somebody had.
};

void Channel::State::call(Frame frame, Duration deadline, Callback done) {
  if (!fits(frame)) {
    const std::size_t size = frame.payload.size() + frame.attachment.size();
    Answer refusal =
        answer(Outcome::kMalformed, "a request of " + std::to_string(size) +
                                        " bytes is too large for a frame, nothing was sent");
    asio::post(io, [done = std::move(done), refusal = std::move(refusal)] { done(refusal); });
    return;
  }
  const std::int64_t id = ++last_id;
  frame.correlation_id = id;
  calls.emplace_hint(calls.end(), id,
                     Call{std::move(done), deadline, frames, deadlines->set(deadline, id)});
  if (link) {
    send(id, std::move(frame));
    return;
  }
  waiting.emplace_hint(waiting.end(), id, std::move(frame));
  if (!attempt) connect();
}

void Channel::State::send(std::int64_t id, Frame frame) {
  if (!introduced) frame.authentication_data = options.authentication_data;
  introduced = true;
  link->send(id, std::move(frame));
}

void Channel::State::connect() {
  attempt = std::make_shared<Attempt>(io);
  attempt_deadline = deadlines->set(options.connect_timeout, kConnecting);
  const auto self = shared_from_this();
  const auto mine = attempt;
  const Result<HostPort> target = parse_endpoint(endpoint);
  if (!target) {
    asio::post(io, [self, mine, why = target.error().text] {
      if (self->attempt == mine) self->connecting_failed(Outcome::kUnreachable, why);
    });
    return;
  }
  error_code no_address;
  const auto address = asio::ip::make_address(target->host, no_address);
  if (!no_address) {
    mine->socket.async_connect({address, target->port},
                               [self, mine](error_code error) { self->on_connected(mine, error); });
    return;
  }
  NameLookup::of(io).look_up(
      target->host, NameLookup::Lane::kMany,
      [self, mine, port = target->port](const Result<NameLookup::Addresses>& found) {
        self->on_looked_up(mine, port, found);
      });
}

void Channel::State::on_looked_up(const std::shared_ptr<Attempt>& mine, std::uint16_t port,
                                  const Result<NameLookup::Addresses>& found) {
  if (attempt != mine) return;
  if (!found) return connecting_failed(Outcome::kUnreachable, found.error().text);
  for (const asio::ip::address& address : *found) mine->found.emplace_back(address, port);
  asio::async_connect(mine->socket, mine->found,
                      [self = shared_from_this(), mine](error_code failed, const tcp::endpoint&) {
                        self->on_connected(mine, failed);
                      });
}

void Channel::State::on_connected(const std::shared_ptr<Attempt>& mine, error_code error) {
  if (attempt != mine) return;
  if (!error && connected_to_itself(mine->socket)) {
    // Gone without a trace: whoever belongs on that port may want to listen on it now.
    error_code ignored;
    mine->socket.set_option(asio::socket_base::linger(true, 0), ignored);
    error = asio::error::connection_refused;
  }
  if (error) {
    connecting_failed(outcome_of_connecting(error), error.message());
    return;
  }
  tcp::socket socket = std::move(mine->socket);
  abandon_attempt();
  establish(std::move(socket));
}

void Channel::State::connecting_failed(Outcome outcome, std::string_view why) {
  abandon_attempt();
  tell(take_all(), answer(outcome, why));
}

void Channel::State::abandon_attempt() {
  error_code ignored;
  attempt->socket.close(ignored);
  attempt.reset();
  if (attempt_deadline) deadlines->unset(*attempt_deadline);
  attempt_deadline.reset();
}

void Channel::State::establish(tcp::socket socket) {
  link = std::make_shared<Link>(std::move(socket), std::numeric_limits<std::size_t>::max());
  introduced = false;
  overdue = strays = 0;
  // A link that was let go of is closed, and calls nobody: these are always about `link`.
  const std::weak_ptr<State> weak = weak_from_this();
  link->on_frame = [weak](Frame frame) {
    if (const auto self = weak.lock()) self->on_frame(std::move(frame));
  };
  link->on_end = [weak](const Link::End& end) {
    if (const auto self = weak.lock()) self->on_end(end);
  };
  link->take_at_most(most_bytes);
  link->start();
  for (auto& [id, frame] : std::exchange(waiting, {})) send(id, std::move(frame));
  const auto tell_owner = owner->on_connected;  // A copy: it may destroy the channel.
  if (tell_owner) tell_owner();
}

void Channel::State::on_frame(Frame frame) {
  ++frames;
  if (frame.is_request) {
    hang_up("a request where an answer belongs");
    return;
  }
  auto found = calls.extract(frame.correlation_id);
  if (found.empty()) {
    on_stray();
    return;
  }
  strays = 0;
  deadlines->unset(found.mapped().handle);
  Answer got;
  if (frame.error_code != 0) {
    got = answer(Outcome::kServerError,
                 "error " + std::to_string(frame.error_code) + ": " + frame.error_text);
    got.error_code = frame.error_code;
  } else {
    got.outcome = Outcome::kAnswered;
    got.payload = std::move(frame.payload);
    got.attachment = std::move(frame.attachment);
  }
  got.sent = true;
  found.mapped().done(std::move(got));
}

// It has run into its deadline: whoever asked knows no more of it. Or nobody has ever asked.
void Channel::State::on_stray() {
  if (overdue > 0) {
    --overdue;
  } else if (++strays == kMostStrays) {
    hang_up(std::to_string(kMostStrays) + " answers in a row that nobody asked for");
  }
}

void Channel::State::hang_up(std::string why) {
  link->close();
  on_end({{}, std::move(why)});
}

void Channel::State::on_end(const Link::End& end) {
  Calls ended = take_all();
  link.reset();
  const auto tell_owner = owner ? owner->on_lost : nullptr;  // A copy: it may destroy the channel.
  if (tell_owner) tell_owner(lost_by(end, ended.empty() && overdue == 0));
  tell(std::move(ended), answer(outcome_of(end), text_of(end)));
}

void Channel::State::on_due(std::int64_t key) {
  if (key == kConnecting) {
    attempt_deadline.reset();
    connecting_failed(Outcome::kTimeout, "no connection in time");
    return;
  }
  auto found = calls.extract(key);
  CHECK(!found.empty());
  const double waited = milliseconds(found.mapped().deadline);
  Answer late =
      answer(Outcome::kTimeout, "no answer within " + std::to_string(std::llround(waited)) + " ms");
  late.sent = was_sent(key);
  if (late.sent) ++overdue;
  // Not one whole frame has come since: one that trickles in would hold up all others for ever.
  const bool trickles = found.mapped().deadline >= kFrameTakes && link && link->inside_a_frame() &&
                        frames == found.mapped().frames_before;
  const auto self = shared_from_this();  // done() may destroy the channel.
  found.mapped().done(std::move(late));
  if (trickles && link) hang_up("a frame that did not end in time");
}

// Whether the server may have it. Takes it back if it does not.
bool Channel::State::was_sent(std::int64_t id) {
  if (waiting.erase(id) > 0) return false;
  return link && !link->withdraw(id);
}

Calls Channel::State::take_all() {
  for (auto& [id, call] : calls) {
    call.sent = was_sent(id);
    deadlines->unset(call.handle);
  }
  return std::exchange(calls, {});
}

void Channel::State::drop() {
  Calls ended = take_all();
  if (attempt) abandon_attempt();
  if (link) link->close();
  link.reset();
  if (ended.empty()) return;
  auto shared = std::make_shared<Calls>(std::move(ended));
  asio::post(io, [shared, how = answer(Outcome::kClosed, "we closed the connection")] {
    tell(std::move(*shared), how);
  });
}

Answer Channel::State::answer(Outcome outcome, std::string_view why) const {
  Answer made;
  made.outcome = outcome;
  made.error_text = endpoint + ": ";
  made.error_text += why;
  return made;
}

Channel::Channel(asio::io_context& io, std::string endpoint, Options options)
    : state_(std::make_shared<State>(io, std::move(endpoint), std::move(options), this)) {
  state_->deadlines->on_due = [weak = state_->weak_from_this()](std::int64_t key) {
    if (const auto self = weak.lock()) self->on_due(key);
  };
}

Channel::~Channel() {
  state_->owner = nullptr;
  state_->drop();
  state_->deadlines->stop();
}

void Channel::call(std::string_view service, std::string_view method, std::string request,
                   Duration deadline, Callback done) {
  call_with_attachment(service, method, std::move(request), {}, deadline, std::move(done));
}

void Channel::call_with_attachment(std::string_view service, std::string_view method,
                                   std::string request, std::string attachment, Duration deadline,
                                   Callback done) {
  Frame frame;
  frame.is_request = true;
  frame.service = service;
  frame.method = method;
  frame.payload = std::move(request);
  frame.attachment = std::move(attachment);
  state_->call(std::move(frame), deadline, std::move(done));
}

void Channel::drop() { state_->drop(); }

void Channel::take_at_most(std::size_t bytes) {
  state_->most_bytes = std::min(bytes, kMaxFrameBytes);
  if (state_->link) state_->link->take_at_most(state_->most_bytes);
}

bool Channel::connected() const { return state_->link != nullptr; }
const std::string& Channel::endpoint() const { return state_->endpoint; }
std::size_t Channel::calls_in_flight() const { return state_->calls.size(); }

const char* to_text(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAnswered:
      return "answered";
    case Outcome::kServerError:
      return "server_error";
    case Outcome::kRefused:
      return "refused";
    case Outcome::kReset:
      return "reset";
    case Outcome::kUnreachable:
      return "unreachable";
    case Outcome::kTimeout:
      return "timeout";
    case Outcome::kMalformed:
      return "malformed";
    case Outcome::kClosed:
      return "closed";
  }
  return "unknown";
}

const char* to_text(Lost lost) {
  switch (lost) {
    case Lost::kReset:
      return "reset";
    case Lost::kQuietReset:
      return "quiet_reset";
    case Lost::kClosedByPeer:
      return "closed_by_peer";
    case Lost::kTimeout:
      return "timeout";
    case Lost::kMalformed:
      return "malformed";
  }
  return "unknown";
}

}  // namespace failoverd::rpc
