// Which numbers the cluster's tables have: cluster.numbering, or with auto what the bytes of all
// tables that can be read agree on. Where they contradict each other, or one is of a numbering that
// we do not know, this is not the cluster that it is taken for: an Obstacle names the znodes, and
// nothing is changed until it is over. A znode that is damaged says nothing about the others
// (SAFETY 16). Owned by ZookeeperSide; one thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "lib/base/result.h"
#include "lib/fedb/leadership/obstacles.h"
#include "lib/fedb/wire/generation.h"

namespace failoverd::fedb {

class ClusterNumbering {
 public:
  // fixed: none means auto.
  ClusterNumbering(std::optional<Numbering> fixed, Obstacles& obstacles)
      : fixed_(fixed), obstacles_(obstacles) {}

  // Called with a line for the log when the numbering has been found out, or is another one.
  std::function<void(const std::string&)> on_found = [](const std::string&) {};

  // The znode was read: with which numbers its value is to be parsed. The Failure says why with
  // none. An obstacle is told before this returns.
  Result<Numbering> read(const std::string& znode, const std::string& value);
  // There is no such znode any more.
  void gone(const std::string& znode);

  // The cluster's. None: no table has been read yet, or they contradict each other.
  std::optional<Numbering> known() const;

 private:
  void look_again();

  const std::optional<Numbering> fixed_;
  Obstacles& obstacles_;
  std::map<Numbering, std::set<std::string>> tables_;  // By znode.
  std::map<std::string, std::string> of_another_;      // What is wrong, by znode.
  std::optional<Numbering> found_;                     // The last one that was said.
};

}  // namespace failoverd::fedb
