// All that stands between a daemon's brain and ZooKeeper, put together: the lock with its epoch,
// what is read of the cluster, what is written, the switch; and the nameserver, through which
// tables are written while its znode stands. Decides nothing, and never asks a tablet. Owned by the
// driver; one thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "lib/base/loop.h"
#include "lib/core/api/command.h"
#include "lib/core/api/event.h"
#include "lib/fedb/leadership/leadership.h"
#include "lib/fedb/leadership/obstacles.h"
#include "lib/fedb/metadata/cluster_numbering.h"
#include "lib/fedb/metadata/cluster_presence.h"
#include "lib/fedb/metadata/cluster_view.h"
#include "lib/fedb/metadata/names_watch.h"
#include "lib/fedb/metadata/nameserver_calls.h"
#include "lib/fedb/metadata/nameserver_ops.h"
#include "lib/fedb/metadata/nameserver_store.h"
#include "lib/fedb/metadata/nameserver_watch.h"
#include "lib/fedb/metadata/server_names.h"
#include "lib/fedb/metadata/znode_store.h"
#include "lib/fedb/nameserver_switch.h"
#include "lib/fedb/switch.h"
#include "lib/fedb/wire/paths.h"
#include "lib/fedb/wire/table_info.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

struct ZookeeperSide {
  using Tell = std::function<void(core::Event)>;
  struct Options {
    Paths paths;
    std::optional<Numbering> numbering;  // None: by the bytes.
    std::string daemon;                  // Its name, unique among those of the cluster.
    std::string machine;                 // See daemon_name.h.
    std::string lock_value;              // What others read in its znode of the lock.
    bool auto_failover = true;           // Where neither a znode nor its file says so.
    // cluster.metadata: auto. Else nameservers are not asked, and tables are written past them.
    bool through_nameserver = true;
    bool shadow = false;  // Nothing that is not ours is written.
  };

  // open: for connections beside the client's. server_names: what is read of them goes in there.
  ZookeeperSide(Loop& loop, zookeeper::Client& client, const zookeeper::OpenClient& open,
                NameserverCalls& calls, ServerNames& server_names, const Options& options,
                const Tell& tell);

  // Call from Client::on_state. Tells ZookeeperConnected and ZookeeperLost.
  void session_changed(zookeeper::SessionState state, bool new_session);

  // Call with every event: before the brain is told it, and when all that it commanded then has
  // been carried out.
  void before_brain(const core::Event& event);
  void after_brain(const core::Event& event);

  // The commands that are ZooKeeper's to answer.
  void carry_out(const core::Publish& command);
  void carry_out(const core::TryTable& command) { metadata.try_table(command); }
  void carry_out(const core::ReserveTerms& command) { metadata.reserve_terms(command); }
  void carry_out(const core::ReserveOpIds& command) { metadata.reserve_op_ids(command); }
  void carry_out(const core::WriteRecord& command) { metadata.write_record(command); }
  void carry_out(const core::DropRecord& command) { metadata.drop_record(command); }
  void carry_out(const core::WriteHold& command) { metadata.write_hold(command); }
  void carry_out(const core::DropHold& command) { metadata.drop_hold(command); }
  void carry_out(const core::WriteJournal& command) { metadata.write_journal(command); }
  void carry_out(const core::ReadTable& command) { view.read_again(command.znode); }

  Obstacles obstacles;
  ClusterNumbering numbering;
  ClusterPresence presence;
  NamesWatch names;
  ClusterView view;
  Leadership leadership;
  ZnodeStore metadata;
  NameserverWatch nameserver;
  NameserverOps nameserver_ops;
  NameserverStore through;
  Switch switched;
  NameserverSwitch nameserver_switch;

 private:
  const Tell tell_;
  const bool through_nameserver_;
  const bool auto_failover_;
  const bool shadow_;
};

}  // namespace failoverd::fedb
