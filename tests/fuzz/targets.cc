#include "tests/fuzz/targets.h"

namespace failoverd::fuzz {

const std::vector<Target>& targets() {
  static const std::vector<std::string> rpc = {"tests/golden/rtidb-1.4.1/rpc",
                                               "tests/golden/openmldb-0.9.3/rpc"};
  static const std::vector<Target> all = {
      {"frames", frames, rpc, ".bin"},
      {"answers", answers, rpc, ".response.bin"},
      {"table_info",
       table_info,
       {"tests/golden/rtidb-1.4.1/zk", "tests/golden/openmldb-0.9.3/zk", "tests/golden/fedb-2.1",
        "tests/golden/openmldb-0.9"},
       ".bin"},
      {"partition", partition, {}, ""},
      {"records", records, {}, ""},
      {"configuration", configuration, {"config"}, ".yaml"},
      {"http", http, {}, ""},
      {"texts", texts, {}, ""},
  };
  return all;
}

}  // namespace failoverd::fuzz
