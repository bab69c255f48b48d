#include "lib/core/api/calls.h"

#include <algorithm>

namespace failoverd::core {

bool changes(const Call& call) {
  return !std::holds_alternative<GetTableStatus>(call) &&
         !std::holds_alternative<GetTermPair>(call) &&
         !std::holds_alternative<GetTableFollower>(call) &&
         !std::holds_alternative<GetManifest>(call) && !std::holds_alternative<GetTaskStatus>(call);
}

std::optional<PartitionKey> partition_of(const Call& call) {
  return std::visit(
      [](const auto& c) -> std::optional<PartitionKey> {
        if constexpr (requires { c.at; }) {
          return c.at;
        } else {
          return std::nullopt;
        }
      },
      call);
}

const ReplicaStatus* Answer::status_of(PartitionKey at) const {
  const auto found = std::find_if(replicas.begin(), replicas.end(),
                                  [&](const ReplicaStatus& s) { return s.at == at; });
  return found == replicas.end() ? nullptr : &*found;
}

bool Answer::sends_to(const Endpoint& endpoint) const {
  return std::any_of(followers.begin(), followers.end(),
                     [&](const FollowerOffset& f) { return f.endpoint == endpoint; });
}

}  // namespace failoverd::core
