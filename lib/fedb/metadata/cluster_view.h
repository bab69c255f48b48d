// Reads the cluster from ZooKeeper and keeps watching it: tablets, tables, nameservers. Every
// change becomes an event with the whole new state of what changed; nothing is decided and nothing
// is written here. Keeps the bytes of every table, so that an edit can be applied to them. Owned by
// the driver; one thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/base/lifetime.h"
#include "lib/base/loop.h"
#include "lib/core/api/event.h"
#include "lib/fedb/leadership/obstacles.h"
#include "lib/fedb/metadata/children_watch.h"
#include "lib/fedb/metadata/cluster_numbering.h"
#include "lib/fedb/metadata/names_watch.h"
#include "lib/fedb/metadata/tablet_znodes.h"
#include "lib/fedb/wire/paths.h"
#include "lib/fedb/wire/table_info.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

// A table's znode as last read or written by us.
struct TableValue {
  std::string value;
  std::int32_t version = 0;
  Numbering numbering = Numbering::kFedb;  // Of these bytes.
  TableDetails details;
  bool is_global_variables = false;  // OpenMLDB's INFORMATION_SCHEMA.GLOBAL_VARIABLES.
};

// The ACL as text where nobody like us is let write: whoever comes, whoever comes from an address,
// or whoever shows something as we do with `authenticates`. Else empty: we may be let.
std::string let_in_nobody_like_us(const std::vector<zookeeper::Acl>&, bool authenticates);

class ClusterView {
 public:
  using Tell = std::function<void(core::Event)>;

  // server_names: as `names_watch` reads them. A tablet that is called by one is a tablet like
  // others.
  ClusterView(Loop& loop, zookeeper::Client& session, Paths paths, ClusterNumbering& numbering,
              const ServerNames& server_names, NamesWatch& names_watch, Obstacles& obstacles,
              Tell tell);
  ClusterView(const ClusterView&) = delete;
  ClusterView& operator=(const ClusterView&) = delete;

  // Called with a line for the log about a child of nodes/ that is not as it should be: once, and
  // again when it has been away or is another one.
  std::function<void(const std::string&)> on_warning = [](const std::string&) {};

  // Call from Client::on_state at every kConnected: reads what is not known to be watched.
  void connected(bool new_session);

  // Reads one table again, after bringing our server up to date, and tells it (SAFETY 17).
  void read_again(const std::string& znode) {
    read_again(znode, [] {});
  }
  // `done`: when it was read and told, or cannot be.
  void read_again(const std::string& znode, std::function<void()> done);
  // nodes/ has this tablet.
  bool has_tablet(const core::Endpoint& tablet) const { return tablets_.has(tablet); }
  // We wrote it ourselves: version and bytes are known without reading.
  void written(const std::string& znode, std::string value, std::int32_t version);

  const TableValue* table(const std::string& znode) const;
  // The znode of the table with that tid; none: no such table is known.
  std::optional<std::string> znode_of(std::uint32_t tid) const;

 private:
  struct TableEntry {
    TableValue value;
    bool known = false;
    bool reading = false;
    bool again = false;
    bool watched = false;
    bool waits = false;      // To be read again, because it could not be.
    Duration pause{};        // Before that, if it was refused.
    bool polled = false;     // It is read because it is not watched.
    std::int64_t mzxid = 0;  // Of its last change that was told.
    std::uint32_t tid = 0;   // 0: it does not parse.
  };

  void nameservers_listed(const std::vector<std::string>& names);
  void tell_nameservers();
  void tables_listed();
  // A table's znode as it was read, and who may write it.
  struct Reading {
    zookeeper::Code code{};
    std::string value;
    zookeeper::Stat stat;
    std::string acl;
  };
  void read_table(const std::string& znode);
  void parse(const std::string& znode, Reading&, TableEntry&);
  void set_watched(const std::string& znode, TableEntry&, bool is);
  void poll_later();
  void poll();
  void table_read(const std::string& znode, Reading);
  void table_was_read(const std::string& znode, TableEntry&, Reading);
  void table_not_read(const std::string& znode, zookeeper::Code);
  void tell_if_all_is_read();

  Loop& loop_;
  zookeeper::Client& session_;
  const Paths paths_;
  ClusterNumbering& numbering_;
  Obstacles& obstacles_;
  Tell tell_;

  TabletZnodes tablets_;
  ChildrenWatch nameservers_;
  ChildrenWatch tables_;
  ChildrenWatch db_tables_;
  std::map<std::string, TableEntry> entries_;  // By znode, relative to the root.
  // Who is told when a znode has been read once more.
  std::map<std::string, std::vector<std::function<void()>>> readers_;
  // Of tables whose znode is watched. What would be too much is not watched but read in turn.
  std::size_t watched_bytes_ = 0;
  bool polls_ = false;
  std::string polled_;  // The last one.

  std::map<std::string, std::string> nameservers_found_;  // By sequence.
  bool nameservers_told_ = false;
  bool all_told_ = false;
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
