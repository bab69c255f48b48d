// A client of the made-up ZooKeeper, which does what the C client does: requests go out in order
// and are answered in order, a lost connection leaves their outcome unknown, a session that nobody
// heard of expires, and watches fire once. Its process may be stopped: then nothing comes of it,
// pings neither. It may be destroyed from its own callbacks; what it has sent by then is lost.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/lifetime.h"
#include "lib/zookeeper/client.h"
#include "tests/simulation/fake_zookeeper.h"
#include "tests/simulation/fake_zookeeper_server.h"
#include "tests/simulation/schedule.h"

namespace failoverd::simulation {

class World;

// Runs what a process has to do: now, later if it is stopped, never if it is dead.
using RunInProcess = std::function<void(Work)>;

class FakeClient : public zookeeper::Client {
 public:
  // owner: its place in the network, and who its sessions belong to.
  FakeClient(World& world, std::string owner, RunInProcess run,
             std::size_t longest_request = zookeeper::kLongestRequest);
  ~FakeClient() override;  // close(), if it did not die().

  void start() override;
  void close() override;

  bool authenticates() const override { return false; }
  void send_up_to(std::size_t bytes) override { longest_ = std::max(longest_, bytes); }
  std::size_t longest_request() const override { return longest_; }
  std::size_t most_watched_bytes() const override { return most_watched; }
  zookeeper::SessionState state() const override { return state_; }
  Duration negotiated_timeout() const override;
  std::int64_t session_id() const override { return session_; }

  void get(const std::string& path, Get done, Watch watch) override;
  void children(const std::string& path, Children done, Watch watch) override;
  void exists(const std::string& path, Exists done, Watch watch) override;
  void acl(const std::string& path, Acls done) override;
  void create(const std::string& path, std::string value, bool ephemeral, bool sequential,
              Created done) override;
  void set(const std::string& path, std::string value, std::int32_t version, SetDone done) override;
  void remove(const std::string& path, std::int32_t version, Done done) override;
  void multi(std::vector<zookeeper::Op> ops, MultiDone done) override;
  void ensure_path(const std::string& path, Done done, MayCreate may_create = nullptr) override;
  void sync(const std::string& path, Done done) override;

  std::size_t most_watched = zookeeper::kMostWatched;

  // --- What befalls it
  bool connected() const { return state_ == zookeeper::SessionState::kConnected; }
  // Reset: some of what is under way is carried out all the same.
  void lose_connection();
  // Its process is gone: likewise, and nothing more comes from here.
  void die();
  // Its server hears nothing from the leader any more, or hears again.
  void cut_off_server(bool);
  bool server_is_cut_off() const { return server_ && server_->is_cut_off(); }

 private:
  using Code = zookeeper::Code;
  using Of = FakeServer::Of;
  struct Watched {
    std::string path;
    Of of{};
    bool existed = false;
    Watch watch;
  };
  struct Reply {
    Work tell;                          // Its sender.
    std::optional<Watched> watch = {};  // That was set by it.
    std::int64_t zxid = 0;              // Of the server.
  };
  struct Request {
    std::function<Reply(FakeServer&)> execute;
    std::function<void(Code)> instead;  // Told when it was not answered, or not sent.
    std::size_t bytes = 0;
    bool needs_leader = false;
    std::optional<Reply> reply = {};  // Carried out.
  };
  using RequestPtr = std::shared_ptr<Request>;

  // --- Time: in its process, and at its server
  void later(Duration, Work);
  void soon(Work work) { later(Duration{0}, std::move(work)); }
  void at_server(Instant, Work);

  // --- Requests
  void submit(Request);
  void write(std::vector<zookeeper::Op> ops,
             std::function<void(const FakeZooKeeper::Written&)> done);
  void send(const RequestPtr&);
  void arrive();
  void carry_out();
  void carry_out_some();
  void answer(Work deliver);
  void deliver();
  void answered(const Reply&);

  // --- Connections and sessions
  void tell(zookeeper::SessionState, bool new_session);
  void connect();
  void connected_as(bool new_session);
  void connection_lost();
  void close_from_server();
  void session_ended();
  void fail_all(Code);
  void expired();
  void tick();

  // --- Watches
  void fired(FakeServer::Event, const std::string& path);
  void set_watches_again();

  World& world_;
  const std::string owner_;
  const RunInProcess run_;
  std::size_t longest_;

  zookeeper::SessionState state_ = zookeeper::SessionState::kConnecting;
  bool closed_ = false;
  SessionId session_ = 0;
  std::uint64_t connection_ = 0;  // What belongs to an earlier one is void.
  bool is_closing_ = false;       // It is closed, or reset; that is not heard of here yet.
  std::unique_ptr<FakeServer> server_;
  Instant last_heard_;
  Instant up_free_;                  // When the request before has arrived at the server.
  Instant down_free_;                // When the answer before has arrived here.
  std::deque<RequestPtr> requests_;  // Not answered, in their order.
  std::deque<RequestPtr> sent_;      // On their way to the server.
  std::deque<RequestPtr> arrived_;   // There, and not carried out yet.
  std::deque<Work> coming_;          // Answers and watches on their way here.
  std::vector<Watched> watches_;
  std::int64_t seen_zxid_ = 0;
  Lifetime lifetime_;
};

}  // namespace failoverd::simulation
