// In which the generations of the cluster differ on the wire.
#pragma once

namespace failoverd::fedb {

// Which field numbers TableInfo has (docs/wire.md): a property of the bytes, not of a package's
// name.
enum class Numbering { kFedb, kOpenmldb };

}  // namespace failoverd::fedb
