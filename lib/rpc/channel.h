// One baidu_std connection to one server: many calls in flight, answers in any order, a deadline
// for each call. It connects when the first call needs it and connects again, at the next call,
// after it was lost. It never retries a call and never blocks; callbacks run on the io_context,
// never from inside a function of this class, and may do with it what they like, its destruction
// included. Owned by whoever talks to that server; used from one thread; the io_context must
// outlive it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "lib/base/time.h"
#include "lib/rpc/frame.h"

namespace failoverd::rpc {

// How a call ended. Everything but kAnswered says how the transport failed.
enum class Outcome {
  kAnswered,     // The method answered: payload is its response message.
  kServerError,  // RpcMeta.response.error_code != 0: the server did not run the method's body.
  kRefused,      // ECONNREFUSED (SAFETY 15: the only evidence besides kReset).
  kReset,        // RST, or closed by the peer before the answer came: if sent, it may have been
                 // carried out.
  kUnreachable,  // EHOSTUNREACH, ENETUNREACH, cannot resolve, no descriptor left...: silence.
  kTimeout,      // No answer until the deadline, or no connection: if sent, it may yet be carried
                 // out. A call whose turn to be sent did not come is taken back: sent is false.
  kMalformed,    // The peer sent what is no frame, or one above kMaxFrameBytes, or answers without
                 // end that nobody asked for; connection closed. With sent false: the request is
                 // above that limit itself.
  kClosed,       // We closed the channel.
};
const char* to_text(Outcome);

struct Answer {
  Outcome outcome = Outcome::kClosed;
  // Whether the request may have reached the server: false only if it certainly did not.
  bool sent = false;
  int error_code = 0;      // With kServerError.
  std::string error_text;  // For people: what went wrong, where.
  std::string payload;     // With kAnswered.
  std::string attachment;  // With kAnswered.
};

// How a connection that was established ended.
enum class Lost {
  kReset,         // RST, while something of ours was unanswered: it may answer that, and come from
                  // a packet filter in between.
  kQuietReset,    // RST, and nothing of ours was unanswered: its system says that it has ended.
  kClosedByPeer,  // FIN. No packet filter sends one.
  kTimeout,       // The network gave up (ETIMEDOUT, EHOSTUNREACH...): silence, no evidence.
  kMalformed,     // We closed it, because of what the peer sent.
};
const char* to_text(Lost);

// What one of the cluster's own servers shows to another (FEDB.md 8). A server that asks for
// nothing does not look at it.
inline constexpr const char* kServiceAuthentication = "sdefault";

class Channel {
 public:
  struct Options {
    Duration connect_timeout = std::chrono::seconds{3};
    // Sent as RpcMeta.authentication_data with the first frame of a connection; empty: none.
    std::string authentication_data = kServiceAuthentication;
  };

  // endpoint: "ip:port" ("[v6]:port" too). Does nothing yet.
  Channel(boost::asio::io_context& io, std::string endpoint, Options options);
  ~Channel();  // Ends every call in flight with kClosed, from the io_context.
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  using Callback = std::function<void(Answer)>;

  // service: "TabletServer", method: "Put". request: the serialized message. The deadline covers
  // connecting, sending and the answer. A call that runs into its deadline leaves the connection
  // up.
  void call(std::string_view service, std::string_view method, std::string request,
            Duration deadline, Callback done);
  void call_with_attachment(std::string_view service, std::string_view method, std::string request,
                            std::string attachment, Duration deadline, Callback done);

  // Drops the connection now; calls in flight end with kClosed, the next call connects anew.
  void drop();

  // Answers are cut off above so many bytes (kMaxFrameBytes until then): as kMalformed.
  void take_at_most(std::size_t bytes);

  // Called when an established connection was lost (not for drop()), before the calls in flight
  // end; and when a connection was established.
  std::function<void(Lost)> on_lost;
  std::function<void()> on_connected;

  bool connected() const;
  const std::string& endpoint() const;
  std::size_t calls_in_flight() const;

 private:
  struct State;  // Shared with pending operations, which may outlive the channel.
  std::shared_ptr<State> state_;
};

}  // namespace failoverd::rpc
