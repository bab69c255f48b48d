// failoverd's command line.
#pragma once

#include <string>

#include "lib/base/result.h"

namespace failoverd {

struct Options {
  std::string config;         // --config FILE
  bool print_fsm = false;     // --print-fsm: print the states and what is done in each, exit.
  bool check_config = false;  // --check-config: read it, say what is wrong, exit.
  bool version = false;       // --version
  bool help = false;          // --help
};

// The Failure is one line that names the flag and what would be right.
Result<Options> parse_options(int argc, const char* const* argv);

extern const char kUsage[];

}  // namespace failoverd
