// A tree of znodes, as a server of the made-up ZooKeeper has it, and what can be written to it.
// Pure.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/zookeeper/client.h"

namespace failoverd::simulation {

struct Znode {
  std::shared_ptr<const std::string> value;
  zookeeper::Stat stat;
};

// How one znode is; none: it is not there.
struct ZnodeState {
  std::string path;
  std::optional<Znode> znode;
};

class Znodes {
 public:
  Znodes();  // With "/" alone.

  const Znode* find(const std::string& path) const;
  std::vector<std::string> children(const std::string& path) const;  // Their names, in order.
  std::vector<std::string> owned_by(std::int64_t session) const;     // Its ephemeral znodes.

  struct Writer {
    std::int64_t zxid = 0;
    std::int64_t session = 0;
    std::int64_t now_ms = 0;
  };
  // Does it, or says why not. How all that it touches was before is appended to `before`.
  zookeeper::OpResult write(const zookeeper::Op&, const Writer&, std::vector<ZnodeState>& before);
  void set(const ZnodeState&);

 private:
  zookeeper::OpResult create(const zookeeper::Op&, const Writer&, std::vector<ZnodeState>& before);
  Znode& touch(const std::string& path, std::vector<ZnodeState>& before);
  void child_changed(const std::string& path, const Writer&, int more,
                     std::vector<ZnodeState>& before);

  std::map<std::string, Znode> znodes_;
};

std::string parent_of(const std::string& path);
// A failure in ZooKeeper's own word.
zookeeper::OpResult failed(zookeeper::Code, std::string word = {});

}  // namespace failoverd::simulation
