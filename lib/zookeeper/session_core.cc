#include "lib/zookeeper/session_core.h"

#include <zookeeper/zookeeper.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "lib/base/boot_clock.h"

namespace failoverd::zookeeper {
namespace {

using std::chrono::milliseconds;

constexpr Duration kFirstPause = milliseconds{100};
constexpr Duration kLongestPause = std::chrono::seconds{2};

// A connection that ends sooner, and without an answer, is of no use; each of them renews the
// session all the same, so that nobody else ever gets what it holds.
constexpr Duration kYoung = std::chrono::seconds{1};
constexpr int kMostDiedYoung = 5;
// Fewer bytes of watched paths are not what servers close connections for.
constexpr std::size_t kFewWatched = 8192;

int in_ms(Duration d) {
  return static_cast<int>(
      std::max<std::int64_t>(1, std::chrono::duration_cast<milliseconds>(d).count()));
}

std::string in_hex(std::int64_t id) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%" PRIx64, static_cast<std::uint64_t>(id));
  return text;
}

}  // namespace

Code to_code(int zoo_error) {
  switch (zoo_error) {
    case ZOK:
      return Code::kOk;
    case ZNONODE:
      return Code::kNoNode;
    case ZNODEEXISTS:
      return Code::kNodeExists;
    case ZBADVERSION:
      return Code::kBadVersion;
    case ZNOTEMPTY:
      return Code::kNotEmpty;
    case ZNOAUTH:
    case ZAUTHFAILED:
      return Code::kNoAuth;
    case ZSESSIONEXPIRED:
    case ZINVALIDSTATE:
      return Code::kExpired;
    case ZMARSHALLINGERROR:
    case ZUNIMPLEMENTED:
    case ZBADARGUMENTS:
    case ZAPIERROR:
    case ZNOCHILDRENFOREPHEMERALS:
    case ZINVALIDCALLBACK:
    case ZINVALIDACL:
    case ZNOTREADONLY:
    case ZEPHEMERALONLOCALSESSION:
      return Code::kOther;
    case ZCLOSING:
    case ZNOTHING:
    case ZSESSIONMOVED:
    case ZTHROTTLEDOP:
      return Code::kUnknown;
    default:  // What is below is a server's answer, and a no: a quota, say. What is above is not
              // (connection loss, time-out): it may have happened.
      return zoo_error < ZAPIERROR ? Code::kOther : Code::kUnknown;
  }
}

std::string word_of(int zoo_error) {
  constexpr int kQuotaExceeded = -125;  // The C client does not know it yet.
  if (zoo_error == kQuotaExceeded) return "quota exceeded";
  const Code code = to_code(zoo_error);
  if (code != Code::kOther && code != Code::kUnknown) return to_text(code);
  const std::string known = zerror(zoo_error);
  return known == "unknown error" ? "error " + std::to_string(zoo_error) : known;
}

SessionCore::SessionCore(boost::asio::io_context& io, Session::Options options, Session* owner)
    : io_(io),
      options_(std::move(options)),
      longest_request_(options_.longest_request),
      owner_(owner),
      lookup_(io),
      lookup_timer_(io),
      retry_timer_(io),
      retry_pause_(kFirstPause) {}

void SessionCore::start() {
  if (started_ || closed_) return;
  started_ = true;
  Result<std::vector<Host>> hosts = parse_hosts(options_.hosts);
  if (!hosts) {  // It can never connect; the configuration is where this is refused.
    note(hosts.error().text);
    return;
  }
  hosts_ = std::move(*hosts);
  open();
}

void SessionCore::close() {
  if (closed_) return;
  closed_ = true;
  state_ = SessionState::kExpired;
  lookup_timer_.cancel();
  retry_timer_.cancel();
  watches_.clear();
  if (handle_) std::exchange(handle_, nullptr)->close();
}

void SessionCore::push(std::function<void()> what) {
  ready_.push_back(std::move(what));
  if (drain_posted_) return;
  drain_posted_ = true;
  boost::asio::post(io_, [self = shared_from_this()] { self->drain(); });
}

void SessionCore::drain() {
  std::vector<std::function<void()>> batch;
  batch.swap(ready_);
  drain_posted_ = false;
  for (const std::function<void()>& what : batch) what();
}

void SessionCore::note(std::string line) {
  push([this, line = std::move(line)] {
    if (owner_ == nullptr || !owner_->on_note) return;
    const auto call = owner_->on_note;  // A copy: it may destroy the Session.
    call(line);
  });
}

void SessionCore::tell(SessionState state, bool new_session) {
  push([this, state, new_session] {
    if (owner_ == nullptr || closed_ || !owner_->on_state) return;
    const auto call = owner_->on_state;  // A copy: it may destroy the Session.
    call(state, new_session);
  });
}

// --- One session after the other -----------------------------------------------------------------

void SessionCore::open() {
  if (are_addresses(hosts_)) {
    connect(hosts_);
    return;
  }
  lookup_.start(hosts_, [this, self = weak_from_this()](std::vector<Host> found) {
    const auto alive = self.lock();
    if (!alive || closed_ || handle_) return;
    if (found.empty()) {
      note("ZooKeeper: no address found for " + options_.hosts);
      try_again_later();
    } else {
      connect(found);
    }
  });
}

