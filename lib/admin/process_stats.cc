#include "lib/admin/process_stats.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "lib/base/boot_clock.h"

namespace failoverd::admin {
namespace {

double count_open_fds() {
  DIR* directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  double entries = 0;
  while (::readdir(directory) != nullptr) ++entries;
  ::closedir(directory);
  return std::max(0.0, entries - 3);  // ".", ".." and the one that reads the directory.
}

// As Unix time, and the same however often it is asked for. /proc/stat has it too, but a service
// may see no more of /proc than its processes.
double boot_time_seconds() {
  static const double kAt =
      static_cast<double>(wall_now_ms()) / 1000 - seconds(boot_now().time_since_epoch());
  return kAt;
}

// The n-th field of /proc/self/stat as proc(5) counts them. The second one, the command's name in
// brackets, may hold blanks, so counting begins behind it.
double field(const std::string& stat, int n) {
  const auto bracket = stat.rfind(')');
  if (bracket == std::string::npos) return 0;
  std::istringstream rest(stat.substr(bracket + 1));
  std::string word;
  for (int i = 3; i <= n; ++i) rest >> word;
  return std::strtod(word.c_str(), nullptr);
}

}  // namespace

ProcessStats read_process_stats() {
  std::ifstream file("/proc/self/stat");
  std::string stat;
  std::getline(file, stat);
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));

  ProcessStats stats;
  stats.cpu_seconds = (field(stat, 14) + field(stat, 15)) / ticks;
  stats.threads = field(stat, 20);
  stats.start_time_seconds = boot_time_seconds() + field(stat, 22) / ticks;
  stats.virtual_bytes = field(stat, 23);
  stats.resident_bytes = field(stat, 24) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  stats.open_fds = count_open_fds();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    stats.max_fds = static_cast<double>(limit.rlim_cur);
  }
  return stats;
}

}  // namespace failoverd::admin
