// Where the programs under test lie.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace failoverd::e2e {

// The one that was built with the tests, or, where the directory FAILOVERD_PROGRAMS of the
// environment has one of that name, that: ./test.sh tries those that were built with sanitizers.
inline std::string program(const std::string& name) {
  if (const char* others = std::getenv("FAILOVERD_PROGRAMS")) {
    const std::filesystem::path other = std::filesystem::path{others} / name;
    if (std::filesystem::exists(other)) return other.string();
  }
  return std::string{FAILOVERD_BIN_DIR} + "/" + name;
}

}  // namespace failoverd::e2e
