#include "lib/admin/http_session.h"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <exception>
#include <tuple>
#include <utility>

#include "lib/admin/http_messages.part.h"
#include "lib/admin/json.h"
#include "lib/admin/peer_user.h"
#include "lib/base/boot_clock.h"

namespace failoverd::admin {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

using Protocol = asio::generic::stream_protocol;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kMiB = 1024 * 1024;
constexpr std::string_view kFailedInside = "failed inside, see the log of failoverd";
// How soon a stream sees that its daemon's standing has changed without an event.
constexpr Duration kLookAgain = std::chrono::seconds(1);

// What a reader of events has chosen this daemon by. When it changes his stream ends: he may want
// to choose again.
auto standing(const Readiness& readiness) {
  return std::tuple(readiness.ready, readiness.active, readiness.holder.name);
}

// How an answer goes out.
struct Sending {
  bool head = false;  // Without its body.
  unsigned version = 11;
  bool keep_alive = false;
};

// Waits for what the source answers later.
template <class T>
struct Pending {
  explicit Pending(std::shared_ptr<asio::steady_timer> timer) : wake(std::move(timer)) {}
  std::optional<T> result;
  std::shared_ptr<asio::steady_timer> wake;
};

// An event stream's place in the source's log.
struct StreamCursor {
  explicit StreamCursor(const asio::any_io_executor& executor) : wake(executor) {}
  std::optional<std::uint64_t> last;  // The id sent last; absent: before the first new event.
  bool begun = false;                 // An event was sent, so the next one's id is known.
  bool news = false;
  bool gone = false;  // The reader closed.
  asio::steady_timer wake;
};

class Session : public HttpSession, public std::enable_shared_from_this<Session> {
 public:
  Session(Protocol::socket socket, Peer peer, std::shared_ptr<HttpShared> shared)
      : peer_(std::move(peer)), shared_(std::move(shared)), stream_(std::move(socket)) {}

  void start(std::function<void()> ended) override {
    // The handler keeps this session until its coroutine has ended.
    asio::co_spawn(
        stream_.get_executor(), run(),
        [self = shared_from_this(), ended = std::move(ended)](std::exception_ptr) { ended(); });
  }
  void close() override {
    is_closed_ = true;  // What has arrived already may still go on from here.
    stream_.close();
    if (cursor_) cursor_->wake.cancel();
    if (pending_) pending_->cancel();
  }
  std::optional<Instant> idle_since() const override { return idle_since_; }
  bool is_abandoned() override {
    char byte = 0;
    if (!waits_for_turn_) return false;
    const auto got = ::recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
  }
  bool is_local() const override { return peer_.local; }

 private:
  asio::awaitable<void> run();
  asio::awaitable<bool> serve_one();
  asio::awaitable<bool> answer(HttpRequest request, std::optional<HttpResponse> refusal,
                               Sending how);
  asio::awaitable<std::shared_ptr<Turn>> my_turn(std::shared_ptr<Turns> turns);
  bool is_over() const { return !shared_->open || is_closed_; }
  asio::awaitable<bool> wait_for_request();
  asio::awaitable<bool> read_body(Parser& parser);
  asio::awaitable<bool> refuse_unreadable(error_code error);
  asio::awaitable<HttpResponse> run_command(CommandRequest request);
  asio::awaitable<HttpResponse> show_tables(ShowTables asked, std::shared_ptr<Turn> turn);
  template <class T, class Begin>
  asio::awaitable<std::shared_ptr<Pending<T>>> answer_of(Begin begin);
  asio::awaitable<bool> send(HttpResponse response, Sending how);
  template <class Body>
  asio::awaitable<bool> write(http::response<Body> message, std::size_t size);
  asio::awaitable<void> linger();
  // A remote caller has shown the token, or has been refused.
  std::string who_asks() {
    return peer_.local ? user_behind(stream_.socket().native_handle()) : "who has the token";
  }
  bool has_room_for_stream() const {
    const std::size_t most = options().max_streams;
    return shared_->streams < most && (peer_.local || shared_->remote_streams < most - most / 8);
  }
  asio::awaitable<bool> send_events(EventStream request);
  asio::awaitable<void> follow(std::shared_ptr<StreamCursor> cursor);
  asio::awaitable<bool> send_news(StreamCursor& cursor);
  asio::awaitable<bool> write_text(std::string text);
  asio::awaitable<void> watch_reader(std::shared_ptr<StreamCursor> cursor);

  template <class Work>
  auto guarded(Work work) -> std::optional<decltype(work())>;

  const HttpOptions& options() const { return shared_->options; }

  const Peer peer_;
  const std::shared_ptr<HttpShared> shared_;

