// The core's calls to and from the messages of TabletServer (FEDB.md 3.2). Pure: bytes in, bytes
// out.
#pragma once

#include <string>

#include "lib/core/api/calls.h"
#include "lib/fedb/table_info.h"
#include "lib/rpc/channel.h"

namespace failoverd::fedb {

struct WireCall {
  std::string method;
  std::string request;
};

// The numbering matters to LoadTable, whose TableMeta differs.
WireCall to_wire(const core::Call& call, Numbering numbering);

// What the tablet answered to that call. A payload that does not parse is no answer.
core::Answer from_wire(const core::Call& call, const rpc::Answer& answer);

}  // namespace failoverd::fedb
