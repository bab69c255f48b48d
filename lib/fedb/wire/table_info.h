// TableInfo, the value of a table's znode, to and from the core's shape. Only what failoverd
// decides by is looked at; everything else, unknown fields included, stays as it was when an edit
// is applied.
#pragma once

#include <string>

#include "lib/base/result.h"
#include "lib/core/api/command.h"
#include "lib/core/api/types.h"
#include "lib/fedb/wire/generation.h"

namespace failoverd::fedb {

// What operators also want to see of a table, and no decision needs.
struct TableDetails {
  std::uint64_t ttl = 0;
  std::string ttl_type;
  std::string compress_type;
};

// The Failure says what does not fit, and whether the other numbering would.
Result<core::TableShape> parse_table(const std::string& znode, const std::string& value,
                                     std::int32_t version, Numbering numbering,
                                     TableDetails* details = nullptr);

// The value with other rows, new flags and terms. Fails if a row or partition of the edit is not
// there, if one that is to be added is, and if no row would be left. Of a partition that is
// replaced as a whole, fields that failoverd has no names for stay.
Result<std::string> apply_edit(const std::string& value, const core::TableEdit& edit,
                               Numbering numbering);

}  // namespace failoverd::fedb
