// Who steers, the nameserver or failoverd: takes over from it and gives back to it, step by step,
// so that never both do. What its switch was before is kept in <root>/failoverd/nameserver_switch
// ("true" or "false", then a line "by <who>"); a release that has begun and not ended, in our own
// switch (switch.h). Carried out by the daemon that acts; each step may be asked for again, after a
// failure or by a successor. Owned by ZookeeperSide; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "lib/base/lifetime.h"
#include "lib/base/loop.h"
#include "lib/fedb/leadership/leadership.h"
#include "lib/fedb/metadata/nameserver_terms.h"
#include "lib/fedb/metadata/nameserver_watch.h"
#include "lib/fedb/metadata/znode_store.h"
#include "lib/fedb/switch.h"
#include "lib/fedb/wire/paths.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

class NameserverSwitch {
 public:
  NameserverSwitch(zookeeper::Client& session, Paths paths, Leadership& leadership,
                   ZnodeStore& metadata, NameserverWatch& nameserver, Switch& ours);
  NameserverSwitch(const NameserverSwitch&) = delete;
  NameserverSwitch& operator=(const NameserverSwitch&) = delete;

  // done(true, what is now) or done(false, why not).
  using Done = std::function<void(bool ok, std::string text)>;

  void connected(bool new_session) { terms_.connected(new_session); }
  // leader/ has changed, or is read for the first time.
  void listed() { terms_.listed(we_reserve()); }

  // Switches ours on and the nameserver's off; failoverd acts when what runs of its ops has ended.
  void take_over(const std::string& by, const Done& done);
  // Switches ours off. done(true, ...): it is off, whatever has been begun. Nobody steers then
  // until release() has succeeded: half_released() says so, also after a restart.
  void prepare_release(const std::string& by, const Done& done);
  // Nothing of ours runs any more: the nameserver's is switched on again if it was on before. Where
  // it says no, ours is again what it was.
  void release(const Done& done);
  // A release has begun, and nobody steers until it has ended: a sentence with what to do. Empty:
  // none has.
  std::string half_released() const;
  // Call when something has changed: a release whose nameserver steers by now has ended.
  void look();
  // Raises table/term to `held`, the highest term that anybody is known to hold, and to all that
  // was ever given out by us, so that a nameserver that is restarted counts above them. Nothing is
  // written while it steers. done(false, why): it could not be raised.
  void raise_terms(core::Term held, const Done& done);
  // Why its elections would fail, once it steers: a sentence that says what to do first. Empty:
  // they would not. held: the highest term that a replica may hold.
  void why_not_to_release(core::Term held, std::function<void(std::string why)> done);

 private:
  bool we_reserve() const { return metadata_.highest_term() != 0; }
  void switch_over(const std::string& by, const Done& done);
  void remember(bool was, const std::string& by, const Done& done);
  void write(bool exists, const std::string& value, const Done& done);
  void give_back(bool was, const Done& done);
  void not_given_back(const std::string& why, const Done& done);
  bool it_steers() const { return nameserver_.leads() && nameserver_.said().auto_failover; }
  void released(bool steers, const std::string& text, const Done& done);
  std::string who_leads_not() const;

  zookeeper::Client& session_;
  const Paths paths_;
  Leadership& leadership_;
  ZnodeStore& metadata_;
  NameserverWatch& nameserver_;
  Switch& ours_;
  NameserverTerms terms_;
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