void SessionCore::connect(const std::vector<Host>& addresses) {
  client_list_ = to_client_list(addresses);
  handle_ =
      Handle::open(io_, client_list_, in_ms(options_.timeout),
                   {.on_session = [this](int zoo_state) { on_session(zoo_state); },
                    .on_znode = [this](int event, const char* path) { on_znode(event, path); }});
  if (!handle_) {
    note("ZooKeeper: cannot open a session with " + client_list_ + ": " + std::strerror(errno));
    try_again_later();
    return;
  }
  if (!options_.digest_auth.empty()) {
    zoo_add_auth(handle_->get(), "digest", options_.digest_auth.data(),
                 static_cast<int>(options_.digest_auth.size()), nullptr, nullptr);
  }
  handle_->start();
  look_names_up();
}

void SessionCore::try_again_later() {
  retry_timer_.expires_after(retry_pause_);
  retry_pause_ = std::min(2 * retry_pause_, kLongestPause);
  retry_timer_.async_wait([this, self = weak_from_this()](const boost::system::error_code& error) {
    const auto alive = self.lock();
    if (alive && !error && !closed_ && !handle_) open();
  });
}

// While we are not connected, the servers' names may come to mean other addresses.
void SessionCore::look_names_up() {
  if (are_addresses(hosts_)) return;
  lookup_timer_.expires_after(kLongestPause);
  lookup_timer_.async_wait([this, self = weak_from_this()](const boost::system::error_code& error) {
    const auto alive = self.lock();
    if (!alive || error || closed_ || !handle_ || state_ == SessionState::kConnected) return;
    lookup_.start(hosts_, [this, self](std::vector<Host> found) {
      const auto still_alive = self.lock();
      if (!still_alive || closed_ || !handle_ || state_ == SessionState::kConnected) return;
      const std::string list = to_client_list(found);
      if (!found.empty() && list != client_list_) {
        client_list_ = list;
        handle_->set_servers(list);
      }
      look_names_up();
    });
  });
}

void SessionCore::on_session(int zoo_state) {
  if (closed_ || gives_up_) return;
  if (zoo_state == ZOO_CONNECTED_STATE) {
    on_connected();
  } else if (zoo_state < 0) {
    on_gone(zoo_state);
  } else if (state_ == SessionState::kConnected) {
    on_lost();
  }
}

void SessionCore::on_lost() {
  const bool was_asked = std::exchange(connection_asked_, false) || watches_.size() > 0;
  const bool is_of_use = connection_answered_ || !was_asked || boot_now() - connected_at_ > kYoung;
  died_young_ = is_of_use ? 0 : died_young_ + 1;
  if (died_young_ >= kMostDiedYoung) return give_up();
  state_ = SessionState::kConnecting;
  note("ZooKeeper: connection lost, session " + in_hex(session_id_) + " may live on");
  tell(state_, false);
  look_names_up();
}

// It is not ended at the server, where it runs out.
void SessionCore::give_up() {
  const std::size_t watched = watches_.bytes();
  note("ZooKeeper: session " + in_hex(session_id_) +
       " is given up: " + std::to_string(died_young_) +
       " connections in a row were closed without an answer, as by servers that do not take a "
       "request with all watched paths (" +
       std::to_string(watched) + " bytes; jute.maxbuffer)");
  if (watched > kFewWatched) most_watched_ = std::min(most_watched_, watched / 2);
  died_young_ = 0;
  gives_up_ = true;
  state_ = SessionState::kExpired;
  watches_.clear();
  tell(state_, false);
  replace_handle(/*at_once=*/false);
}

void SessionCore::on_connected() {
  const std::int64_t id = zoo_client_id(handle_->get())->client_id;
  const bool new_session = id != session_id_;
  session_id_ = id;
  negotiated_ = milliseconds{zoo_recv_timeout(handle_->get())};
  retry_pause_ = kFirstPause;
  connected_at_ = boot_now();
  connection_answered_ = false;
  state_ = SessionState::kConnected;
  note("ZooKeeper: connected to " + std::string{zoo_get_current_server(handle_->get())} +
       (new_session ? ", new session " : ", same session ") + in_hex(id) + ", timeout " +
       std::to_string(in_ms(negotiated_)) + " ms");
  tell(state_, new_session);
}

// Expired, or the server refuses our credentials; either way this handle is of no more use.
void SessionCore::on_gone(int zoo_state) {
  const bool expired = zoo_state == ZOO_EXPIRED_SESSION_STATE;
  note("ZooKeeper: session " + in_hex(session_id_) +
       (expired ? " has expired" : " was refused: authentication failed"));
  state_ = SessionState::kExpired;
  watches_.clear();
  tell(state_, false);
  replace_handle(expired);
}

void SessionCore::replace_handle(bool at_once) {
  push([this, at_once] {  // Not here: we are inside a call into the handle that is to go.
    gives_up_ = false;
    if (closed_ || !handle_) return;
    std::exchange(handle_, nullptr)->close();
    if (at_once) {
      open();
    } else {
      try_again_later();
    }
  });
}

// --- Watches -------------------------------------------------------------------------------------

void SessionCore::add_watch(Watches::Of of, const std::string& path, Session::Watch watch) {
  if (!closed_) watches_.add(of, path, std::move(watch));
}

void SessionCore::on_znode(int zoo_event, const char* path) {
  using Event = Watches::Event;
  Event event = Event::kData;
  if (zoo_event == ZOO_DELETED_EVENT) event = Event::kDeleted;
  if (zoo_event == ZOO_CHILD_EVENT) event = Event::kChildren;
  for (Session::Watch& watch : watches_.take(event, path)) {
    push([this, watch = std::move(watch)] {
      if (!closed_) watch();
    });
  }
}

}  // namespace failoverd::zookeeper
