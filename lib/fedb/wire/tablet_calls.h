// The core's calls to and from the messages of TabletServer (FEDB.md 3.2). Pure: bytes in, bytes
// out.
#pragma once

#include <cstddef>
#include <string>

#include "lib/core/api/calls.h"
#include "lib/fedb/wire/table_info.h"
#include "lib/rpc/channel.h"

namespace failoverd::fedb {

struct WireCall {
  std::string method;
  std::string request;
};

// The numbering matters to LoadTable, whose TableMeta differs. storage: of the table that the call
// is about; with the wrong one a tablet acts on another directory (FEDB.md 8).
WireCall to_wire(const core::Call& call, Numbering numbering,
                 core::Storage storage = core::Storage::kMemory);

// What the tablet answered to that call. A payload that does not parse is no answer, nor is one
// with more entries than fit into `at_most` bytes: they would take much memory, and say nothing.
// Its texts are cut: whoever wrote them, they are kept, shown and sent on.
core::Answer from_wire(const core::Call& call, const rpc::Answer& answer, std::size_t at_most);

}  // namespace failoverd::fedb