  beast::basic_stream<Protocol> stream_;
  beast::flat_buffer buffer_;
  bool first_ = true;
  bool waits_for_turn_ = false;
  bool is_closed_ = false;
  std::optional<Instant> idle_since_ = boot_now();
  std::shared_ptr<StreamCursor> cursor_;         // While it is an event stream.
  std::shared_ptr<asio::steady_timer> pending_;  // While the source has not answered.
};

// Runs what calls into the daemon. An exception there is a bug, which one answer shows and the log
// names; it does not end the daemon.
template <class Work>
auto Session::guarded(Work work) -> std::optional<decltype(work())> {
  try {
    return work();
  } catch (const std::exception& error) {
    if (options().log) options().log(std::string("an HTTP answer failed: ") + error.what());
    return std::nullopt;
  }
}

asio::awaitable<void> Session::run() {
  for (bool again = true; again && shared_->open; first_ = false) {
    again = co_await serve_one();
  }
  stream_.close();
}

// One request and its answer. False: the connection ends here.
asio::awaitable<bool> Session::serve_one() {
  if (!co_await wait_for_request()) co_return false;
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(options().max_header));
  parser.body_limit(options().max_body);
  stream_.expires_after(options().request_timeout);
  const auto [error, size] = co_await http::async_read_header(stream_, buffer_, parser, kTuple);
  if (error) co_return co_await refuse_unreadable(error);
  if (!shared_->open) co_return false;

  HttpRequest request = to_request(parser, peer_);
  Sending how{request.method == "HEAD", parser.get().version(), parser.get().keep_alive()};
  auto refusal = shared_->api.refuse(request);
  if (!refusal && request.method != "POST" && request.has_body) {
    refusal = error_response(413, request.method + " takes no body here");
  }
  // What is refused by its header is not worth reading: whatever body comes goes with the
  // connection.
  if (refusal) {
    how.keep_alive &= !request.has_body;
  } else {
    if (!co_await read_body(parser)) co_return false;
    request.body = std::move(parser.get().body());
    // The signature of a change.
    if (request.method == "POST") request.who = who_asks();
  }
  co_return co_await answer(std::move(request), std::move(refusal), how);
}

asio::awaitable<bool> Session::answer(HttpRequest request, std::optional<HttpResponse> refusal,
                                      Sending how) {
  idle_since_.reset();
  const bool quick = !refusal && shared_->api.is_quick(request);
  auto turn = co_await my_turn(quick ? shared_->quick : shared_->turns);
  if (is_over()) co_return false;
  if (!turn) {
    if (options().on_refused) options().on_refused();
    co_return co_await send(too_busy(), how);
  }
  std::optional<Action> action;
  if (refusal) {
    action = std::move(*refusal);
  } else {
    action = guarded([&] { return shared_->api.route(request); });
  }
  if (!action) action = error_response(500, kFailedInside);
  if (auto* stream = std::get_if<EventStream>(&*action)) {
    turn.reset();
    if (has_room_for_stream()) co_return co_await send_events(*stream);
    action = error_response(503, "too many event streams");
  }
  if (auto* command = std::get_if<RunCommand>(&*action)) {
    turn.reset();
    action = co_await run_command(std::move(command->request));
  } else if (auto* tables = std::get_if<ShowTables>(&*action)) {
    action = co_await show_tables(std::move(*tables), std::exchange(turn, {}));
  }
  if (turn) turn->end(std::get<HttpResponse>(*action).body.size());
  co_return co_await send(std::move(std::get<HttpResponse>(*action)), how);
}

// Null: it has not come in time, or the connection is to end.
asio::awaitable<std::shared_ptr<Turn>> Session::my_turn(std::shared_ptr<Turns> turns) {
  if (is_closed_) co_return nullptr;
  const auto wake = std::make_shared<asio::steady_timer>(stream_.get_executor());
  std::shared_ptr<Turn> turn;
  wake->expires_after(options().turn_timeout);
  const auto ticket = turns->ask([&turn, &turns, wake] {
    turn = std::make_shared<Turn>(turns);
    wake->cancel();
  });
  pending_ = wake;
  waits_for_turn_ = true;
  co_await wake->async_wait(kTuple);
  waits_for_turn_ = false;
  pending_.reset();
  co_return turn;
}

// The first byte of the next request. Between requests a connection may rest longer than one that
// has begun a request, or has never sent one, may take.
asio::awaitable<bool> Session::wait_for_request() {
  if (buffer_.size() > 0) co_return true;
  stream_.expires_after(first_ ? options().request_timeout : options().idle_timeout);
  const auto [error, size] = co_await stream_.async_read_some(buffer_.prepare(4096), kTuple);
  if (error) co_return false;
  buffer_.commit(size);
  co_return true;
}

