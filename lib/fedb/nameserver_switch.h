// Who steers, the nameserver or failoverd: takes over from it and gives back to it, step by step,
// so that never both do. What its switch was before is kept in <root>/failoverd/nameserver_switch
// ("true" or "false", then a line "by <who>"). Carried out by the daemon that acts; each step may
// be asked for again, after a failure or by a successor. Owned by ZookeeperSide; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "lib/base/lifetime.h"
#include "lib/base/loop.h"
#include "lib/fedb/leadership/leadership.h"
#include "lib/fedb/metadata/nameserver_watch.h"
#include "lib/fedb/switch.h"
#include "lib/fedb/wire/paths.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

class NameserverSwitch {
 public:
  NameserverSwitch(zookeeper::Client& session, Paths paths, Leadership& leadership,
                   NameserverWatch& nameserver, Switch& ours);
  NameserverSwitch(const NameserverSwitch&) = delete;
  NameserverSwitch& operator=(const NameserverSwitch&) = delete;

  // done(true, what is now) or done(false, why not).
  using Done = std::function<void(bool ok, std::string text)>;

  // Switches ours on and the nameserver's off; failoverd acts when what runs of its ops has ended.
  void take_over(const std::string& by, const Done& done);
  // Switches ours off. done(true, ...): it is off, whatever has been begun.
  void prepare_release(const std::string& by, const Done& done);
  // Nothing of ours runs any more: the nameserver's is switched on again if it was on before.
  void release(const Done& done);
  // Why its elections would fail, once it steers: a sentence that says what to do first. Empty:
  // they would not, as far as is known.
  // highest_term: that we have reserved since we act; 0: none was.
  void why_not_to_release(std::uint64_t highest_term, std::function<void(std::string why)> done);

 private:
  void remember(bool was, const std::string& by, const Done& done);
  void write(bool exists, const std::string& value, const Done& done);
  void give_back(bool was, const Done& done);

  zookeeper::Client& session_;
  const Paths paths_;
  Leadership& leadership_;
  NameserverWatch& nameserver_;
  Switch& ours_;
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
