// The wire's messages as the simulation's tablet is asked them, and its answers as the wire has
// them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/core/api/calls.h"
#include "tests/contract/question.h"
#include "tests/simulation/tablet.h"

namespace failoverd::contract {

// The partition of a request, or of a table's meta.
template <class Request>
core::PartitionKey key_of(const Request& r) {
  return {static_cast<std::uint32_t>(r.tid()), static_cast<std::uint32_t>(r.pid())};
}

// Of the table that it is about, as it says.
core::Storage storage_of(const google::protobuf::Message& request);

// The calls that the brain would make for it, one after the other. Throws std::invalid_argument for
// what is neither among them nor in the table of simulation_subject.cc.
std::vector<core::Call> calls_of(const Question& question);

// AppendEntries that is no probe.
std::optional<simulation::Tablet::Append> entries_of(const Question& question);
core::Answer answer_of(const simulation::Tablet::Appended& appended);

// LoadTable as the brain never asks it (SAFETY 19).
struct LoadedAsLeader {
  core::LoadTable load;
  core::Term term = 0;
  std::vector<std::string> replicas;
};
std::optional<LoadedAsLeader> loaded_as_leader(const Question& question);

// With the fields that a tablet sets.
MessagePtr response_of(const Question& question, const core::Answer& answer);

}  // namespace failoverd::contract