asio::awaitable<bool> Session::read_body(Parser& parser) {
  if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    http::response<http::empty_body> go_on{http::status::continue_, parser.get().version()};
    const auto [error, size] = co_await http::async_write(stream_, go_on, kTuple);
    if (error) co_return false;
  }
  const auto [error, size] = co_await http::async_read(stream_, buffer_, parser, kTuple);
  if (error) co_return co_await refuse_unreadable(error);
  co_return true;
}

asio::awaitable<bool> Session::refuse_unreadable(error_code error) {
  auto response = answer_to(error, options());
  if (!response) co_return false;
  // Named: gcc 12 destroys some temporaries of a co_await twice.
  HttpRequest nothing;
  const Sending last;
  co_await answer(std::move(nothing), std::move(response), last);
  co_return false;
}

// What the source tells a callback, now or later: begin(callback). Null: it threw; without a
// result: it has not answered in time.
template <class T, class Begin>
asio::awaitable<std::shared_ptr<Pending<T>>> Session::answer_of(Begin begin) {
  const auto wake = std::make_shared<asio::steady_timer>(stream_.get_executor());
  const auto pending = std::make_shared<Pending<T>>(wake);
  const auto done = [waiting = std::weak_ptr(pending)](T result) {
    const auto asked = waiting.lock();  // Gone: the answer is late or the caller left.
    if (!asked || asked->result) return;
    asked->result = std::move(result);
    asked->wake->cancel();
  };
  const auto begun = guarded([&] {
    begin(done);
    return true;
  });
  if (!begun) co_return nullptr;
  if (!pending->result) {
    pending_ = wake;
    wake->expires_after(options().command_timeout);
    co_await wake->async_wait(kTuple);
    pending_.reset();
  }
  co_return pending;
}

asio::awaitable<HttpResponse> Session::run_command(CommandRequest request) {
  const std::string name = request.name;
  const auto answer = co_await answer_of<CommandResult>(
      [&](auto done) { shared_->source.command(std::move(request), std::move(done)); });
  if (!answer) co_return error_response(500, name + " failed inside, see the log of failoverd");
  if (!answer->result || !shared_->open) {
    co_return error_response(504, name + " has not answered in time; it may still be carried out");
  }
  co_return shared_->api.to_response(*answer->result);
}

// Choosing what is asked for belongs to the first turn, showing it is one of its own. Between them,
// while tablets are asked, others have theirs.
asio::awaitable<HttpResponse> Session::show_tables(ShowTables asked, std::shared_ptr<Turn> turn) {
  const auto answer = co_await answer_of<Source::ReadTables>([&](auto done) {
    const auto first = std::move(turn);
    shared_->source.tables(asked.asked, std::move(done));
  });
  if (!answer) co_return error_response(500, kFailedInside);
  if (!answer->result || !shared_->open) {
    co_return error_response(504, "the tables have not been shown in time");
  }
  turn = co_await my_turn(shared_->turns);
  if (!turn || is_over()) {
    if (!is_over() && options().on_refused) options().on_refused();
    co_return too_busy();
  }
  auto response = guarded([&] { return shared_->api.to_response(asked, (*answer->result)()); });
  if (!response) co_return error_response(500, kFailedInside);
  turn->end(response->body.size());
  co_return std::move(*response);
}

asio::awaitable<bool> Session::send(HttpResponse response, Sending how) {
  const std::size_t size = response.body.size();
  idle_since_ = boot_now();
  bool sent = false;
  if (how.head) {
    http::response<http::empty_body> message;
    message.version(how.version);
    fill_header(message, response);
    message.content_length(size);
    message.keep_alive(how.keep_alive);
    sent = co_await write(std::move(message), 0);
  } else {
    http::response<http::string_body> message;
    message.version(how.version);
    fill_header(message, response);
    message.body() = std::move(response.body);
    message.prepare_payload();
    message.keep_alive(how.keep_alive);
    sent = co_await write(std::move(message), size);
  }
  if (sent && !how.keep_alive) co_await linger();
  co_return sent&& how.keep_alive;
}

template <class Body>
asio::awaitable<bool> Session::write(http::response<Body> message, std::size_t size) {
  stream_.expires_after(options().request_timeout * static_cast<int>(1 + size / kMiB));
  const auto [error, written] = co_await http::async_write(stream_, message, kTuple);
  co_return !error;
}

