// failoverctl: shows and steers failoverd over HTTP. It holds no state and decides nothing.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "daemon/ctl/commands.h"
#include "daemon/ctl/options.h"
#include "lib/base/standard_streams.h"

namespace {

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

int main(int argc, char** argv) {
  failoverd::open_standard_streams();  // Else a connection would be standard output.
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  const auto options = failoverd::ctl::parse_options(
      words, {from_environment("FAILOVERD_SERVER"), from_environment("FAILOVERD_TOKEN_FILE")});
  if (!options) {
    std::fprintf(stderr, "failoverctl: %s\n", options.error().text.c_str());
    return 2;
  }
  return failoverd::ctl::run(*options);
}
