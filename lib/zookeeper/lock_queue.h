// The znodes of a lock in their order. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace failoverd::zookeeper {

struct Contender {
  std::string name;
  std::int64_t sequence = 0;
};

// The ten digits that ZooKeeper put at the end; nothing for a name that is none of a queue's.
std::optional<std::int64_t> sequence_of(std::string_view name);

// By sequence, which is not the order of the names: those begin with a GUID.
std::vector<Contender> in_order(const std::vector<std::string>& names);

}  // namespace failoverd::zookeeper
