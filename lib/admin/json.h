// Rows as JSON, for the HTTP API: lists of objects whose first keys are the columns of
// failoverctl's tables, then what else is known. Times are Unix milliseconds, durations
// milliseconds, sizes bytes, what is not known null. Bytes that are not UTF-8 become U+FFFD, so the
// text is JSON whatever a znode holds.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lib/admin/status_types.h"
#include "lib/base/result.h"

namespace failoverd::admin {

// `now_ms` (Unix milliseconds): what the execute_time of a running op is counted to, and in status
// what a reader with another clock counts ages from.
std::string to_json(const StatusView& status, std::int64_t now_ms);
std::string to_json(const std::vector<TabletRow>& rows);
std::string to_json(const std::vector<ReplicaRow>& rows);
std::string to_json(const std::vector<OpRow>& rows, std::int64_t now_ms);
std::string to_json(const std::vector<ConfRow>& rows);
std::string to_json(const std::vector<WrittenPartition>& rows);
std::string to_json(const LoggedEvents& events);
std::string to_json(const EventRow& row);

// {"ops": [...], "message": "...", "plan": [...]} for kOk, else {"code", "error", "hint", "active",
// "active_name"} without what is empty.
std::string to_json(const CommandResult& result);

// {"error": "..."}.
std::string error_json(std::string_view error);

// A command's arguments: one JSON object of strings, numbers, booleans, lists of numbers and
// objects, or nothing at all.
Result<std::map<std::string, std::string>> parse_arguments(std::string_view body);

}  // namespace failoverd::admin
