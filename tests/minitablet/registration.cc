#include "tests/minitablet/registration.h"

#include <algorithm>
#include <utility>

namespace failoverd::minitablet {

using zookeeper::Code;
using zookeeper::SessionState;

Registration::Registration(boost::asio::io_context& io, const Options& options)
    : io_{io}, options_{options}, timer_{io} {}

Registration::~Registration() = default;

std::string Registration::path() const {
  return options_.zk_root_path + "/nodes/" + options_.known_as();
}

void Registration::open_session() {
  zookeeper::Session::Options options;
  options.hosts = options_.zk_cluster;
  options.timeout = options_.zk_session_timeout;
  options.digest_auth = options_.zk_cert;
  session_ = std::make_unique<zookeeper::Session>(io_, options);
  session_->on_state = [this](SessionState state, bool new_session) {
    if (state == SessionState::kConnected && !std::exchange(ready_, true)) {
      timer_.cancel();
      if (on_ready) on_ready();
    }
    // Whether the znode went is noticed at the next check, not before.
    if (state == SessionState::kExpired || (state == SessionState::kConnected && new_session)) {
      registered_ = false;
    }
    if (state == SessionState::kConnected && std::exchange(reopened_, false)) register_again();
  };
  session_->start();
}

void Registration::start() {
  timer_.expires_after(std::max(options_.zk_session_timeout, Millis{5000}));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && !ready_ && on_failed) {
      on_failed("no ZooKeeper at " + options_.zk_cluster);
    }
  });
  open_session();
}

void Registration::register_startup() {
  if (!options_.use_name) return register_now();
  write_name([this] { register_now(); });
}

// As the original does: the last address is overwritten.
void Registration::write_name(std::function<void()> done) {
  const std::string names = options_.zk_root_path + "/map/names";
  const std::string mine = names + "/" + options_.name;
  session_->ensure_path(names, [this, mine, done = std::move(done)](Code made) {
    if (made != Code::kOk) return on_failed("cannot create " + mine + ": " + to_text(made));
    session_->ensure_path(mine, [this, mine, done](Code there) {
      if (there != Code::kOk) return on_failed("cannot create " + mine + ": " + to_text(there));
      session_->set(mine, options_.endpoint, -1, [this, mine, done](Code set, zookeeper::Stat) {
        if (set != Code::kOk) return on_failed("cannot write " + mine + ": " + to_text(set));
        done();
      });
    });
  });
}

void Registration::register_now() {
  session_->ensure_path(options_.zk_root_path + "/nodes", [this](Code made) {
    if (made != Code::kOk) {
      return on_failed("cannot create " + options_.zk_root_path + "/nodes: " + to_text(made));
    }
    session_->create(path(), "startup_" + options_.known_as(), true, false,
                     [this](Code code, const std::string&) {
                       registered_ = code == Code::kOk;
                       if (!registered_) {
                         return on_failed("cannot create " + path() + ": " + to_text(code));
                       }
                       schedule_check();
                       if (on_registered) on_registered();
                     });
  });
}

void Registration::schedule_check() {
  timer_.expires_after(options_.zk_keep_alive_check_interval);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    check();
    schedule_check();
  });
}

void Registration::check() {
  if (stay_lost_ || registered_) return;
  if (!session_) {
    reopened_ = true;
    return open_session();
  }
  if (session_->state() == SessionState::kConnected) register_again();
}

void Registration::register_again() {
  session_->create(path(), options_.known_as(), true, false,
                   [this](Code code, const std::string&) { registered_ = code == Code::kOk; });
}

void Registration::lose_session(bool stay_lost) {
  stay_lost_ = stay_lost;
  registered_ = false;
  if (session_) session_->close();
  session_.reset();
}

void Registration::restore() { stay_lost_ = false; }

void Registration::close() {
  timer_.cancel();
  if (session_) session_->close();
  session_.reset();
}

}  // namespace failoverd::minitablet
