#include "lib/rpc/server.h"

#include <fcntl.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <unordered_set>
#include <utility>
#include <vector>

#include "lib/base/boot_clock.h"
#include "lib/base/descriptors.h"
#include "lib/rpc/endpoint.h"
#include "lib/rpc/frame.h"
#include "lib/rpc/link.h"

namespace failoverd::rpc {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr int kAuthenticationFailed = 1004;
constexpr int kInternalError = 2001;

// Accepting again at once would turn in circles while there is no descriptor left.
constexpr std::chrono::milliseconds kAcceptPause{50};

// How often it is looked whether somebody keeps us waiting for too long.
constexpr std::chrono::seconds kBetweenLooks{1};

// One caller. Replies hold it weakly, the server strongly.
struct Caller {
  std::shared_ptr<Link> link;
  std::string peer;
  bool is_local = false;
  bool is_known = false;  // Its first request has been looked at.
  std::int64_t last_key = 0;
  std::size_t calls = 0;             // Not yet answered.
  std::size_t most_calls = 0;        // Then no more is read.
  Instant waits_since = boot_now();  // For its next request, or until its answers are taken.
  std::optional<Instant> inside_frame_since;

  // It keeps us waiting, not we it.
  bool is_idle() const { return calls == 0; }
};

// A call until it is answered, or nobody is left who could answer it.
class OpenCall {
 public:
  explicit OpenCall(const std::shared_ptr<Caller>& caller) : caller_(caller) { ++caller->calls; }
  ~OpenCall() { end(); }
  OpenCall(const OpenCall&) = delete;
  OpenCall& operator=(const OpenCall&) = delete;

  // Null: it has left.
  std::shared_ptr<Caller> caller() const { return caller_.lock(); }
  void end() {
    const auto mine = caller_.lock();
    if (!mine || ended_) return;
    ended_ = true;
    mine->waits_since = boot_now();
    if (mine->calls-- == mine->most_calls) mine->link->go_on();
  }

 private:
  const std::weak_ptr<Caller> caller_;
  bool ended_ = false;
};

// The address that is meant: one of IPv4 may come in IPv6 clothes.
tcp::endpoint plain(const tcp::endpoint& from) {
  const asio::ip::address& address = from.address();
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return from;
  return {asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()), from.port()};
}

void answer(Caller& caller, std::int64_t correlation_id, Response response) {
  Frame frame;
  frame.correlation_id = correlation_id;
  frame.error_code = response.error_code;
  frame.error_text = std::move(response.error_text);
  frame.payload = std::move(response.payload);
  frame.attachment = std::move(response.attachment);
  if (!fits(frame)) {
    frame = Frame{};
    frame.correlation_id = correlation_id;
    frame.error_code = kInternalError;
    frame.error_text = "the answer is too large for a frame";
  }
  caller.link->send(++caller.last_key, std::move(frame));
}

}  // namespace

struct Server::State : std::enable_shared_from_this<State> {
  State(asio::io_context& loop, Handler handle, std::optional<Limits> bounds)
      : handler(std::move(handle)), limits(bounds), acceptor(loop), pause(loop), looks(loop) {}

  Result<std::uint16_t> listen(const std::string& endpoint);
  void accept();
  void on_accepted(error_code error, tcp::socket socket);
  void welcome(tcp::socket socket);
  void on_frame(const std::shared_ptr<Caller>& caller, Frame frame);
  bool lets_in(Caller& caller, const Frame& frame) const;
  void dismiss(const std::shared_ptr<Caller>& caller);
  void close();

  bool has_room(bool is_local) const;
  bool make_room(bool is_local);
  void look_later();
  void dismiss_overdue();
  bool is_overdue(Caller& caller, Instant now) const;

  const Handler handler;
  const std::optional<Limits> limits;
  Authenticate authenticate;
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  asio::steady_timer looks;
  std::unordered_set<std::shared_ptr<Caller>> callers;
  bool closed = false;
};

