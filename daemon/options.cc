#include "daemon/options.h"

#include <string_view>

namespace failoverd {

const char kUsage[] =
    "usage: failoverd --config FILE [--check-config] [--print-fsm] [--version] [--help]\n"
    "  --config FILE    the configuration, such as /etc/failoverd/failoverd.yaml\n"
    "  --check-config   read it, say what is wrong with it, and exit: 0 or 78\n"
    "  --print-fsm      print a partition's states and what is done in each, and exit\n"
    "  --version        print the version and exit\n"
    "  --help           print this and exit\n"
    "SIGHUP reads the configuration again; SIGTERM stops. Exit status: 0 after SIGTERM,\n"
    "78 for a configuration that cannot work, 1 otherwise.\n";

Result<Options> parse_options(int argc, const char* const* argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--check-config") {
      options.check_config = true;
    } else if (flag == "--print-fsm") {
      options.print_fsm = true;
    } else if (flag == "--version") {
      options.version = true;
    } else if (flag == "--help" || flag == "-h") {
      options.help = true;
    } else if (flag.starts_with("--config=")) {
      options.config = flag.substr(std::string_view{"--config="}.size());
    } else if (flag == "--config") {
      if (++i == argc) return Failure{"--config: the file's name is missing after it"};
      options.config = argv[i];
    } else {
      return Failure{
          std::string{flag} +
          ": no such flag; there are --config FILE, --check-config, --print-fsm, --version, "
          "--help"};
    }
  }
  if (options.config.empty() && !options.version && !options.help && !options.print_fsm) {
    return Failure{"--config FILE is missing, such as --config /etc/failoverd/failoverd.yaml"};
  }
  return options;
}

}  // namespace failoverd
