#include "lib/config/changes.h"

#include "lib/config/keys.h"

namespace failoverd::config {

std::vector<Change> changes(const Config& running, const Config& loaded) {
  std::vector<Change> found;
  for (const Key& key : keys()) {
    std::string from = key.get(running);
    std::string to = key.get(loaded);
    if (from != to) {
      found.push_back({key.name, std::move(from), std::move(to), key.at_start});
    } else if (key.name == "listen.token_file" && running.listen.token != loaded.listen.token) {
      found.push_back({key.name + "'s token", "the old one", "another"});
    } else if (key.name == "cluster.zookeeper_auth_file" &&
               running.cluster.zookeeper_identity != loaded.cluster.zookeeper_identity) {
      found.push_back({key.name + "'s identity", "the old one", "another", true});
    }
  }
  return found;
}

std::string restart_notice(const std::vector<Change>& changes) {
  std::string names;
  for (const Change& change : changes) {
    if (change.at_start) names += (names.empty() ? "" : ", ") + change.key;
  }
  return names.empty() ? names : names + " changed: restart failoverd to apply";
}

Config reloaded(const Config& running, const Config& loaded) {
  Config result = loaded;
  result.cluster = running.cluster;
  result.policy.metadata = running.policy.metadata;
  result.policy.shadow = running.policy.shadow;
  result.listen = running.listen;
  // What the file holds may change at any time, unlike which one it is.
  if (running.listen.token_file == loaded.listen.token_file) {
    result.listen.token = loaded.listen.token;
  }
  result.state_dir = running.state_dir;
  return result;
}

}  // namespace failoverd::config
