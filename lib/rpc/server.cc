#include "lib/rpc/server.h"

#include <fcntl.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <unordered_set>
#include <utility>

#include "lib/rpc/endpoint.h"
#include "lib/rpc/frame.h"
#include "lib/rpc/link.h"

namespace failoverd::rpc {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr int kInternalError = 2001;

// Accepting again at once would turn in circles while there is no descriptor left.
constexpr std::chrono::milliseconds kAcceptPause{50};

// One caller. Replies hold it weakly, the server strongly.
struct Caller {
  std::shared_ptr<Link> link;
  std::string peer;
  std::int64_t last_key = 0;
};

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
  State(asio::io_context& loop, Handler handle)
      : handler(std::move(handle)), acceptor(loop), pause(loop) {}

  Result<std::uint16_t> listen(const std::string& endpoint);
  void accept();
  void on_accepted(error_code error, tcp::socket socket);
  void welcome(tcp::socket socket);
  void on_frame(const std::shared_ptr<Caller>& caller, Frame frame);
  void dismiss(const std::shared_ptr<Caller>& caller);
  void close();

  const Handler handler;
  tcp::acceptor acceptor;
  asio::steady_timer pause;
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
  pause.expires_after(kAcceptPause);
  pause.async_wait([self = shared_from_this()](error_code) {
    if (!self->closed) self->accept();
  });
}

void Server::State::welcome(tcp::socket socket) {
  error_code gone;
  const tcp::endpoint from = socket.remote_endpoint(gone);
  if (gone) return;  // It has left already.
  const auto caller = std::make_shared<Caller>();
  caller->peer = text_of(from);
  caller->link = std::make_shared<Link>(std::move(socket), kMaxQueuedBytes);
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
  Request request;
  request.service = std::move(frame.service);
  request.method = std::move(frame.method);
  request.payload = std::move(frame.payload);
  request.attachment = std::move(frame.attachment);
  request.peer = caller->peer;
  const std::weak_ptr<Caller> weak = caller;
  handler(std::move(request), [weak, id = frame.correlation_id](Response response) {
    if (const auto mine = weak.lock()) answer(*mine, id, std::move(response));
  });
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
  for (const auto& caller : callers) caller->link->close();
  callers.clear();
}

Server::Server(asio::io_context& io, Handler handler)
    : state_(std::make_shared<State>(io, std::move(handler))) {}

Server::~Server() { state_->close(); }

Result<std::uint16_t> Server::listen(const std::string& endpoint) {
  return state_->listen(endpoint);
}

}  // namespace failoverd::rpc
