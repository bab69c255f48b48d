#include "lib/admin/http_server.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <exception>
#include <set>
#include <utility>
#include <vector>

#include "lib/admin/http_session.h"
#include "lib/admin/json.h"
#include "lib/admin/unix_socket.h"

namespace failoverd::admin {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using local = asio::local::stream_protocol;
using Protocol = asio::generic::stream_protocol;
using boost::system::error_code;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

Peer to_peer(const tcp::endpoint& endpoint) {
  asio::ip::address address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  const std::string host = address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
  return {host + ":" + std::to_string(endpoint.port()), address.is_loopback()};
}

Peer to_peer(const local::endpoint&) { return {"socket", true}; }

void send_at_once(tcp::socket& socket) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
}
void send_at_once(local::socket&) {}

Result<tcp::endpoint> to_endpoint(asio::io_context& io, const std::string& address) {
  const auto wrong = [&](const std::string& why) {
    return Failure{"cannot listen on " + address + ": " + why};
  };
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) return wrong("it has no port (host:port)");
  std::uint16_t port = 0;
  const char* const end = address.data() + address.size();
  const auto [read_to, bad] = std::from_chars(address.data() + colon + 1, end, port);
  if (bad != std::errc{} || read_to != end) return wrong("its port is not a number up to 65535");
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  error_code error;
  const auto numeric = asio::ip::make_address(host, error);
  if (!error) return tcp::endpoint(numeric, port);
  // Only at the start, so it may wait for the resolver.
  const auto found = tcp::resolver(io).resolve(host, "", error);
  if (error || found.empty()) return wrong(error.message());
  return tcp::endpoint(found.begin()->endpoint().address(), port);
}

bool is_out_of_descriptors(const error_code& error) {
  return error == boost::system::errc::too_many_files_open ||
         error == boost::system::errc::too_many_files_open_in_system;
}

// A program that the daemon starts must not hold its port or its callers.
template <class Socket>
void keep_from_children(Socket& socket) {
  ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
}

// This machine's own name is a name that a browser here may well use.
HttpOptions with_host_name(HttpOptions options) {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) == 0) {
    options.access.host_names.emplace_back(name.data());
  }
  return options;
}

// What costs next to nothing is answered in a share of its own, beside HttpOptions::share.
constexpr double kQuickShare = 0.05;
constexpr Duration kQuickBurst = std::chrono::milliseconds(10);

}  // namespace

struct HttpServer::State : std::enable_shared_from_this<HttpServer::State> {
  State(asio::io_context& context, Source& source, const HttpOptions& options)
      : shared(std::make_shared<HttpShared>(HttpShared{
            options, Api(source, options.access),
            std::make_shared<Turns>(context.get_executor(), options.share, options.burst),
            std::make_shared<Turns>(context.get_executor(), kQuickShare, kQuickBurst), true, 0, 0,
            source})),
        io(context) {}

  template <class Acceptor>
  asio::awaitable<void> accept_from(Acceptor& acceptor);
  void take(Protocol::socket socket, const Peer& peer);
  // The handler keeps the state until the coroutine has ended.
  template <class Acceptor>
  void serve(Acceptor& acceptor) {
    asio::co_spawn(io, accept_from(acceptor), [state = shared_from_this()](std::exception_ptr) {});
  }
  bool has_room(bool local);
  std::shared_ptr<HttpSession> abandoned(bool remote_only) const;
  std::shared_ptr<HttpSession> longest_idle(bool remote_only) const;
  bool make_room(bool local);

  const std::shared_ptr<HttpShared> shared;
  std::vector<std::unique_ptr<tcp::acceptor>> acceptors;
  std::vector<std::unique_ptr<UnixSocket>> sockets;
  std::set<std::shared_ptr<HttpSession>> sessions;
  asio::io_context& io;
};

template <class Acceptor>
asio::awaitable<void> HttpServer::State::accept_from(Acceptor& acceptor) {
  asio::steady_timer pause(io);
  while (shared->open) {
    typename Acceptor::protocol_type::endpoint from;
    auto [error, socket] = co_await acceptor.async_accept(from, kTuple);
    if (!shared->open) co_return;
    if (!error) {
      send_at_once(socket);
      keep_from_children(socket);
      take(std::move(socket), to_peer(from));
      continue;
    }
    if (is_out_of_descriptors(error) && make_room(true)) continue;
    // The caller has gone again, or there is nothing to be freed: the next try may do better, not
    // at once.
    pause.expires_after(std::chrono::milliseconds(100));
    co_await pause.async_wait(kTuple);
  }
}

