#include "daemon/ctl/http_client.h"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <exception>
#include <optional>
#include <thread>

namespace failoverd::ctl {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using Protocol = asio::generic::stream_protocol;
using boost::system::error_code;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

// A showtable of a very large cluster is some hundred MB.
constexpr std::uint64_t kMostBody = std::uint64_t{1} << 30;

Failure failed(const Url& url, const char* what, const error_code& error) {
  const bool late = error == beast::error::timeout;
  return Failure{std::string("cannot ") + what + " " + url.address() + ": " +
                 (late ? "no answer in time" : error.message())};
}

http::request<http::string_body> to_message(const Url& url, const Call& call) {
  http::request<http::string_body> message;
  message.version(11);
  message.method_string(call.method);
  message.target(call.path);
  message.set(http::field::host, url.socket.empty() ? url.address() : url.host);
  message.set(http::field::user_agent, "failoverctl/" FAILOVERD_VERSION);
  if (!call.body.empty()) message.set(http::field::content_type, "application/json");
  for (const auto& [name, value] : call.headers) message.set(name, value);
  message.body() = call.body;
  message.prepare_payload();
  message.keep_alive(false);
  return message;
}

// Of `</path?query>; rel="next"`.
std::string next_of(std::string_view link) {
  const auto end = link.find('>');
  const bool is_next = link.starts_with("</") && end != std::string_view::npos &&
                       link.find("rel=\"next\"", end) != std::string_view::npos;
  return is_next ? std::string(link.substr(1, end - 1)) : std::string();
}

template <class Message>
Answer to_answer(const Message& message, const Url& url) {
  Answer answer;
  answer.status = message.result_int();
  answer.role = std::string(message["Failoverd-Role"]);
  answer.active = std::string(message["Failoverd-Active"]);
  answer.active_name = std::string(message["Failoverd-Active-Name"]);
  answer.process = std::string(message["Failoverd-Process"]);
  answer.next = next_of(std::string_view(message[http::field::link]));
  answer.is_busy = answer.status == 503 && !message[http::field::retry_after].empty();
  answer.from = url;
  return answer;
}

// One call under way: connects, sends, and then reads in one of two ways.
class Exchange {
 public:
  Exchange(asio::io_context& io, Url url, Call call, Duration deadline)
      : url_(std::move(url)), call_(std::move(call)), deadline_(deadline), stream_(io) {}

  asio::awaitable<Result<Answer>> run() {
    if (auto sent = co_await send(); !sent) co_return sent.error();
    http::response_parser<http::string_body> parser;
    parser.body_limit(kMostBody);
    const auto [error, size] = co_await http::async_read(stream_, buffer_, parser, kTuple);
    if (error) co_return failed(url_, "read from", error);
    Answer answer = to_answer(parser.get(), url_);
    answer.body = std::move(parser.get().body());
    co_return answer;
  }

  asio::awaitable<Result<Answer>> run_stream(Duration silence, const Take& take) {
    if (auto sent = co_await send(); !sent) co_return sent.error();
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(boost::none);
    const auto [error, size] = co_await http::async_read_header(stream_, buffer_, parser, kTuple);
    if (error) co_return failed(url_, "read from", error);
    Answer answer = to_answer(parser.get(), url_);
    std::array<char, 16 * 1024> piece;
    while (!parser.is_done()) {
      parser.get().body().data = piece.data();
      parser.get().body().size = piece.size();
      stream_.expires_after(silence);
      const auto [read_error, read] =
          co_await http::async_read_some(stream_, buffer_, parser, kTuple);
      if (read_error && read_error != http::error::need_buffer) {
        co_return failed(url_, "read from", read_error);
      }
      const std::string_view text(piece.data(), piece.size() - parser.get().body().size);
      if (answer.status != 200) {
        answer.body += text;
      } else if (!text.empty() && !take(answer, text)) {
        co_return answer;
      }
    }
    if (answer.status != 200) co_return answer;
    co_return Failure{"cannot read from " + url_.address() + ": it has ended the stream"};
  }

 private:
  asio::awaitable<Result<void>> send() {
    stream_.expires_after(deadline_);
    if (auto connected = co_await connect(); !connected) co_return connected.error();
    const auto message = to_message(url_, call_);
    const auto [error, size] = co_await http::async_write(stream_, message, kTuple);
    if (error) co_return failed(url_, "write to", error);
    co_return Result<void>();
  }

  asio::awaitable<Result<void>> connect() {
    error_code error;
    if (!url_.socket.empty()) {
      const Protocol::endpoint to = asio::local::stream_protocol::endpoint(url_.socket);
      std::tie(error) = co_await stream_.async_connect(to, kTuple);
      if (error) co_return failed(url_, "reach", error);
      co_return Result<void>();
    }
    tcp::resolver::results_type found;
    const auto numeric = asio::ip::make_address(url_.host, error);
    const int port = std::atoi(url_.port.c_str());
    if (!error) {
      found = tcp::resolver::results_type::create(
          tcp::endpoint(numeric, static_cast<std::uint16_t>(port)), url_.host, url_.port);
    } else {
      tcp::resolver resolver(stream_.get_executor());
      std::tie(error, found) = co_await resolver.async_resolve(url_.host, url_.port, kTuple);
      if (error) co_return failed(url_, "reach", error);
    }
    for (const auto& one : found) {
      const Protocol::endpoint to = one.endpoint();
      std::tie(error) = co_await stream_.async_connect(to, kTuple);
      if (!error) co_return Result<void>();
      if (error == beast::error::timeout) break;
      error_code ignored;
      stream_.socket().close(ignored);
    }
    co_return failed(url_, "reach", error);
  }

