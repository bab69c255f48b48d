#include "tests/simulation/nameserver_link.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/simulation/daemon.h"
#include "tests/simulation/nameserver.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

namespace {

constexpr Duration kSendAgain = std::chrono::milliseconds{20};

}  // namespace

NameserverLink::NameserverLink(World& world, Loop& loop, std::string daemon)
    : world_(world), loop_(loop), daemon_(std::move(daemon)) {}

NameserverLink::~NameserverLink() {
  if (wire_) wire_->has_ended = true;
}

void NameserverLink::call(const std::string& endpoint, const std::string& method,
                          std::string request, Duration deadline, Done done) {
  if (!world_.find_nameserver(endpoint)) {
    return loop_.after(deadline, [done = std::move(done)] {
      done({false, true, {}, "no answer"});
    });
  }
  if (endpoint != endpoint_) {
    connection_ends(false);
    endpoint_ = endpoint;
  }
  const std::uint64_t id = ++last_id_;
  const Daemon* daemon = world_.find_daemon(daemon_);
  const NameserverCall c{id,       daemon_, daemon ? daemon->epoch() : 0,
                         endpoint, method,  std::move(request)};
  pending_[id] = {c, std::move(done)};
  loop_.after(deadline, lifetime_.guard([this, id] {
    const auto found = pending_.find(id);
    if (found != pending_.end()) finish(id, {false, found->second.sent, {}, "no answer in time"});
  }));
  const bool instead = world_.tamper.nameserver && world_.tamper.nameserver(c, [this, id](auto p) {
    loop_.post(lifetime_.guard([this, id, p] { finish(id, {true, true, p, ""}); }));
  });
  if (instead) return;
  if (wire_) {
    send(id);
  } else if (!std::exchange(is_connecting_, true)) {
    connect();
  }
}

// --- The connection ------------------------------------------------------------------------------

Work NameserverLink::of_connection(Work work) {
  return lifetime_.guard([this, connection = connection_, work = std::move(work)] {
    if (connection == connection_) work();
  });
}

void NameserverLink::when_reached(Work work) {
  if (world_.reaches(daemon_, endpoint_)) return work();
  world_.schedule.after(kSendAgain, of_connection([this, work = std::move(work)]() mutable {
                          when_reached(std::move(work));
                        }));
}

// Also with one that is stopped: the kernel accepts.
void NameserverLink::connect() {
  const auto way = [this] { return world_.random.in(world_.timing.network); };
  world_.schedule.after(
      way() + way(), of_connection([this] {
        when_reached([this] {
          const Nameserver& to = *world_.find_nameserver(endpoint_);
          loop_.post(of_connection([this, running = to.running(), process = to.process()] {
            running ? connected(process) : connection_ends(true);
          }));
        });
      }));
}

void NameserverLink::connected(std::uint64_t process) {
  is_connecting_ = false;
  wire_ = std::make_shared<Wire>();
  wire_->process = process;
  Nameserver& to = *world_.find_nameserver(endpoint_);
  const Work ends =
      of_connection([this] { loop_.post(of_connection([this] { connection_ends(false); })); });
  if (!to.running() || to.process() != process) return ends();
  to.when_it_ends(ends);
  std::vector<std::uint64_t> waiting;
  for (const auto& [id, p] : pending_) {
    if (!p.sent) waiting.push_back(id);
  }
  for (const std::uint64_t id : waiting) send(id);
}

void NameserverLink::connection_ends(bool was_refused) {
  ++connection_;
  if (wire_) wire_->has_ended = true;
  wire_.reset();
  is_connecting_ = false;
  coming_.clear();
  for (auto& [id, p] : std::exchange(pending_, {})) {
    const fedb::NameserverReply reply{false, p.sent, {}, was_refused ? "refused" : "reset"};
    loop_.post(lifetime_.guard([this, p, reply] {
      world_.tell(&Observer::nameserver_answered, p.call, reply);
      p.done(reply);
    }));
  }
}

// --- Questions and answers -----------------------------------------------------------------------

void NameserverLink::send(std::uint64_t id) {
  Pending& p = pending_.at(id);
  p.sent = true;
  world_.tell(&Observer::nameserver_asked, p.call);
  up_free_ = std::max(up_free_, world_.schedule.now() + world_.random.in(world_.timing.network));
  wire_->sent.push_back(
      {p.call, lifetime_.guard([this, id, connection = connection_](const std::string& payload) {
         if (connection == connection_) answered(id, payload);
       })});
  world_.schedule.at(up_free_, [&world = world_, wire = wire_] { arrive(world, wire); });
}

void NameserverLink::arrive(World& world, const std::shared_ptr<Wire>& wire) {
  if (wire->sent.empty()) return;
  const NameserverCall& call = wire->sent.front().call;
  if (!world.reaches(call.daemon, call.endpoint)) {
    world.schedule.after(kSendAgain, [&world, wire] { arrive(world, wire); });
    return;
  }
  if (wire->has_ended && !world.random.chance(world.timing.carried_out)) return wire->sent.clear();
  const Wire::Sent sent = std::move(wire->sent.front());
  wire->sent.pop_front();
  Nameserver& to = *world.find_nameserver(sent.call.endpoint);
  if (to.running() && to.process() == wire->process) to.take(sent.call, sent.reply);
}

// A connection that breaks takes all answers with it that are under way.
void NameserverLink::answered(std::uint64_t id, const std::string& payload) {
  if (world_.random.chance(world_.find_nameserver(endpoint_)->breaks)) {
    return loop_.post(of_connection([this] { connection_ends(false); }));
  }
  down_free_ =
      std::max(down_free_, world_.schedule.now() + world_.random.in(world_.timing.network));
  coming_.push_back([this, id, payload] { finish(id, {true, true, payload, ""}); });
  loop_.after(down_free_ - world_.schedule.now(),
              of_connection([this] { when_reached([this] { deliver(); }); }));
}

void NameserverLink::deliver() {
  if (coming_.empty()) return;
  const Work work = std::move(coming_.front());
  coming_.pop_front();
  work();
}

void NameserverLink::finish(std::uint64_t id, const fedb::NameserverReply& reply) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  const Pending p = std::move(found->second);
  pending_.erase(found);
  if (p.sent) world_.tell(&Observer::nameserver_answered, p.call, reply);
  p.done(reply);
}

}  // namespace failoverd::simulation
