// A tablet's znode: nodes/<endpoint>, ephemeral, `startup_<endpoint>` the first time and plain once
// a lost session has been noticed, which the original does only every zk_keep_alive_check_interval.
// With use_name the name stands there instead, and the endpoint in map/names/<name>.
// A tablet that loses its session goes on serving. Owned by main or a test, beside the Tablet.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "lib/zookeeper/session.h"
#include "tests/minitablet/options.h"

namespace failoverd::minitablet {

class Registration {
 public:
  Registration(boost::asio::io_context& io, const Options& options);
  ~Registration();
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

  // Connects. on_ready when the session is there: open the port, then call register_startup().
  void start();
  void register_startup();

  std::function<void()> on_ready;
  std::function<void()> on_registered;
  // The tablet must exit: no ZooKeeper within the session timeout (at least 5 s), or the znode of
  // our endpoint exists still: the last incarnation's session has not expired.
  std::function<void(std::string why)> on_failed;

  // Ends the session at once. stay_lost: until restore().
  void lose_session(bool stay_lost);
  void restore();
  // Ends the session for good, so that the znode goes at once.
  void close();

 private:
  void open_session();
  void write_name(std::function<void()> done);
  void register_now();
  void check();
  void register_again();
  void schedule_check();
  std::string path() const;

  boost::asio::io_context& io_;
  const Options& options_;
  boost::asio::steady_timer timer_;
  std::unique_ptr<zookeeper::Session> session_;
  bool ready_ = false;  // Was connected once.
  bool registered_ = false;
  bool stay_lost_ = false;
  bool reopened_ = false;  // By a check, which registers as soon as it is connected.
};

}  // namespace failoverd::minitablet
