// A daemon's connection to a nameserver of the made-up world, as the real one is
// (lib/fedb/nameserver_connection.h): one, to whom was asked last; many questions at a time,
// carried out in the order of asking; each answered once, late answers dropped. A nameserver of
// which there is only a znode never answers.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "lib/base/lifetime.h"
#include "lib/base/loop.h"
#include "lib/fedb/metadata/nameserver_calls.h"
#include "tests/simulation/schedule.h"

namespace failoverd::simulation {

class World;

struct NameserverCall {
  std::uint64_t id = 0;
  std::string daemon;      // Who asks,
  std::int64_t epoch = 0;  // and by which epoch it acts.
  std::string endpoint;    // Who is asked.
  std::string method;
  std::string request;
};

class NameserverLink : public fedb::NameserverCalls {
 public:
  NameserverLink(World& world, Loop& loop, std::string daemon);
  ~NameserverLink() override;
  NameserverLink(const NameserverLink&) = delete;
  NameserverLink& operator=(const NameserverLink&) = delete;

  void call(const std::string& endpoint, const std::string& method, std::string request,
            Duration deadline, Done done) override;

 private:
  struct Pending {
    NameserverCall call;
    Done done;
    bool sent = false;
  };

  // What has been sent over a connection and has not arrived. It may yet when that has ended, and
  // when whoever asked is dead.
  struct Wire {
    struct Sent {
      NameserverCall call;
      std::function<void(const std::string& payload)> reply;
    };
    std::uint64_t process = 0;
    std::deque<Sent> sent;
    bool has_ended = false;
  };

  void connect();
  void connected(std::uint64_t process);
  void send(std::uint64_t id);
  static void arrive(World& world, const std::shared_ptr<Wire>& wire);
  void answered(std::uint64_t id, const std::string& payload);
  void deliver();
  void connection_ends(bool was_refused);
  void finish(std::uint64_t id, const fedb::NameserverReply&);
  // Every so often until the network lets it through, unless this connection is over.
  void when_reached(Work work);
  Work of_connection(Work work);

  World& world_;
  Loop& loop_;
  const std::string daemon_;
  std::string endpoint_;
  std::uint64_t connection_ = 0;  // What belongs to an earlier one is void.
  bool is_connecting_ = false;
  std::shared_ptr<Wire> wire_;  // None: it does not stand (yet).
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Pending> pending_;
  Instant up_free_;  // When the question before has arrived there.
  Instant down_free_;
  std::deque<Work> coming_;
  Lifetime lifetime_;
};

}  // namespace failoverd::simulation
