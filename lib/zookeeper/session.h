// A client of real servers, on our loop, through the single-threaded C client. It connects, keeps
// the session alive, and after an expiry opens a new one by itself. Every callback comes from the
// io_context, and every request gets exactly one answer, also when the session ends or is
// destroyed.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "lib/zookeeper/client.h"

namespace failoverd::zookeeper {

class Session : public Client {
 public:
  struct Options {
    std::string hosts;                           // "h1:p,h2:p"; no chroot.
    Duration timeout = std::chrono::seconds{2};  // Asked for; the server may answer with another.
    std::string digest_auth = {};  // "user:password" or a zk_cert; empty: none. Then our znodes
                                   // are created with creator-all ACLs.
    // Requests that are longer, in bytes, are answered kOther and not sent.
    std::size_t longest_request = kLongestRequest;
  };

  Session(boost::asio::io_context& io, Options options);
  ~Session() override;  // close(); answers still to come come from the io_context.

  void start() override;
  // Blocks until the server has answered: about 1.5 s if it hangs, and not at all when we are not
  // connected.
  void close() override;

  bool authenticates() const override;
  void send_up_to(std::size_t bytes) override;
  std::size_t longest_request() const override;
  std::size_t most_watched_bytes() const override;
  SessionState state() const override;
  Duration negotiated_timeout() const override;
  std::int64_t session_id() const override;
  void get(const std::string& path, Get done, Watch watch = nullptr) override;
  void children(const std::string& path, Children done, Watch watch = nullptr) override;
  void exists(const std::string& path, Exists done, Watch watch = nullptr) override;
  void acl(const std::string& path, Acls done) override;
  void create(const std::string& path, std::string value, bool ephemeral, bool sequential,
              Created done) override;
  void set(const std::string& path, std::string value, std::int32_t version, SetDone done) override;
  void remove(const std::string& path, std::int32_t version, Done done) override;
  void multi(std::vector<Op> ops, MultiDone done) override;
  void ensure_path(const std::string& path, Done done, MayCreate may_create = nullptr) override;
  void sync(const std::string& path, Done done) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace failoverd::zookeeper