  const Url url_;
  const Call call_;
  const Duration deadline_;

  beast::basic_stream<Protocol> stream_;
  beast::flat_buffer buffer_;
};

// Calls that are under way at once. What nobody waits for any more is never ended: that would wait
// for the thread of a look-up. It goes with the program.
struct Calls {
  asio::io_context io{1};
  std::vector<std::optional<Result<Answer>>> answers;
  std::vector<std::unique_ptr<Exchange>> exchanges;
};

}  // namespace

std::string Url::address() const {
  if (!socket.empty()) return "unix:" + socket;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + port;
}

Result<Url> parse_url(const std::string& text) {
  const auto wrong = [&](const char* why) {
    return Failure{"not a server's URL: " + text + ": " + why};
  };
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with(kUnix)) {
    const std::string path = text.substr(kUnix.size());
    if (!path.starts_with('/')) return wrong("the socket's path is absolute");
    if (path.size() >= sizeof(sockaddr_un::sun_path)) return wrong("the socket's path is too long");
    return Url{"localhost", "", path};
  }
  std::string rest = text;
  if (const auto scheme = rest.find("://"); scheme != std::string::npos) {
    if (rest.substr(0, scheme) != "http") return wrong("it begins with http://");
    rest = rest.substr(scheme + 3);
  }
  while (!rest.empty() && rest.back() == '/') rest.pop_back();
  if (rest.find_first_of("/?#@ ") != std::string::npos)
    return wrong("only host and port belong in it");
  Url url;
  const auto colon = rest.rfind(':');
  const bool has_port = colon != std::string::npos && rest.find(']', colon) == std::string::npos;
  url.host = has_port ? rest.substr(0, colon) : rest;
  url.port = has_port ? rest.substr(colon + 1) : "9650";
  if (url.host.size() > 2 && url.host.front() == '[' && url.host.back() == ']') {
    url.host = url.host.substr(1, url.host.size() - 2);
  }
  if (url.host.empty()) return wrong("it has no host");
  const bool digits = url.port.find_first_not_of("0123456789") == std::string::npos;
  if (url.port.empty() || url.port.size() > 5 || !digits || std::stoi(url.port) > 65535) {
    return wrong("its port is not a number up to 65535");
  }
  return url;
}

std::vector<Result<Answer>> http_call_all(const std::vector<Url>& urls, const Call& call,
                                          Duration deadline,
                                          const std::function<bool(const Answer&)>& is_enough) {
  auto calls = std::make_unique<Calls>();
  calls->answers.resize(urls.size());
  for (std::size_t i = 0; i < urls.size(); ++i) {
    calls->exchanges.push_back(std::make_unique<Exchange>(calls->io, urls[i], call, deadline));
    asio::co_spawn(calls->io, calls->exchanges.back()->run(),
                   [&its = *calls, &is_enough, i](std::exception_ptr, Result<Answer> answer) {
                     if (answer && is_enough && is_enough(*answer)) its.io.stop();
                     its.answers[i] = std::move(answer);
                   });
  }
  calls->io.run();
  std::vector<Result<Answer>> all;
  bool is_left = false;
  for (std::size_t i = 0; i < urls.size(); ++i) {
    auto& answer = calls->answers[i];
    is_left |= !answer;
    all.push_back(answer ? std::move(*answer)
                         : Failure{urls[i].address() + " has not answered yet"});
  }
  // Never freed, and known to leak checkers.
  static auto& left = *new std::vector<Calls*>;
  if (is_left) left.push_back(calls.release());
  return all;
}

Result<Answer> http_call(const Url& url, const Call& call, Duration deadline) {
  constexpr int kTries = 5;
  constexpr auto kBetween = std::chrono::seconds(1);  // What the daemon's Retry-After says.
  for (int tries = 1;; ++tries) {
    auto answer = http_call_all({url}, call, deadline).front();
    if (!answer || !answer->is_busy || tries == kTries) return answer;
    // Nothing tells when there is room, and this program has nothing else to do meanwhile.
    std::this_thread::sleep_for(kBetween);
  }
}

Result<Answer> http_stream(const Url& url, const Call& call, Duration deadline, Duration silence,
                           const Take& take) {
  asio::io_context io{1};
  Exchange exchange(io, url, call, deadline);
  std::optional<Result<Answer>> answer;
  asio::co_spawn(io, exchange.run_stream(silence, take),
                 [&](std::exception_ptr, Result<Answer> result) { answer = std::move(result); });
  io.run();
  return *answer;
}

}  // namespace failoverd::ctl
