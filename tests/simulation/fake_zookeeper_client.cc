#include "tests/simulation/fake_zookeeper_client.h"

#include <algorithm>
#include <utility>

#include "lib/base/check.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

using zookeeper::SessionState;

namespace {

constexpr Duration kSendAgain = std::chrono::milliseconds{20};

}  // namespace

FakeClient::FakeClient(World& world, std::string owner, RunInProcess run,
                       std::size_t longest_request)
    : world_(world), owner_(std::move(owner)), run_(std::move(run)), longest_(longest_request) {}

FakeClient::~FakeClient() { FakeClient::close(); }

void FakeClient::later(Duration duration, Work work) {
  world_.schedule.after(duration,
                        [run = run_, work = Work{lifetime_.guard(std::move(work))}] { run(work); });
}

void FakeClient::at_server(Instant when, Work work) {
  world_.schedule.at(when, lifetime_.guard(std::move(work)));
}

Duration FakeClient::negotiated_timeout() const {
  return session_ == 0 ? Duration{0} : world_.timing.daemon_session;
}

// --- Requests on their way -----------------------------------------------------------------------

void FakeClient::submit(Request request) {
  if (state_ == SessionState::kExpired || request.bytes > longest_) {
    const Code code = state_ == SessionState::kExpired ? Code::kExpired : Code::kOther;
    return soon([instead = std::move(request.instead), code] { instead(code); });
  }
  requests_.push_back(std::make_shared<Request>(std::move(request)));
  if (connected()) send(requests_.back());
}

void FakeClient::send(const RequestPtr& request) {
  sent_.push_back(request);
  up_free_ = std::max(up_free_, world_.schedule.now() + world_.random.in(world_.timing.zookeeper));
  at_server(up_free_, [this, connection = connection_] {
    if (connection == connection_) arrive();
  });
}

// While the network is cut it is sent again and again, until the connection is given up.
void FakeClient::arrive() {
  if (!world_.reaches(owner_, World::kZookeeper)) {
    return at_server(world_.schedule.now() + kSendAgain, [this, connection = connection_] {
      if (connection == connection_) arrive();
    });
  }
  if (is_closing_) return;
  const RequestPtr request = std::move(sent_.front());
  sent_.pop_front();
  FakeZooKeeper& fake_zookeeper = world_.fake_zookeeper;
  if (!fake_zookeeper.takes_length(request->bytes)) return close_from_server();
  if (!server_->is_cut_off()) {
    if (!fake_zookeeper.alive(session_)) return close_from_server();
    fake_zookeeper.heard(session_);
  }
  arrived_.push_back(request);
  carry_out();
}

void FakeClient::carry_out() {
  while (!arrived_.empty()) {
    const RequestPtr request = arrived_.front();
    if (request->needs_leader && server_->is_cut_off()) return;
    arrived_.pop_front();
    request->reply = request->execute(*server_);
    request->reply->zxid = server_->zxid();
    answer([this, request] { answered(*request->reply); });
  }
}

void FakeClient::carry_out_some() {
  if (!connected() || !world_.reaches(owner_, World::kZookeeper)) return;
  for (const RequestPtr& request : requests_) {
    if (request->reply) continue;
    // Nor is anything that was sent after it.
    if (!world_.fake_zookeeper.alive(session_) ||
        !world_.fake_zookeeper.takes_length(request->bytes))
      return;
    if (request->needs_leader && server_->is_cut_off()) return;
    if (!world_.random.chance(world_.timing.carried_out)) return;
    request->reply = request->execute(*server_);
  }
}

// Answers and watches come in the order in which the server had them.
void FakeClient::answer(Work work) {
  coming_.push_back(std::move(work));
  const Instant now = world_.schedule.now();
  down_free_ = std::max(down_free_, now + world_.random.in(world_.timing.zookeeper));
  later(down_free_ - now, [this, connection = connection_] {
    if (connection == connection_) deliver();
  });
}

void FakeClient::deliver() {
  if (!world_.reaches(owner_, World::kZookeeper)) {
    return later(kSendAgain, [this, connection = connection_] {
      if (connection == connection_) deliver();
    });
  }
  last_heard_ = world_.schedule.now();
  const Work work = std::move(coming_.front());
  coming_.pop_front();
  work();
}

void FakeClient::answered(const Reply& reply) {
  requests_.pop_front();
  seen_zxid_ = std::max(seen_zxid_, reply.zxid);
  if (reply.watch) watches_.push_back(*reply.watch);
  reply.tell();
}

// --- Connections and sessions --------------------------------------------------------------------

void FakeClient::tell(SessionState state, bool new_session) {
  soon([this, state, new_session] {
    if (on_state) on_state(state, new_session);
  });
}

void FakeClient::start() {
  const Duration there_and_back =
      world_.random.in(world_.timing.zookeeper) + world_.random.in(world_.timing.zookeeper);
  later(there_and_back, [this] { connect(); });
}

void FakeClient::connect() {
  if (closed_ || connected()) return;
  if (!world_.reaches(owner_, World::kZookeeper)) {
    fail_all(Code::kUnknown);
    return later(world_.random.in(world_.timing.reconnect), [this] { connect(); });
  }
  const bool is_new = session_ == 0;
  if (is_new) {
    session_ = world_.fake_zookeeper.open(owner_, world_.timing.daemon_session,
                                          lifetime_.guard([this] { session_ended(); }));
  } else if (!world_.fake_zookeeper.alive(session_)) {
    return expired();
  }
  connected_as(is_new);
}

