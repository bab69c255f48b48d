// What a Session is inside: the states of one session after the other, the requests under way, the
// watches, and the answers that wait for their turn on the loop. Internal to this library. Kept
// alive by what it has posted, so that a Session can be destroyed from one of its own callbacks.
#pragma once

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/zookeeper/handle.h"
#include "lib/zookeeper/hosts.h"
#include "lib/zookeeper/session.h"
#include "lib/zookeeper/watches.h"

namespace failoverd::zookeeper {

class SessionCore : public std::enable_shared_from_this<SessionCore> {
 public:
  SessionCore(boost::asio::io_context& io, Session::Options options, Session* owner);

  void start();
  void close();
  void disown() { owner_ = nullptr; }  // The Session is gone: nobody to tell states.

  bool authenticates() const { return !options_.digest_auth.empty(); }
  void send_up_to(std::size_t bytes) { longest_request_ = std::max(longest_request_, bytes); }
  std::size_t longest_request() const { return longest_request_; }
  std::size_t most_watched_bytes() const { return most_watched_; }
  SessionState state() const { return state_; }
  Duration negotiated_timeout() const { return negotiated_; }
  std::int64_t session_id() const { return session_id_; }

  void get(const std::string& path, Session::Get done, Session::Watch watch);
  void children(const std::string& path, Session::Children done, Session::Watch watch);
  void exists(const std::string& path, Session::Exists done, Session::Watch watch);
  void acl(const std::string& path, Session::Acls done);
  void create(const std::string& path, std::string value, bool ephemeral, bool sequential,
              Session::Created done);
  void set(const std::string& path, std::string value, std::int32_t version, Session::SetDone done);
  void remove(const std::string& path, std::int32_t version, Session::Done done);
  void multi(std::vector<Op> ops, Session::MultiDone done);
  void ensure_path(const std::string& path, Session::Done done, Session::MayCreate may_create);
  void sync(const std::string& path, Session::Done done);

  // For completions, which run inside the C client: what they have to say is said on the loop.
  void push(std::function<void()> what);
  template <class... Rest, class... Values>
  void answer(std::function<void(Code, Rest...)>&& done, Code code, Values&&... values) {
    push([done = std::move(done), code, ... values = std::forward<Values>(values)]() mutable {
      if (done) done(code, std::move(values)...);
    });
  }
  // The same, for what came from the C client: where a server has answered, the connection is of
  // use.
  template <class... Rest, class... Values>
  void completed(std::function<void(Code, Rest...)>&& done, Code code, Values&&... values) {
    if (code != Code::kUnknown && code != Code::kExpired) connection_answered_ = true;
    answer(std::move(done), code, std::forward<Values>(values)...);
  }
  void add_watch(Watches::Of of, const std::string& path, Session::Watch watch);
  void note(std::string line);

 private:
  // Why a request is not even handed to the C client, if so.
  std::optional<Code> refusal(const std::string& path, bool sequential, std::size_t bytes);
  // Gives the request to the C client with `send(zhandle, Call*)`, or refuses it.
  template <class... Rest, class Send>
  void submit(const std::string& path, bool sequential, std::size_t bytes,
              std::function<void(Code, Rest...)> done, Session::Watch watch, Send send);
  template <class... Rest>
  void refuse(std::function<void(Code, Rest...)>&& done, Code code) {
    answer(std::move(done), code, std::decay_t<Rest>{}...);
  }
  void drain();

  void open();
  void connect(const std::vector<Host>& addresses);
  void try_again_later();
  void look_names_up();
  void on_session(int zoo_state);
  void on_connected();
  void on_lost();
  void on_gone(int zoo_state);
  void give_up();
  void on_znode(int zoo_event, const char* path);
  void replace_handle(bool at_once);
  void tell(SessionState state, bool new_session);

  boost::asio::io_context& io_;
  const Session::Options options_;
  std::vector<Host> hosts_;  // As configured; names or addresses.
  std::size_t longest_request_;

  Session* owner_;  // Null when the Session is gone.
  SessionState state_ = SessionState::kConnecting;
  bool started_ = false;
  bool closed_ = false;
  std::int64_t session_id_ = 0;
  Duration negotiated_{};
  std::shared_ptr<Handle> handle_;  // Null before the first address is known and between sessions.
  std::string client_list_;         // What the handle was last given.
  Watches watches_;
  std::size_t most_watched_ = kMostWatched;
  Instant connected_at_;
  bool connection_asked_ = false;     // Something, besides the watches that it named.
  bool connection_answered_ = false;  // Since it was established.
  int died_young_ = 0;                // So many in a row that were asked and did not answer.
  bool gives_up_ = false;             // The handle is to be replaced, whatever it says.
  std::vector<std::function<void()>> ready_;
  bool drain_posted_ = false;

  HostLookup lookup_;
  boost::asio::steady_timer lookup_timer_;
  boost::asio::steady_timer retry_timer_;
  Duration retry_pause_{};
};

// ZooKeeper's own codes (ZOK, ...) in our words. What is not known to have been refused is
// kUnknown.
Code to_code(int zoo_error);
// ZooKeeper's own word for it: "no auth", "bad arguments", "quota exceeded".
std::string word_of(int zoo_error);

}  // namespace failoverd::zookeeper