// Closing while the caller still sends would reset the connection and could take the answer with
// it. So the rest is read away, within bounds.
asio::awaitable<void> Session::linger() {
  constexpr std::size_t kMost = 8 * kMiB;
  error_code ignored;
  stream_.socket().shutdown(Protocol::socket::shutdown_send, ignored);
  stream_.expires_after(std::min<Duration>(options().request_timeout, std::chrono::seconds(2)));
  buffer_.consume(buffer_.size());
  for (std::size_t total = 0; total < kMost;) {
    const auto [error, size] = co_await stream_.async_read_some(buffer_.prepare(16 * 1024), kTuple);
    if (error) co_return;
    total += size;
  }
}

asio::awaitable<bool> Session::send_events(EventStream request) {
  auto cursor = std::make_shared<StreamCursor>(stream_.get_executor());
  cursor->last = request.since;
  cursor->news = request.since.has_value();
  auto subscription = guarded([&] {
    return shared_->source.subscribe([waiting = std::weak_ptr(cursor)](const EventRow& event) {
      const auto stream = waiting.lock();
      if (!stream) return;
      if (!stream->last) stream->last = event.id - 1;
      stream->news = true;
      stream->wake.cancel();
    });
  });
  if (!subscription) {
    const Sending last;
    co_return co_await send(error_response(500, kFailedInside), last);
  }
  cursor_ = cursor;
  auto& remote = shared_->remote_streams;
  ++shared_->streams;
  if (!peer_.local) ++remote;
  stream_.expires_never();  // The reader is watched for as long as it takes.
  asio::co_spawn(stream_.get_executor(), watch_reader(cursor),
                 [self = shared_from_this()](std::exception_ptr) {});
  co_await follow(cursor);
  --shared_->streams;
  if (!peer_.local) --remote;
  cursor_.reset();
  co_return false;
}

asio::awaitable<void> Session::follow(std::shared_ptr<StreamCursor> cursor) {
  const auto now = [&] { return standing(shared_->source.readiness()); };
  const auto began_as = guarded(now);
  const auto role = guarded([&] { return shared_->api.role(); });
  if (!began_as || !role) co_return;
  std::string head =
      "HTTP/1.1 200 OK\r\nServer: failoverd\r\nContent-Type: text/event-stream\r\n"
      "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n";
  for (const Field& field : *role) head += field.key + ": " + field.value + "\r\n";
  if (!co_await write_text(head + "\r\n: events\n\n")) co_return;
  Instant beat_at = boot_now() + options().stream_beat;
  while (!cursor->gone && shared_->open) {
    if (cursor->news) {
      if (!co_await send_news(*cursor)) co_return;
      continue;
    }
    if (guarded(now) != began_as) co_return;
    cursor->wake.expires_after(std::min<Duration>(options().stream_beat, kLookAgain));
    co_await cursor->wake.async_wait(kTuple);
    if (boot_now() < beat_at) continue;
    if (!co_await write_text(": beat\n\n")) co_return;
    beat_at = boot_now() + options().stream_beat;
  }
}

// One page of what is new. False: the reader is gone, or has fallen behind what the log keeps; he
// may come back with the id that he has.
asio::awaitable<bool> Session::send_news(StreamCursor& cursor) {
  constexpr std::size_t kPage = 256;
  const auto turn = co_await my_turn(shared_->turns);
  if (is_over()) co_return false;
  if (!turn) co_return true;  // What is new stays new.
  const auto events = guarded([&] { return shared_->source.events(*cursor.last, kPage); });
  if (!events) co_return false;
  cursor.news = events->size() == kPage;
  std::string text;
  for (const auto& event : *events) {
    const std::uint64_t id = event->row().id;
    if (cursor.begun && id != *cursor.last + 1) co_return false;
    text += "id: " + std::to_string(id) + "\ndata: " + event->json() + "\n\n";
    cursor.last = id;
    cursor.begun = true;
  }
  turn->end(text.size());
  co_return text.empty() || co_await write_text(std::move(text));
}

asio::awaitable<bool> Session::write_text(std::string text) {
  stream_.expires_after(options().request_timeout);
  const auto [error, size] = co_await asio::async_write(stream_, asio::buffer(text), kTuple);
  co_return !error;
}

// Nothing more is expected from the reader of a stream: whatever comes, and his going, ends it.
asio::awaitable<void> Session::watch_reader(std::shared_ptr<StreamCursor> cursor) {
  co_await stream_.async_read_some(buffer_.prepare(1), kTuple);
  cursor->gone = true;
  cursor->wake.cancel();
}

}  // namespace

std::shared_ptr<HttpSession> make_http_session(Protocol::socket socket, Peer peer,
                                               std::shared_ptr<HttpShared> shared) {
  return std::make_shared<Session>(std::move(socket), std::move(peer), std::move(shared));
}

}  // namespace failoverd::admin
