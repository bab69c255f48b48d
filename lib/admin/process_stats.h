// What /proc/self says about this process, for the process_* metrics. 0 where it cannot be read.
#pragma once

namespace failoverd::admin {

struct ProcessStats {
  double cpu_seconds = 0;
  double resident_bytes = 0;
  double virtual_bytes = 0;
  double open_fds = 0;
  double max_fds = 0;
  double threads = 0;
  double start_time_seconds = 0;  // Unix time.
};

ProcessStats read_process_stats();

}  // namespace failoverd::admin
