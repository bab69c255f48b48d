// What is asked of ZooKeeper, within one session after the other. Session speaks to real servers;
// the simulation has one that is made up. Every answer comes from the loop, never from inside the
// call. Nothing is retried: a write whose connection was lost is kUnknown (SAFETY 17), and the
// caller reads back. Used from one thread.
//
// Requests are sent at once and in order, as many at a time as one likes, and answered in that
// order. One made while the connection is down is sent when it is back, or answered kUnknown when
// the next attempt to connect fails; one made while the session is kExpired is answered kExpired.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/time.h"

namespace failoverd::zookeeper {

enum class Code {
  kOk,
  kNoNode,
  kNodeExists,
  kBadVersion,
  kNotEmpty,
  kNoAuth,
  kUnknown,     // Connection lost, operation timeout, or closed with the request under way: a write
                // may have happened or may yet.
  kExpired,     // The session is gone; this write did not happen and will not.
  kNotApplied,  // In a multi: rolled back, or not reached, because another op of it failed.
  kOther,       // Did not happen: invalid path, longer than is sent (Client::on_note says which),
                // child of an ephemeral znode, a quota, ...
};
const char* to_text(Code);

struct Stat {
  std::int64_t czxid = 0;
  std::int64_t mzxid = 0;
  std::int64_t pzxid = 0;
  std::int64_t ctime_ms = 0;
  std::int64_t mtime_ms = 0;
  std::int32_t version = 0;
  std::int32_t cversion = 0;
  std::int64_t ephemeral_owner = 0;
  std::int32_t data_length = 0;
  std::int32_t num_children = 0;
};

// What can be in a multi.
struct Op {
  enum class Kind { kCreate, kSet, kDelete, kCheck };
  Kind kind = Kind::kCheck;
  std::string path;
  std::string value;          // kCreate, kSet.
  std::int32_t version = -1;  // kSet, kDelete, kCheck. -1: any.
  bool ephemeral = false;     // kCreate.
  bool sequential = false;    // kCreate.

  static Op create(std::string path, std::string value);
  static Op set(std::string path, std::string value, std::int32_t version);
  static Op remove(std::string path, std::int32_t version);
  static Op check(std::string path, std::int32_t version);
  std::size_t bytes() const;  // About what it takes on the wire.
};

struct OpResult {
  Code code = Code::kUnknown;
  std::string created_path;  // kCreate.
  Stat stat;                 // kSet.
  std::string word = {};  // ZooKeeper's own for a code of its answer: "no auth", "bad arguments".
};

// One entry of a znode's access control list: what `id` of `scheme` may do.
struct Acl {
  std::string scheme;  // "world", "ip", "digest", "sasl", ...
  std::string id;
  bool write = false;   // May set its value.
  std::string letters;  // All that it may, as ZooKeeper's tools write it: "cdrwa".
};
std::string to_text(const Acl&);  // "world:anyone:r"

enum class SessionState {
  kConnecting,  // Not connected; the session may still live at the servers.
  kConnected,
  kExpired,  // A new session is being opened. Ephemeral znodes are gone; or, where the session was
             // given up, go when it has run out. Also after close().
};
const char* to_text(SessionState);

// A server closes the connection on a longer request (its jute.maxbuffer; this is what it is where
// nobody has set another), and with it ends everything else that is under way.
inline constexpr std::size_t kLongestRequest = 0xfffff;

// A reconnect names all watched paths in one request, which has to pass like any other: with so
// many bytes of them it does, with room for requests beside.
inline constexpr std::size_t kMostWatched = kLongestRequest / 2;

class Client {
 public:
  Client() = default;
  virtual ~Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Begins to connect and returns. Servers that are down or whose names are not found are tried
  // until they are there.
  virtual void start() = 0;
  // Ends the session cleanly, so that its ephemeral znodes go at once. Requests under way end with
  // kUnknown, later ones with kExpired.
  virtual void close() = 0;

  // kConnected comes once per (re)connection, with `new_session` if it is another session than
  // before: watches of an old session never fire again and must be set anew. The order is
  // kConnected(new), then any number of kConnecting, kConnected(same), then kConnecting, kExpired,
  // kConnected(new) and so on. Not called for close().
  std::function<void(SessionState, bool new_session)> on_state;

  // One line for the log, without a full stop: connected, lost, expired, what was not sent and why.
  std::function<void(const std::string& line)> on_note;

  virtual bool authenticates() const = 0;  // Shows who we are.
  // These servers are known to take requests of so many bytes: longer ones than we were told.
  virtual void send_up_to(std::size_t bytes) = 0;
  virtual std::size_t longest_request() const = 0;  // What is longer is not sent.

  // So many bytes of paths may be watched. It falls when a session had to be given up because a
  // server closed every connection on which they were named.
  virtual std::size_t most_watched_bytes() const = 0;

  virtual SessionState state() const = 0;
  virtual Duration negotiated_timeout() const = 0;  // Zero before the first connection.
  virtual std::int64_t session_id() const = 0;      // Zero before the first connection.

  // Fires at most once, when the znode, its data or its children changed; or never (the session
  // expired: set it anew). After a reconnect within the session it still holds. It is set only if
  // its request is answered kOk, with exists() also kNoNode. Keep the paths below
  // most_watched_bytes().
  using Watch = std::function<void()>;

  using Get = std::function<void(Code, std::string value, Stat)>;
  using Children = std::function<void(Code, std::vector<std::string> names, Stat)>;
  using Exists = std::function<void(Code, Stat)>;
  using Created = std::function<void(Code, std::string path)>;
  using Acls = std::function<void(Code, std::vector<Acl>)>;
  using Done = std::function<void(Code)>;
  using SetDone = std::function<void(Code, Stat)>;
  using MultiDone = std::function<void(Code, std::vector<OpResult>)>;

  virtual void get(const std::string& path, Get done, Watch watch = nullptr) = 0;
  virtual void children(const std::string& path, Children done, Watch watch = nullptr) = 0;
  virtual void exists(const std::string& path, Exists done, Watch watch = nullptr) = 0;
  // No watch tells that it changed.
  virtual void acl(const std::string& path, Acls done) = 0;
  // With sequential the server appends ten digits to the path; `done` is told the whole path.
  virtual void create(const std::string& path, std::string value, bool ephemeral, bool sequential,
                      Created done) = 0;
  // version: what the znode must have, -1 any. `done` is told the Stat after the write.
  virtual void set(const std::string& path, std::string value, std::int32_t version,
                   SetDone done) = 0;
  virtual void remove(const std::string& path, std::int32_t version, Done done) = 0;
  // All or nothing. Code: kOk, or the failing op's, kUnknown, kExpired. There is a result for every
  // op: with a failing one, its own code there and kNotApplied elsewhere.
  virtual void multi(std::vector<Op> ops, MultiDone done) = 0;
  // Creates the path and its missing parents as persistent znodes with empty values; kOk if there.
  // Where it is missing and `may_create` says no, nothing is created: kNoNode.
  using MayCreate = std::function<bool()>;
  virtual void ensure_path(const std::string& path, Done done, MayCreate may_create = nullptr) = 0;
  // Brings the server that we are connected to up to date with the leader.
  virtual void sync(const std::string& path, Done done) = 0;
};

// Opens another client of the same servers, not started yet, that sends requests up to so long.
using OpenClient = std::function<std::unique_ptr<Client>(std::size_t longest_request)>;

}  // namespace failoverd::zookeeper
