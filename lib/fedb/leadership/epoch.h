// Which epoch a daemon that gained the lock writes: above the one that stands there, and above
// every one that is known to have been, whatever stands there. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace failoverd::fedb {

struct NextEpoch {
  std::optional<std::int64_t> epoch;  // None: nobody may act until the znode is mended.
  std::string wrong;                  // What is wrong with the value, and what would be right.
};

// The znode's value, empty when it has just been made; the highest epoch known to have been.
NextEpoch next_epoch(const std::string& value, std::int64_t known);

// Of the daemon that wrote this election record, "<epoch>-<n>"; 0: the name does not say.
std::int64_t epoch_in(const std::string& record_name);

}  // namespace failoverd::fedb
