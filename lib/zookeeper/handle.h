// One handle of ZooKeeper's single-threaded C client, driven by our loop: it is told when its
// socket is ready and when its time has come, and nothing waits longer than that. A handle lives
// for one session; who opened it closes it, from outside its events, and opens another. Internal to
// this library.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

// The C client's own name for it.
struct _zhandle;  // NOLINT(bugprone-reserved-identifier)

namespace failoverd::zookeeper {

class Handle : public std::enable_shared_from_this<Handle> {
 public:
  // Both are called from inside the C client, as are the completions of requests: they may look at
  // the handle, take note and return, nothing else.
  struct Events {
    std::function<void(int zoo_state)> on_session;
    std::function<void(int zoo_event, const char* path)> on_znode;
  };

  // hosts: addresses only (see hosts.h). Null if the C client refuses them, with errno set.
  static std::shared_ptr<Handle> open(boost::asio::io_context& io, const std::string& hosts,
                                      int timeout_ms, Events events);
  ~Handle();

  // Begins to connect, and goes on until close().
  void start();
  // Call after handing the C client a request: what it could not send at once is sent when the
  // socket takes it.
  void submitted();
  // Other addresses for the same servers.
  void set_servers(const std::string& hosts);
  // Ends the session at the server if connected (may block, see Session::close) and answers all
  // requests with ZCLOSING before it returns.
  void close();

  _zhandle* get() const { return zh_; }
  // What requests that set a watch pass as watcher and context.
  static void watcher(_zhandle*, int type, int state, const char* path, void* handle);

 private:
  Handle(boost::asio::io_context& io, std::string hosts, Events events);
  void turn(int events);
  void clean_up_after_failed_send();
  void rearm();
  void adopt(int fd);
  void drop_descriptor();
  void wait_for_socket(bool read, bool write);
  void wait_for_time(std::chrono::microseconds time);

  boost::asio::io_context& io_;
  const Events events_;
  std::string hosts_;
  _zhandle* zh_ = nullptr;
  boost::asio::steady_timer timer_;
  bool turn_posted_ = false;

  // A duplicate of the client's descriptor, ours to wait on and to close. The client closes and
  // reopens its own at will, and the number it frees may be anybody's by the time we hear of it;
  // the duplicate stays what it is, and its inode tells whether the client's is still the same
  // socket.
  std::optional<boost::asio::posix::stream_descriptor> descriptor_;
  ino_t inode_ = 0;
  unsigned generation_ = 0;  // Of the descriptor: a wait on an earlier one means nothing.
  bool reading_ = false;
  bool writing_ = false;
};

}  // namespace failoverd::zookeeper
