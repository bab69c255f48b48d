// libprotobuf writes lines of its own to standard error, such as for each message that lacks a
// required field: past the log with its levels and its form, as often as an odd peer likes.
#pragma once

namespace failoverd::rpc {

// From now on it writes none, in the whole process. Who parses is told all the same.
void quiet_protobuf();

}  // namespace failoverd::rpc
