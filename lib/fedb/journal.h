// What failoverd keeps in ZooKeeper, as bytes: election records, begun and finished ops, what is
// kept of replicas (proto/journal.proto). Pure, but for the wall clock: times are Unix milliseconds
// there, so that they outlive a boot.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "lib/base/result.h"
#include "lib/core/election_record.h"
#include "lib/core/journal_entry.h"

namespace failoverd::fedb {

std::string to_bytes(const core::ElectionRecord& record);
Result<core::ElectionRecord> record_from(const std::string& name, const std::string& bytes);

std::string to_bytes(const core::BegunOp& op);
Result<core::BegunOp> begun_op_from(const std::string& bytes);

std::string to_bytes(const core::FinishedOps& finished);
Result<core::FinishedOps> finished_ops_from(const std::string& bytes);

// Of one table: by pid, then by endpoint.
using KeptTable = std::map<std::uint32_t, std::map<core::Endpoint, core::Kept>>;
std::string to_bytes(const KeptTable& kept);
Result<KeptTable> kept_table_from(const std::string& bytes);

}  // namespace failoverd::fedb
