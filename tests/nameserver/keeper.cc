#include "tests/nameserver/keeper.h"

#include <utility>

#include "lib/zookeeper/lock_queue.h"
#include "tests/minitablet/await.h"

namespace failoverd::mininameserver {

namespace asio = boost::asio;
using zookeeper::Code;
using zookeeper::SessionState;
using zookeeper::Stat;

namespace {

constexpr const char* kLock = "leader";

// One request of a session as something to wait for. `begin` is given what to call with the answer.
// No coroutine itself, and what it holds is moved in: gcc 12 destroys what a lambda holds twice
// where it is a temporary of a co_await.
template <class... Answer, class Begin>
asio::awaitable<std::tuple<Answer...>> answer_of(Begin&& begin) {
  return asio::async_initiate<const asio::use_awaitable_t<>&, void(std::tuple<Answer...>)>(
      [](auto handler, Begin request) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        request([shared](Answer... answer) {
          std::move (*shared)(std::tuple<Answer...>{std::move(answer)...});
        });
      },
      asio::use_awaitable, std::move(begin));
}

}  // namespace

Keeper::Keeper(asio::io_context& io, const Options& options) : io_{io}, options_{options} {}

void Keeper::start() { open(); }

void Keeper::open() {
  zookeeper::Session::Options options;
  options.hosts = options_.zk_cluster;
  options.timeout = options_.zk_session_timeout;
  options.digest_auth = options_.zk_cert;
  session_ = std::make_unique<zookeeper::Session>(io_, options);
  session_->on_state = [this](SessionState state, bool new_session) {
    if (state == SessionState::kExpired || new_session) mine_.clear();
    if (state == SessionState::kExpired) change(false);
    if (state != SessionState::kConnected) return;
    if (options_.use_name) {
      write_name();
    } else {
      queue_up();
    }
  };
  session_->start();
}

void Keeper::close() {
  if (session_) session_->close();
}

void Keeper::lose_session(bool stay_lost) {
  close();
  mine_.clear();
  change(false);
  if (!stay_lost) restore();
}

// The old session's answers are all given before the next one begins.
void Keeper::restore() {
  asio::post(io_, [this] { open(); });
}

// Before anybody may have to know who that is.
void Keeper::write_name() {
  const std::string mine = whole(znodes::kNames) + "/" + options_.name;
  session_->ensure_path(mine, [this, mine](Code there) {
    if (there != Code::kOk) return;  // The next connection tries again.
    session_->set(mine, options_.endpoint, -1, [this](Code code, Stat) {
      if (code == Code::kOk) queue_up();
    });
  });
}

void Keeper::queue_up() {
  session_->ensure_path(whole(kLock), [this](Code there) {
    if (there != Code::kOk) return;
    session_->create(whole(kLock) + "/lock_request", options_.known_as(), true, true,
                     [this](Code code, const std::string& path) {
                       if (code != Code::kOk) return;
                       mine_.insert(path);
                       look_at_queue();
                     });
  });
}

void Keeper::look_at_queue() {
  session_->children(
      whole(kLock),
      [this](Code code, const std::vector<std::string>& names, Stat) {
        if (code != Code::kOk) return;  // The next connection looks again.
        const auto queue = zookeeper::in_order(names);
        change(!queue.empty() && mine_.contains(whole(kLock) + "/" + queue.front().name));
      },
      [this] { look_at_queue(); });
}

void Keeper::change(bool leads) {
  if (std::exchange(leads_, leads) == leads) return;
  if (leads) {
    on_gained();
  } else {
    on_lost();
  }
}

asio::awaitable<Code> Keeper::set(const std::string& path, const std::string& value) {
  auto begin = [this, path = whole(path), value](auto done) {
    session_->set(path, value, -1, done);
  };
  const auto [code, stat] = co_await answer_of<Code, Stat>(std::move(begin));
  co_return code;
}

asio::awaitable<Code> Keeper::put(const std::string& path, const std::string& value) {
  const Code code = co_await set(path, value);
  if (code != Code::kNoNode) co_return code;
  co_return co_await make(path, value);
}

asio::awaitable<Code> Keeper::make(const std::string& path, const std::string& value) {
  const std::string all = whole(path);
  auto parents = [this, parent = all.substr(0, all.rfind('/'))](auto done) {
    session_->ensure_path(parent, done);
  };
  const auto [there] = co_await answer_of<Code>(std::move(parents));
  if (there != Code::kOk) co_return there;
  auto begin = [this, all, value](auto done) { session_->create(all, value, false, false, done); };
  const auto [code, created] = co_await answer_of<Code, std::string>(std::move(begin));
  co_return code == Code::kNodeExists ? Code::kOk : code;
}

asio::awaitable<Code> Keeper::remove(const std::string& path) {
  auto begin = [this, path = whole(path)](auto done) { session_->remove(path, -1, done); };
  const auto [code] = co_await answer_of<Code>(std::move(begin));
  co_return code;
}

asio::awaitable<std::optional<std::string>> Keeper::get(const std::string& path) {
  auto begin = [this, path = whole(path)](auto done) { session_->get(path, done); };
  auto [code, value, stat] = co_await answer_of<Code, std::string, Stat>(std::move(begin));
  if (code != Code::kOk) co_return std::nullopt;
  co_return std::move(value);
}

asio::awaitable<std::optional<std::vector<std::string>>> Keeper::children(
    const std::string& path, const zookeeper::Client::Watch& watch) {
  auto begin = [this, path = whole(path), watch](auto done) {
    session_->children(path, done, watch);
  };
  using Names = std::vector<std::string>;
  auto [code, names, stat] = co_await answer_of<Code, Names, Stat>(std::move(begin));
  if (code == Code::kNoNode) co_return Names{};
  if (code != Code::kOk) co_return std::nullopt;
  co_return std::move(names);
}

asio::awaitable<bool> Keeper::bump(const std::string& path) {
  const auto now = co_await get(path);
  std::uint64_t number = 0;
  if (!now || !harness::parse_number(*now, number)) co_return false;
  const std::string next = std::to_string(number + 1);
  const Code code = co_await set(path, next);
  co_return code == Code::kOk;
}

}  // namespace failoverd::mininameserver
