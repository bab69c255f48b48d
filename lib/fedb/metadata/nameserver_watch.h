// The leading nameserver: who it is, whether it leads yet, and whether it steers by itself. Asked
// again and again while its znode stands; what it says is told at every change. Nothing of the
// cluster is changed here, but for its own switch when an operator wants it (takeover, release).
// Owned by ZookeeperSide; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/lifetime.h"
#include "lib/base/loop.h"
#include "lib/core/api/event.h"
#include "lib/fedb/metadata/nameserver_calls.h"
#include "lib/fedb/metadata/server_names.h"
#include "lib/fedb/wire/paths.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

class NameserverWatch {
 public:
  using Tell = std::function<void(core::Event)>;

  NameserverWatch(Loop& loop, zookeeper::Client& session, Paths paths, NameserverCalls& calls,
                  const ServerNames& names, Tell tell);
  NameserverWatch(const NameserverWatch&) = delete;
  NameserverWatch& operator=(const NameserverWatch&) = delete;

  // It has begun to lead, as far as we know: what it holds in memory may be older than what was
  // written without it.
  std::function<void()> on_leads = [] {};

  void connected(bool new_session);
  // Children of leader/: the leading one first.
  void listed(const core::NameserversListed&);

  // A znode below leader/ stands: nothing is written past whoever that is.
  bool is_there() const { return !endpoint_.empty(); }
  bool leads() const {
    return is_there() && said_.state == core::NameserverAnswered::State::kLeads;
  }
  const std::string& endpoint() const { return endpoint_; }
  const core::NameserverAnswered& said() const { return said_; }
  // A call of somebody else's to it was answered so: 300 or 301 are news.
  void heard(std::int32_t code);

  // Its own switch, with ConfSet. kDone: it says that it is so. kNotDone: it said no, or was not
  // asked. kUnknown: it may have done it or do it yet (SAFETY 17). `why` says why not.
  enum class Set : std::uint8_t { kDone, kNotDone, kUnknown };
  void set_auto_failover(bool on, std::function<void(Set, std::string why)> done);

 private:
  void read_switch();
  void does_not_lead(core::NameserverAnswered::State state);
  void it_steers();
  // A chain of ops is between two of them for a moment.
  static constexpr int kIdleLooks = 3;
  void look();
  void look_later(Duration pause);
  void conf_answered(std::uint64_t round, const NameserverReply& reply);
  void ask_ops(std::uint64_t round, core::NameserverAnswered now);
  void ops_answered(const NameserverReply& reply, core::NameserverAnswered now);
  void says(core::NameserverAnswered now);

  Loop& loop_;
  zookeeper::Client& session_;
  const Paths paths_;
  NameserverCalls& calls_;
  const ServerNames& names_;
  Tell tell_;
  Timer again_;
  std::string endpoint_;           // Empty: no znode.
  std::uint64_t round_ = 0;        // Answers of an earlier one are void.
  core::NameserverAnswered said_;  // What was told last, of endpoint_.
  bool told_ = false;
  bool asking_ = false;
  // Since it was switched off, or since we look: how often in a row it had no op that runs.
  int idle_looks_ = 0;
  bool has_steered_ = false;  // One did, or may have, since we look.
  // config/auto_failover.
  bool switch_watched_ = false;
  bool switch_read_ = false;
  std::optional<bool> switch_in_zookeeper_;  // None: not there, or neither true nor false.
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
