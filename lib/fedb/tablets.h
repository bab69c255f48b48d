// The connections to the tablets: one each, plus a fresh one where the brain wants to know whether
// a port still answers. Carries CallTablet out and tells how each call and each connection ended.
// Never retries. What changes something is sent over a connection that stands, if it is allowed at
// that moment, or not at all: until one is made the lock may be lost (SAFETY 14), and whoever
// listens at its other end is not the one that the brain has heard (SAFETY 21). The brain is told
// of every connection that ends before another one is made. Owned by the driver; one thread.
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
#include "lib/fedb/wire/generation.h"
#include "lib/rpc/channel.h"

namespace failoverd::fedb {

class Tablets {
 public:
  using Tell = std::function<void(core::Event)>;

  // numbering: the cluster's, none while it is not known. What depends on it is not sent then.
  Tablets(boost::asio::io_context& io, std::function<std::optional<Numbering>()> numbering,
          Tell tell);
  ~Tablets();
  Tablets(const Tablets&) = delete;
  Tablets& operator=(const Tablets&) = delete;

  // May this be sent now? Asked for each call that changes something, at the moment when its frame
  // goes out (SAFETY 14). Must be set before the first call.
  std::function<bool()> may_change;

  void call(const core::CallTablet& command);
  // The lock is lost: closes all connections, so that nothing that waits to be sent is sent any
  // more.
  void drop_all();

 private:
  struct Line {
    std::unique_ptr<rpc::Channel> channel;
    std::size_t answers_at_most = 0;  // Of what was asked over it, in bytes.
    bool timed_out = false;           // Since the last answer.
  };
  Line& line(const core::Endpoint& endpoint);
  void send(const core::CallTablet& command);
  void refuse(const core::CallTablet& command, core::Transport how, std::string why);
  void call_fresh(const core::CallTablet& command);
  void fresh_answered(const core::CallTablet& command, const rpc::Answer& answer);

  boost::asio::io_context& io_;
  const std::function<std::optional<Numbering>()> numbering_;
  Tell tell_;
  std::map<core::Endpoint, Line> lines_;
  std::map<core::RequestId, std::unique_ptr<rpc::Channel>> fresh_;
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
