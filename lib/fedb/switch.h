// The switch auto_failover, shared by all daemons in <root>/failoverd/auto_failover, and what this
// daemon last read from its own file (INTERFACE.md, "The switch"): only a file that says something
// else than it said before changes the switch. Value of the znode: "true" or "false", then a line
// "by <who>". Owned by the hands; one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "lib/core/event.h"
#include "lib/fedb/paths.h"
#include "lib/zookeeper/session.h"

namespace failoverd::fedb {

class Switch {
 public:
  using Tell = std::function<void(core::Event)>;

  // daemon: this daemon's name, below failoverd/daemons/.
  Switch(boost::asio::io_context& io, zookeeper::Session& session, Paths paths, std::string daemon,
         Tell tell);
  ~Switch();
  Switch(const Switch&) = delete;
  Switch& operator=(const Switch&) = delete;

  // One line about a value that is neither true nor false. Must be set.
  std::function<void(std::string)> complain;

  // Reads it and watches it from now on.
  void connected(bool new_session);
  // The file was read, at the start or by a reload. None: it does not say.
  void file_says(std::optional<bool> value);
  // This daemon has become active: where no znode is, it writes what its file says, or `otherwise`.
  void now_active(bool otherwise);
  // confset. done(ok): written, or why not.
  void set(bool value, const std::string& by, std::function<void(bool ok, std::string why)> done);

  const std::string& by() const { return by_; }

 private:
  void read();
  void value_read(zookeeper::Code code, const std::string& value);
  void compare_with_remembered();
  void remember(bool value);
  void create(bool value);
  void later(std::function<void()> what);

  template <class F>
  auto guarded(F f) {
    return [alive = alive_, f = std::move(f)](auto&&... args) {
      if (*alive) f(std::forward<decltype(args)>(args)...);
    };
  }

  boost::asio::io_context& io_;
  zookeeper::Session& session_;
  const Paths paths_;
  const std::string daemon_;
  Tell tell_;
  std::optional<bool> file_;
  bool compare_ = false;  // What the file says is still to be compared.
  bool connected_ = false;
  bool watched_ = false;
  bool read_ = false;
  bool exists_ = false;
  std::optional<bool> create_as_;  // Active: what to write where no znode is.
  std::string by_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace failoverd::fedb
