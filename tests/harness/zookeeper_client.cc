#include "tests/harness/zookeeper_client.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "tests/harness/wait_until.h"

namespace failoverd::harness {
namespace {

constexpr Duration kDeadline = std::chrono::seconds{30};

}  // namespace

using zookeeper::Session;
using zookeeper::SessionState;

ZooKeeperClient::ZooKeeperClient(Session::Options options, boost::asio::io_context* io)
    : own_io_(io != nullptr ? nullptr : std::make_unique<boost::asio::io_context>(1)),
      io_(io != nullptr ? *io : *own_io_),
      session_(std::make_unique<Session>(io_, std::move(options))) {
  session_->on_state = [this](SessionState state, bool new_session) {
    states_.push_back(to_text(state) + std::string{new_session ? " (new)" : ""});
    if (on_state) on_state(state, new_session);
  };
  session_->on_note = [this](const std::string& line) { notes_.push_back(line); };
  session_->start();
}

ZooKeeperClient::ZooKeeperClient(const std::string& hosts)
    : ZooKeeperClient(Session::Options{.hosts = hosts, .timeout = std::chrono::seconds{10}}) {}

bool ZooKeeperClient::wait_until(const std::function<bool()>& predicate, Duration deadline,
                                 std::string_view what) {
  return harness::wait_until(io_, predicate, deadline, what);
}

void ZooKeeperClient::connect() {
  const auto connected = [this] {
    return session_->state() == SessionState::kConnected && !states_.empty() &&
           states_.back().starts_with("connected");
  };
  if (!wait_until(connected, kDeadline, "connected to ZooKeeper")) {
    throw std::runtime_error("no connection to ZooKeeper");
  }
}

template <class Ask>
ZooKeeperClient::Answer ZooKeeperClient::wait_for(const std::string& what, Ask ask) {
  if (session_->state() == SessionState::kConnecting) connect();
  struct Waiting {
    bool answered = false;
    Answer answer;
  };
  const auto waiting = std::make_shared<Waiting>();
  ask([waiting](Answer answer) {
    waiting->answered = true;
    waiting->answer = std::move(answer);
  });
  if (!wait_until([&] { return waiting->answered; }, kDeadline, what + " is answered")) {
    throw std::runtime_error("no answer from ZooKeeper: " + what);
  }
  return std::move(waiting->answer);
}

template <class Ask>
ZooKeeperClient::Answer ZooKeeperClient::read(const std::string& what, Ask ask) {
  Answer answer = wait_for(what, ask);
  while (answer.code == Code::kUnknown) answer = wait_for(what, ask);
  return answer;
}

ZooKeeperClient::Answer ZooKeeperClient::get(const std::string& path, Session::Watch watch) {
  return read("get " + path, [&](auto done) {
    session_->get(
        path,
        [done](Code code, std::string value, Stat stat) {
          Answer answer;
          answer.code = code;
          answer.value = std::move(value);
          answer.stat = stat;
          done(std::move(answer));
        },
        watch);
  });
}

ZooKeeperClient::Answer ZooKeeperClient::children(const std::string& path, Session::Watch watch) {
  return read("children " + path, [&](auto done) {
    session_->children(
        path,
        [done](Code code, std::vector<std::string> names, Stat stat) {
          Answer answer;
          answer.code = code;
          answer.names = std::move(names);
          answer.stat = stat;
          std::ranges::sort(answer.names);
          done(std::move(answer));
        },
        watch);
  });
}

ZooKeeperClient::Answer ZooKeeperClient::exists(const std::string& path, Session::Watch watch) {
  return read("exists " + path, [&](auto done) {
    session_->exists(
        path,
        [done](Code code, Stat stat) {
          Answer answer;
          answer.code = code;
          answer.stat = stat;
          done(std::move(answer));
        },
        watch);
  });
}

ZooKeeperClient::Answer ZooKeeperClient::create(const std::string& path, std::string value,
                                                bool ephemeral, bool sequential) {
  return wait_for("create " + path, [&](auto done) {
    session_->create(path, std::move(value), ephemeral, sequential,
                     [done](Code code, std::string created) {
                       Answer answer;
                       answer.code = code;
                       answer.path = std::move(created);
                       done(std::move(answer));
                     });
  });
}

ZooKeeperClient::Answer ZooKeeperClient::set(const std::string& path, std::string value,
                                             std::int32_t version) {
  return wait_for("set " + path, [&](auto done) {
    session_->set(path, std::move(value), version, [done](Code code, Stat stat) {
      Answer answer;
      answer.code = code;
      answer.stat = stat;
      done(std::move(answer));
    });
  });
}

ZooKeeperClient::Answer ZooKeeperClient::multi(std::vector<zookeeper::Op> ops) {
  return wait_for("multi", [&](auto done) {
    session_->multi(std::move(ops), [done](Code code, std::vector<zookeeper::OpResult> results) {
      Answer answer;
      answer.code = code;
      answer.results = std::move(results);
      done(std::move(answer));
    });
  });
}

namespace {

template <class Done>
auto code_only(Done done) {
  return [done](ZooKeeperClient::Code code) {
    ZooKeeperClient::Answer answer;
    answer.code = code;
    done(std::move(answer));
  };
}

}  // namespace

ZooKeeperClient::Answer ZooKeeperClient::remove(const std::string& path, std::int32_t version) {
  return wait_for("remove " + path,
                  [&](auto done) { session_->remove(path, version, code_only(done)); });
}

ZooKeeperClient::Answer ZooKeeperClient::ensure_path(const std::string& path) {
  return wait_for("ensure_path " + path,
                  [&](auto done) { session_->ensure_path(path, code_only(done)); });
}

ZooKeeperClient::Answer ZooKeeperClient::sync(const std::string& path) {
  return read("sync " + path, [&](auto done) { session_->sync(path, code_only(done)); });
}

}  // namespace failoverd::harness
