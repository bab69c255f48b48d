// The connections to the tablets: one each, plus a fresh one where the brain wants to know whether
// a port still answers. Carries CallTablet out and tells how each call and each connection ended.
// Never retries. What changes something is sent over a connection that stands, if it is allowed at
// that moment, or not at all: until one is made the lock may be lost (SAFETY 14), and whoever
// listens at its other end is not the one that the brain has heard (SAFETY 21). The brain is told
// of every connection that ends before another one is made.
//
// In a cluster with use_name tablets know each other by name, and forget the addresses at a restart
// (FEDB.md 8). The nameserver tells them; while none leads we do, and whatever names another tablet
// goes out behind that. Owned by the driver; one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/lifetime.h"
#include "lib/core/api/command.h"
#include "lib/core/api/event.h"
#include "lib/fedb/metadata/server_names.h"
#include "lib/fedb/wire/generation.h"
#include "lib/rpc/channel.h"

namespace failoverd::fedb {

class Tablets {
 public:
  using Tell = std::function<void(core::Event)>;

  // numbering: the cluster's, none while it is not known. What depends on it is not sent then.
  Tablets(boost::asio::io_context& io, const ServerNames& names,
          std::function<std::optional<Numbering>()> numbering, Tell tell);
  ~Tablets();
  Tablets(const Tablets&) = delete;
  Tablets& operator=(const Tablets&) = delete;

  // May this be sent now? Asked for each call that changes something, at the moment when its frame
  // goes out (SAFETY 14). Must be set before the first call.
  std::function<bool()> may_change;
  // Whether nodes/ has it: a process elsewhere is told nobody's address (SAFETY 21).
  std::function<bool(const core::Endpoint&)> is_registered = [](const core::Endpoint&) {
    return false;
  };
  // Then a nameserver tells the tablets of each other, sooner or later: who replicates to a tablet
  // that has moved would do so to where it was, for good. So what names a tablet still goes behind
  // the names; nothing else is told.
  std::function<bool()> nameserver_leads = [] { return false; };

  void call(const core::CallTablet& command);
  // The lock is lost: closes all connections, so that nothing that waits to be sent is sent any
  // more.
  void drop_all();
  // Call when names or tablets may have come, or no nameserver leads any more: who has another
  // address is connected to there, and who does not know all names is told them.
  void tell_names();

 private:
  struct Line {
    std::unique_ptr<rpc::Channel> channel;
    std::uint64_t names_told = 0;   // Their version; 0: none, over this connection.
    std::uint64_t names_going = 0;  // What it is being told; 0: nothing.
    std::vector<std::function<void()>> behind_names;  // What waits for that.
    std::size_t answers_at_most = 0;                  // Of what was asked over it, in bytes.
    bool timed_out = false;                           // Since the last answer.
  };
  // Leads to where it is now.
  Line& line(const core::Endpoint& endpoint);
  bool is_anothers(const core::Endpoint& tablet, const std::string& address) const;
  const char* why_not(const core::CallTablet& command);
  // names_again: where it lacks names it is told them, and called once more.
  void send(const core::CallTablet& command, Duration within, bool names_again);
  bool lacks_names(const core::Endpoint& tablet);
  void send_behind_names(const core::CallTablet& command, Instant end);
  void tell_names(const core::Endpoint& to);
  void names_answered(const core::Endpoint& by, const rpc::Answer& answer);
  void refuse(const core::CallTablet& command, core::Transport how, std::string why);
  void call_fresh(const core::CallTablet& command, const std::string& address);
  void fresh_answered(const core::CallTablet& command, const rpc::Answer& answer);

  boost::asio::io_context& io_;
  const ServerNames& names_;
  const std::function<std::optional<Numbering>()> numbering_;
  Tell tell_;
  std::map<core::Endpoint, Line> lines_;
  std::map<core::RequestId, std::unique_ptr<rpc::Channel>> fresh_;
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
