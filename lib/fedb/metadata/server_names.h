// The addresses behind servers' names, in a cluster with use_name: nodes/, leader/ and the rows
// name servers that way there. Plain memory; lib/fedb/metadata/names_watch.h fills it. Owned by the
// driver; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace failoverd::fedb {

class ServerNames {
 public:
  // A name keeps its last address for good: its server does not move because a znode went.
  void set(const std::string& name, const std::string& address);

  // Where to connect to: the address behind a name, or an endpoint itself. None: it is neither.
  std::optional<std::string> address_of(const std::string& server) const;
  // Names and addresses; empty: no server has a name.
  const std::map<std::string, std::string>& all() const { return addresses_; }
  // Another one after every change; 0: there is none yet.
  std::uint64_t version() const { return version_; }

 private:
  std::map<std::string, std::string> addresses_;
  std::uint64_t version_ = 0;
};

}  // namespace failoverd::fedb