void HttpServer::State::take(Protocol::socket socket, const Peer& peer) {
  error_code ignored;
  if (!has_room(peer.local) && !make_room(peer.local)) {
    socket.non_blocking(true, ignored);
    const std::string body = error_json("too many connections");
    socket.write_some(asio::buffer("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                                   "Retry-After: 1\r\n"
                                   "Content-Type: application/json\r\nContent-Length: " +
                                   std::to_string(body.size()) + "\r\n\r\n" + body),
                      ignored);
    return;
  }
  auto session = make_http_session(std::move(socket), peer, shared);
  sessions.insert(session);
  session->start([self = shared_from_this(), key = std::weak_ptr(session)] {
    if (const auto ended = key.lock()) self->sessions.erase(ended);
  });
}

bool HttpServer::State::has_room(bool local) {
  const std::size_t most = shared->options.max_connections;
  if (sessions.size() >= most) return false;
  if (local) return true;
  const auto remote = std::count_if(sessions.begin(), sessions.end(),
                                    [](const auto& session) { return !session->is_local(); });
  return static_cast<std::size_t>(remote) < most - most / 8;
}

std::shared_ptr<HttpSession> HttpServer::State::abandoned(bool remote_only) const {
  for (const auto& session : sessions) {
    if (!(remote_only && session->is_local()) && session->is_abandoned()) return session;
  }
  return nullptr;
}

std::shared_ptr<HttpSession> HttpServer::State::longest_idle(bool remote_only) const {
  std::shared_ptr<HttpSession> longest;
  for (const auto& session : sessions) {
    const auto since = session->idle_since();
    if (!since || (remote_only && session->is_local())) continue;
    if (!longest || *since < *longest->idle_since()) longest = session;
  }
  return longest;
}

// Those who only hold a connection must not keep an operator out, nor a remote caller one of this
// machine's. First go those who have gone themselves: a newcomer, whose request is on its way, is
// idle, too.
bool HttpServer::State::make_room(bool local) {
  auto leaves = abandoned(!local);
  if (!leaves) leaves = longest_idle(!local);
  if (!leaves) return false;
  leaves->close();
  sessions.erase(leaves);
  return true;
}

HttpServer::HttpServer(asio::io_context& io, Source& source, HttpOptions options)
    : state_(std::make_shared<State>(io, source, with_host_name(std::move(options)))) {}

HttpServer::~HttpServer() {
  state_->shared->open = false;
  error_code ignored;
  for (const auto& acceptor : state_->acceptors) acceptor->close(ignored);
  for (const auto& socket : state_->sockets) socket->close();
  for (const auto& session : state_->sessions) session->close();
  state_->sessions.clear();
}

Result<std::uint16_t> HttpServer::listen(const std::string& address) {
  const auto endpoint = to_endpoint(state_->io, address);
  if (!endpoint) return endpoint.error();
  auto acceptor = std::make_unique<tcp::acceptor>(state_->io);
  error_code error;
  acceptor->open(endpoint->protocol(), error);
  if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor->bind(*endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) return Failure{"cannot listen on " + address + ": " + error.message()};
  keep_from_children(*acceptor);
  const std::uint16_t port = acceptor->local_endpoint().port();
  state_->serve(*acceptor);
  state_->acceptors.push_back(std::move(acceptor));
  return port;
}

Result<void> HttpServer::listen_socket(const std::string& path) {
  auto socket = UnixSocket::listen(state_->io, path);
  if (!socket) return socket.error();
  state_->serve((*socket)->acceptor());
  state_->sockets.push_back(std::move(*socket));
  return {};
}

void HttpServer::set_token(std::string token) { state_->shared->api.set_token(std::move(token)); }

std::size_t HttpServer::connections() const { return state_->sessions.size(); }

void HttpServer::close_idle() {
  while (state_->make_room(true)) {
  }
}

}  // namespace failoverd::admin