void FakeClient::connected_as(bool new_session) {
  world_.fake_zookeeper.heard(session_);
  state_ = SessionState::kConnected;
  is_closing_ = false;
  last_heard_ = world_.schedule.now();
  const bool another =
      !server_ || server_->is_cut_off() || world_.random.chance(world_.timing.another_server);
  if (another) {
    const auto fire = [this](FakeServer::Event event, const std::string& path) {
      fired(event, path);
    };
    // A session begins with a write, which its server has; to go on with it needs none.
    server_ = new_session ? std::make_unique<FakeServer>(world_, fire)
                          : std::make_unique<FakeServer>(world_, world_.follower, seen_zxid_, fire);
  }
  if (!new_session) set_watches_again();
  for (const RequestPtr& request : requests_) send(request);
  tell(SessionState::kConnected, new_session);
  tick();
}

void FakeClient::connection_lost() {
  state_ = SessionState::kConnecting;
  ++connection_;
  sent_.clear();
  arrived_.clear();
  coming_.clear();
  server_->forget_watches();
  tell(SessionState::kConnecting, false);
  fail_all(Code::kUnknown);
  later(world_.random.in(world_.timing.reconnect), [this] { connect(); });
}

void FakeClient::fail_all(Code code) {
  for (const RequestPtr& request : std::exchange(requests_, {})) {
    soon([request, code] { request->instead(code); });
  }
}

void FakeClient::expired() {
  state_ = SessionState::kExpired;
  session_ = 0;
  server_.reset();
  watches_.clear();
  tell(SessionState::kExpired, false);
  fail_all(Code::kExpired);
  later(world_.random.in(world_.timing.reconnect), [this] { connect(); });
}

void FakeClient::close_from_server() {
  is_closing_ = true;
  later(world_.random.in(world_.timing.network), [this, connection = connection_] {
    if (connection == connection_ && connected()) connection_lost();
  });
}

// A server that is cut off does not know.
void FakeClient::session_ended() {
  if (connected() && !server_->is_cut_off()) close_from_server();
}

void FakeClient::lose_connection() {
  if (!connected()) return;
  carry_out_some();
  is_closing_ = true;
  run_(lifetime_.guard([this, connection = connection_] {
    if (connection == connection_ && connected()) connection_lost();
  }));
}

void FakeClient::die() {
  carry_out_some();
  closed_ = true;
  ++connection_;
  state_ = SessionState::kExpired;
  requests_.clear();
  server_.reset();
}

void FakeClient::close() {
  if (std::exchange(closed_, true)) return;
  const bool is_heard = connected() && world_.reaches(owner_, World::kZookeeper);
  state_ = SessionState::kExpired;
  ++connection_;
  fail_all(Code::kUnknown);
  server_.reset();
  if (is_heard) world_.fake_zookeeper.expire(session_);
}

void FakeClient::cut_off_server(bool is) {
  if (!server_) return;
  server_->cut_off(is);
  if (is) return;
  if (!world_.fake_zookeeper.alive(session_)) return close_from_server();
  carry_out();
}

// A ping every third of a session; a connection over which nothing comes is given up after two.
void FakeClient::tick() {
  const Duration session = world_.timing.daemon_session;
  if (world_.schedule.now() - last_heard_ >= session * 2 / 3) return connection_lost();
  const auto same = [this, connection = connection_] {
    return connection == connection_ && connected();
  };
  const Instant there = world_.schedule.now() + world_.random.in(world_.timing.zookeeper);
  at_server(there, [this, same] {
    if (!same() || is_closing_ || !world_.reaches(owner_, World::kZookeeper)) return;
    if (!server_->is_cut_off()) {
      if (!world_.fake_zookeeper.alive(session_)) return close_from_server();
      world_.fake_zookeeper.heard(session_);
    }
    later(world_.random.in(world_.timing.zookeeper), [this, same] {
      if (same() && world_.reaches(owner_, World::kZookeeper)) last_heard_ = world_.schedule.now();
    });
  });
  later(session / 3, [this, same] {
    if (same()) tick();
  });
}

// --- Watches -------------------------------------------------------------------------------------

void FakeClient::fired(FakeServer::Event event, const std::string& path) {
  if (!connected()) return;
  answer([this, event, path, zxid = server_->zxid()] {
    using Event = FakeServer::Event;
    seen_zxid_ = std::max(seen_zxid_, zxid);
    std::vector<Watched> told;
    std::erase_if(watches_, [&](const Watched& w) {
      const bool is_meant =
          event == Event::kDeleted || (w.of == Of::kChildren) == (event == Event::kChildren);
      if (w.path != path || !is_meant) return false;
      told.push_back(w);
      return true;
    });
    // One of them may destroy this.
    const auto call = lifetime_.guard([](const Watched& w) { w.watch(); });
    for (const Watched& w : told) call(w);
  });
}

// As the C client names all that it watches to the server, with the last that it has seen.
void FakeClient::set_watches_again() {
  using Event = FakeServer::Event;
  for (const Watched& w : watches_) {
    const Znode* znode = server_->znodes().find(w.path);
    if (!znode && (w.existed || w.of == Of::kChildren)) {
      fired(Event::kDeleted, w.path);
    } else if (w.of == Of::kData && znode && (!w.existed || znode->stat.mzxid > seen_zxid_)) {
      fired(Event::kData, w.path);
    } else if (w.of == Of::kChildren && znode->stat.pzxid > seen_zxid_) {
      fired(Event::kChildren, w.path);
    } else {
      server_->watch(w.of, w.path);
    }
  }
}

}  // namespace failoverd::simulation
