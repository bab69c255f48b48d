#include "lib/zookeeper/handle.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <zookeeper/zookeeper.h>

#include <algorithm>
#include <boost/asio/post.hpp>

namespace failoverd::zookeeper {
namespace {

using std::chrono::milliseconds;

// Answers handled before others on the loop get their turn.
constexpr int kPacketsPerTurn = 256;
// Servers tried in one turn when each refuses at once.
constexpr int kConnectsPerTurn = 16;
// After a round through all servers the C client waits a sixtieth of the session timeout, which is
// long for long sessions: somebody waits for us to be back.
constexpr milliseconds kLongestPause{50};
// Connecting here fails at once and without a packet: TCP has no broadcast.
constexpr const char* kNowhere = "255.255.255.255:1";

}  // namespace

std::shared_ptr<Handle> Handle::open(boost::asio::io_context& io, const std::string& hosts,
                                     int timeout_ms, Events events) {
  // The client's own log repeats every failed attempt; the session says what matters.
  zoo_set_debug_level(static_cast<ZooLogLevel>(0));
  std::shared_ptr<Handle> handle{new Handle{io, hosts, std::move(events)}};
  handle->zh_ = zookeeper_init2(hosts.c_str(), &Handle::watcher, timeout_ms, nullptr, handle.get(),
                                ZOO_NO_LOG_CLIENTENV, nullptr);
  if (handle->zh_ == nullptr) return nullptr;
  // Addresses need no looking up; otherwise it does so at every single turn.
  zoo_set_servers_resolution_delay(handle->zh_, -1);
  return handle;
}

Handle::Handle(boost::asio::io_context& io, std::string hosts, Events events)
    : io_(io), events_(std::move(events)), hosts_(std::move(hosts)), timer_(io) {}

Handle::~Handle() { close(); }

void Handle::start() { turn(0); }

void Handle::submitted() {
  if (turn_posted_) return;
  turn_posted_ = true;
  boost::asio::post(io_, [self = shared_from_this()] {
    self->turn_posted_ = false;
    self->turn(0);
  });
}

void Handle::set_servers(const std::string& hosts) {
  hosts_ = hosts;
  zoo_set_servers(zh_, hosts.c_str());
  submitted();
}

void Handle::close() {
  if (zh_ == nullptr) return;
  timer_.cancel();
  drop_descriptor();
  zookeeper_close(std::exchange(zh_, nullptr));
}

void Handle::watcher(zhandle_t*, int type, int state, const char* path, void* handle) {
  const Events& events = static_cast<Handle*>(handle)->events_;
  if (type == ZOO_SESSION_EVENT) {
    events.on_session(state);
  } else {
    events.on_znode(type, path);
  }
}

void Handle::turn(int events) {
  if (zh_ == nullptr) return;
  if (zoo_state(zh_) == ZOO_NOTCONNECTED_STATE && descriptor_) clean_up_after_failed_send();
  // The client takes one packet at a time off the socket and says ZNOTHING when there is no more.
  for (int i = 0; events != 0 && i < kPacketsPerTurn; ++i) {
    if (zookeeper_process(zh_, events) != ZOK) break;
    events = ZOOKEEPER_READ;
  }
  rearm();
}

// When a send fails inside a request, the client closes its socket and tells nobody: no session
// event, no answer to what was under way, and what was half sent would begin the next connection. A
// failed attempt to connect makes it do all that it has left undone.
void Handle::clean_up_after_failed_send() {
  drop_descriptor();
  events_.on_session(ZOO_CONNECTING_STATE);
  zoo_set_servers(zh_, kNowhere);
  int fd = -1;
  int interest = 0;
  timeval time{};
  for (int i = 0; i < 4 && zoo_state(zh_) == ZOO_NOTCONNECTED_STATE; ++i) {
    zookeeper_interest(zh_, &fd, &interest, &time);  // The first may only wait its pause.
  }
  zoo_set_servers(zh_, hosts_.c_str());
}

void Handle::rearm() {
  int fd = -1;
  int interest = 0;
  timeval time{};
  int rc = ZOK;
  for (int i = 0; i < kConnectsPerTurn; ++i) {
    rc = zookeeper_interest(zh_, &fd, &interest, &time);
    if (rc == ZOK || is_unrecoverable(zh_) != ZOK) break;
    // If it was a ping that could not be sent, the socket is still open: reading finds out.
    if (zoo_state(zh_) == ZOO_CONNECTED_STATE) zookeeper_process(zh_, ZOOKEEPER_READ);
  }
  if (is_unrecoverable(zh_) != ZOK) {  // Whoever opened us has been told, and will close us.
    timer_.cancel();
    drop_descriptor();
    return;
  }
  auto pause =
      std::chrono::seconds{time.tv_sec} + std::chrono::microseconds{time.tv_usec} + milliseconds{0};
  adopt(rc == ZOK ? fd : -1);
  if (!descriptor_) {
    wait_for_time(std::clamp<std::chrono::microseconds>(pause, milliseconds{5}, kLongestPause));
    return;
  }
  // Before the connection stands only writability says something, and reading would be premature.
  const bool connecting = zoo_state(zh_) == ZOO_CONNECTING_STATE;
  wait_for_socket(!connecting && (interest & ZOOKEEPER_READ) != 0,
                  (interest & ZOOKEEPER_WRITE) != 0);
  wait_for_time(std::max<std::chrono::microseconds>(pause, milliseconds{1}));
}

void Handle::adopt(int fd) {
  struct stat socket {};
  if (fd < 0 || fstat(fd, &socket) != 0) {
    drop_descriptor();
    return;
  }
  if (descriptor_ && inode_ == socket.st_ino) return;
  drop_descriptor();
  fcntl(fd, F_SETFD, FD_CLOEXEC);  // Programs that we run must not hold the session's connection.
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return;  // No descriptor left: tried again in a moment.
  descriptor_.emplace(io_);
  boost::system::error_code error;
  descriptor_->assign(own, error);
  if (error) {
    ::close(own);
    descriptor_.reset();
    return;
  }
  inode_ = socket.st_ino;
}

void Handle::drop_descriptor() {
  ++generation_;
  reading_ = writing_ = false;
  descriptor_.reset();
}

void Handle::wait_for_socket(bool read, bool write) {
  using boost::asio::posix::descriptor_base;
  const auto wait = [this](descriptor_base::wait_type type, bool Handle::*waiting, int event) {
    this->*waiting = true;
    descriptor_->async_wait(type, [self = shared_from_this(), generation = generation_, waiting,
                                   event](const boost::system::error_code& error) {
      if (error || generation != self->generation_) return;
      self.get()->*waiting = false;
      self->turn(event);
    });
  };
  if (read && !reading_) wait(descriptor_base::wait_read, &Handle::reading_, ZOOKEEPER_READ);
  if (write && !writing_) wait(descriptor_base::wait_write, &Handle::writing_, ZOOKEEPER_WRITE);
}

void Handle::wait_for_time(std::chrono::microseconds time) {
  timer_.expires_after(time);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    // Were we late, the answer that would tell the client that the server lives may be waiting in
    // the socket: read before it judges by the clock.
    if (!error) self->turn(self->reading_ ? ZOOKEEPER_READ : 0);
  });
}

}  // namespace failoverd::zookeeper
