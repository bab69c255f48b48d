#include "lib/rpc/quiet_protobuf.h"

#include <google/protobuf/stubs/logging.h>

namespace failoverd::rpc {

void quiet_protobuf() { google::protobuf::SetLogHandler(nullptr); }

}  // namespace failoverd::rpc