Result<std::uint16_t> Server::State::listen(const std::string& endpoint) {
  const auto refuse = [&](const std::string& why) {
    return Failure{"cannot listen on " + endpoint + ": " + why};
  };
  if (acceptor.is_open()) return refuse("it listens already");
  const Result<HostPort> target = parse_endpoint(endpoint);
  if (!target) return refuse(target.error().text);
  error_code error;
  const auto address = asio::ip::make_address(target->host, error);
  if (error) return refuse("\"" + target->host + "\" is no address");
  const tcp::endpoint at(address, target->port);
  acceptor.open(at.protocol(), error);
  if (error) return refuse(error.message());
  ::fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
  acceptor.set_option(tcp::acceptor::reuse_address{true}, error);
  if (!error) acceptor.bind(at, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  const tcp::endpoint bound = error ? at : acceptor.local_endpoint(error);
  if (error) {
    error_code ignored;
    acceptor.close(ignored);
    return refuse(error.message());
  }
  accept();
  if (limits) look_later();
  return bound.port();
}

void Server::State::accept() {
  acceptor.async_accept([self = shared_from_this()](error_code error, tcp::socket socket) {
    self->on_accepted(error, std::move(socket));
  });
}

void Server::State::on_accepted(error_code error, tcp::socket socket) {
  if (closed) return;
  if (!error) {
    welcome(std::move(socket));
    accept();
    return;
  }
  if (limits && no_descriptor_left()) make_room(true);
  pause.expires_after(kAcceptPause);
  pause.async_wait([self = shared_from_this()](error_code) {
    if (!self->closed) self->accept();
  });
}

void Server::State::welcome(tcp::socket socket) {
  error_code gone;
  const tcp::endpoint from = plain(socket.remote_endpoint(gone));
  if (gone) return;  // It has left already.
  const bool is_local = from.address().is_loopback();
  if (limits && !has_room(is_local) && !make_room(is_local)) return;
  const auto caller = std::make_shared<Caller>();
  caller->peer = text_of(from);
  caller->is_local = is_local;
  caller->link =
      std::make_shared<Link>(std::move(socket), limits ? limits->queued_bytes : kMaxQueuedBytes);
  if (limits) {
    caller->most_calls = limits->calls;
    caller->link->take_at_most(limits->frame_bytes);
  }
  const std::weak_ptr<State> weak = weak_from_this();
  const std::weak_ptr<Caller> weak_caller = caller;
  caller->link->on_frame = [weak, weak_caller](Frame frame) {
    const auto self = weak.lock();
    const auto mine = weak_caller.lock();
    if (self && mine) self->on_frame(mine, std::move(frame));
  };
  caller->link->on_end = [weak, weak_caller](const Link::End&) {
    const auto self = weak.lock();
    const auto mine = weak_caller.lock();
    if (self && mine) self->dismiss(mine);
  };
  callers.insert(caller);
  caller->link->start();
}

void Server::State::on_frame(const std::shared_ptr<Caller>& caller, Frame frame) {
  if (!frame.is_request) {  // As little understood as a frame that does not parse.
    dismiss(caller);
    return;
  }
  if (!lets_in(*caller, frame)) {
    Response refusal;
    refusal.error_code = kAuthenticationFailed;
    refusal.error_text = "authentication failed";
    answer(*caller, frame.correlation_id, std::move(refusal));
    caller->link->close_when_sent();
    return;
  }
  Request request;
  request.service = std::move(frame.service);
  request.method = std::move(frame.method);
  request.payload = std::move(frame.payload);
  request.attachment = std::move(frame.attachment);
  request.peer = caller->peer;
  request.is_local = caller->is_local;
  request.socket = caller->link->descriptor();
  caller->inside_frame_since.reset();
  const auto call = std::make_shared<OpenCall>(caller);
  if (limits && caller->calls == limits->calls) caller->link->hold();
  handler(std::move(request), [call, id = frame.correlation_id](Response response) {
    const auto mine = call->caller();
    if (mine) answer(*mine, id, std::move(response));
    call->end();
  });
}

bool Server::State::lets_in(Caller& caller, const Frame& frame) const {
  if (std::exchange(caller.is_known, true) || !authenticate) return true;
  return authenticate(frame.authentication_data);
}

void Server::State::dismiss(const std::shared_ptr<Caller>& caller) {
  caller->link->close();
  callers.erase(caller);
}

void Server::State::close() {
  closed = true;
  error_code ignored;
  acceptor.close(ignored);
  pause.cancel();
  looks.cancel();
  for (const auto& caller : callers) caller->link->close();
  callers.clear();
}

// --- Limits --------------------------------------------------------------------------------------

bool Server::State::has_room(bool is_local) const {
  const std::size_t most = limits->connections;
  if (callers.size() >= most) return false;
  if (is_local) return true;
  const auto remote = std::count_if(callers.begin(), callers.end(),
                                    [](const auto& caller) { return !caller->is_local; });
  return static_cast<std::size_t>(remote) < most - most / 8;
}

// Those who only hold a connection must not keep an operator out, nor a remote caller one of this
// machine's.
bool Server::State::make_room(bool is_local) {
  std::shared_ptr<Caller> longest;
  for (const auto& caller : callers) {
    if (!caller->is_idle() || (caller->is_local && !is_local)) continue;
    if (!longest || caller->waits_since < longest->waits_since) longest = caller;
  }
  if (!longest) return false;
  dismiss(longest);
  return true;
}

void Server::State::look_later() {
  looks.expires_after(kBetweenLooks);
  looks.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (error || !self || self->closed) return;
    self->dismiss_overdue();
    self->look_later();
  });
}

void Server::State::dismiss_overdue() {
  const Instant now = boot_now();
  std::vector<std::shared_ptr<Caller>> overdue;
  for (const auto& caller : callers) {
    if (is_overdue(*caller, now)) overdue.push_back(caller);
  }
  for (const auto& caller : overdue) dismiss(caller);
}

bool Server::State::is_overdue(Caller& caller, Instant now) const {
  if (!caller.is_idle()) return false;
  const Duration waited = now - caller.waits_since;
  const std::size_t queued = caller.link->queued_bytes();
  if (queued > 0) return waited > limits->request_timeout * static_cast<int>(1 + (queued >> 20));
  if (!caller.link->inside_a_frame()) {
    caller.inside_frame_since.reset();
    return waited > limits->idle_timeout;
  }
  if (!caller.inside_frame_since) caller.inside_frame_since = now;
  return now - *caller.inside_frame_since > limits->request_timeout;
}

// -------------------------------------------------------------------------------------------------

Server::Server(asio::io_context& io, Handler handler, std::optional<Limits> limits)
    : state_(std::make_shared<State>(io, std::move(handler), limits)) {}

Server::~Server() { state_->close(); }

void Server::authenticate(Authenticate authenticate) {
  state_->authenticate = std::move(authenticate);
}

Result<std::uint16_t> Server::listen(const std::string& endpoint) {
  return state_->listen(endpoint);
}

std::size_t Server::connections() const { return state_->callers.size(); }

void Server::close_idle() {
  while (state_->make_room(true)) {
  }
}

}  // namespace failoverd::rpc
