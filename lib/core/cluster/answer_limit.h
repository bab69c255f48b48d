// How long an answer a tablet may give: what it holds of ours bounds what it can have to say. A
// longer one is no answer, and costs no memory.
#pragma once

#include <cstddef>

#include "lib/core/api/calls.h"
#include "lib/core/cluster/model.h"

namespace failoverd::core {

// In bytes. Lists grow with the partitions; the rest is for tables that no row of ours names.
inline std::size_t longest_answer(const Model& model, const Endpoint& tablet, const Call& call) {
  constexpr std::size_t kAnyAnswer = 4u << 20;
  constexpr std::size_t kEachReplica = 16u << 10;
  const auto* status = std::get_if<GetTableStatus>(&call);
  const bool lists = (status && !status->at) || std::holds_alternative<GetTaskStatus>(call);
  const auto i = lists ? model.find_tablet(tablet) : std::nullopt;
  return kAnyAnswer + (i ? model.tablet(*i).hosts.size() * kEachReplica : 0);
}

}  // namespace failoverd::core
