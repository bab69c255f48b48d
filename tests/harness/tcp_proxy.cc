#include "tests/harness/tcp_proxy.h"

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <set>

namespace failoverd::harness {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

struct Connection {
  explicit Connection(tcp::socket accepted)
      : client(std::move(accepted)), server(client.get_executor()) {}
  void close() {
    error_code ignored;
    client.close(ignored);
    server.close(ignored);
  }
  tcp::socket client;
  tcp::socket server;
  std::array<char, 65'536> request;
  std::array<char, 65'536> answer;
};

}  // namespace

struct TcpProxy::State : std::enable_shared_from_this<State> {
  State(asio::io_context& io, std::uint16_t target_port, TcpProxy* proxy)
      : acceptor(io, tcp::endpoint{asio::ip::address_v4::loopback(), 0}),
        target(asio::ip::address_v4::loopback(), target_port),
        owner(proxy) {}

  void accept() {
    acceptor.async_accept([self = shared_from_this()](const error_code& error, tcp::socket client) {
      if (error || self->owner == nullptr) return;
      self->connect(std::make_shared<Connection>(std::move(client)));
      self->accept();
    });
  }

  void connect(const std::shared_ptr<Connection>& c) {
    connections.insert(c);
    c->server.async_connect(target, [self = shared_from_this(), c](const error_code& error) {
      if (error) return self->drop(c);
      error_code ignored;
      c->client.set_option(tcp::no_delay{true}, ignored);
      c->server.set_option(tcp::no_delay{true}, ignored);
      self->pass_requests(c);
      self->pass_answers(c);
    });
  }

  void pass_requests(const std::shared_ptr<Connection>& c) {
    c->client.async_read_some(asio::buffer(c->request),
                              [self = shared_from_this(), c](const error_code& error, auto n) {
                                if (error || self->owner == nullptr) return self->drop(c);
                                if (self->owner->on_request)
                                  self->owner->on_request({c->request.data(), n});
                                if (self->requests_get_lost) return self->pass_requests(c);
                                asio::async_write(c->server, asio::buffer(c->request, n),
                                                  [self, c](const error_code& failed, auto) {
                                                    failed ? self->drop(c) : self->pass_requests(c);
                                                  });
                              });
  }

  void pass_answers(const std::shared_ptr<Connection>& c) {
    c->server.async_read_some(asio::buffer(c->answer),
                              [self = shared_from_this(), c](const error_code& error, auto n) {
                                if (error || self->owner == nullptr) return self->drop(c);
                                if (self->answers_get_lost) return self->pass_answers(c);
                                asio::async_write(c->client, asio::buffer(c->answer, n),
                                                  [self, c](const error_code& failed, auto) {
                                                    failed ? self->drop(c) : self->pass_answers(c);
                                                  });
                              });
  }

  void drop(const std::shared_ptr<Connection>& c) {
    c->close();
    connections.erase(c);
  }

  void cut() {
    for (const auto& connection : std::exchange(connections, {})) connection->close();
  }

  tcp::acceptor acceptor;
  const tcp::endpoint target;
  TcpProxy* owner;  // Null when the proxy is gone.
  bool requests_get_lost = false;
  bool answers_get_lost = false;
  std::set<std::shared_ptr<Connection>> connections;
};

TcpProxy::TcpProxy(asio::io_context& io, std::uint16_t target_port)
    : state_(std::make_shared<State>(io, target_port, this)) {
  state_->accept();
}

TcpProxy::~TcpProxy() {
  state_->owner = nullptr;
  error_code ignored;
  state_->acceptor.close(ignored);
  state_->cut();
}

std::uint16_t TcpProxy::port() const { return state_->acceptor.local_endpoint().port(); }
std::string TcpProxy::endpoint() const { return "127.0.0.1:" + std::to_string(port()); }
void TcpProxy::swallow_requests(bool on) { state_->requests_get_lost = on; }
void TcpProxy::swallow_answers(bool on) { state_->answers_get_lost = on; }
void TcpProxy::cut() { state_->cut(); }

}  // namespace failoverd::harness
