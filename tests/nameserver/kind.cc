#include "tests/nameserver/kind.h"

namespace failoverd::mininameserver {

const Kind& kind_of(const minitablet::Generation& generation) {
  static const Kind rtidb{
      .wire = &minitablet::rtidb(),
      .service = "rtidb.nameserver.NameServer",
      .healthy = "kTabletHealthy",
      .offline = "kTabletOffline",
      .absent = " is not exist",
      .op_index = "1",
      .has_databases = false,
      .has_system_tables = false,
      .tells_diskused = false,
  };
  static const Kind openmldb{
      .wire = &minitablet::openmldb(),
      .service = "openmldb.nameserver.NameServer",
      .healthy = "kHealthy",
      .offline = "kOffline",
      .absent = " does not exist",
      .op_index = "0",
      .has_databases = true,
      .has_system_tables = true,
      .tells_diskused = true,
  };
  return &generation == &minitablet::rtidb() ? rtidb : openmldb;
}

}  // namespace failoverd::mininameserver
