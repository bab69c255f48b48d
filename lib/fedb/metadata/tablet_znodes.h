// The tablets below nodes/, each of which has an ephemeral znode there: read and watched. Every
// change is told as the whole list. Never writes. Owned by ClusterView; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/loop.h"
#include "lib/core/api/event.h"
#include "lib/fedb/leadership/obstacles.h"
#include "lib/fedb/metadata/children_watch.h"
#include "lib/fedb/metadata/names_watch.h"
#include "lib/fedb/metadata/server_names.h"
#include "lib/fedb/wire/paths.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

class TabletZnodes {
 public:
  // server_names: as `names_watch` reads them. A tablet that is called by one is a tablet like
  // others.
  TabletZnodes(Loop& loop, zookeeper::Client& session, const Paths& paths,
               const ServerNames& server_names, NamesWatch& names_watch, Obstacles& obstacles);

  // Must be set.
  std::function<void(core::TabletsListed)> on_listed;
  // A line for the log about a child that is not as it should be: once, and again when it has been
  // away or is another one.
  std::function<void(const std::string&)> on_warning = [](const std::string&) {};

  void connected(bool new_session);
  bool are_read() const { return are_read_; }
  bool has(const core::Endpoint&) const;

 private:
  void listed(const std::vector<std::string>& names);
  void names_read();
  bool may_have_come_anew(const std::vector<std::string>& names) const;
  bool may_be_a_tablet(const std::string& name);
  void take(const std::string& name, const std::string& value, const zookeeper::Stat&);
  void complain_once(const std::string& name, const std::string& line);
  void tell();

  const ServerNames& names_;
  NamesWatch& names_watch_;
  Obstacles& obstacles_;
  ChildrenWatch list_;
  // By child; none: it is no tablet's.
  std::map<std::string, std::optional<core::TabletsListed::Child>> known_;
  std::uint64_t names_version_ = 0;  // With which it was looked whether they are tablets.
  bool waits_for_names_ = false;     // A list of tablets does.
  struct Listed {
    std::vector<std::string> names;
    std::int32_t cversion = 0;
  };
  std::optional<Listed> before_;                   // Within this session.
  std::map<std::string, std::string> complained_;  // By child.
  bool are_read_ = false;
};

}  // namespace failoverd::fedb
