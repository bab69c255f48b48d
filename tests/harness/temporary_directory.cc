#include "tests/harness/temporary_directory.h"

#include <stdlib.h>

#include <cstdio>
#include <stdexcept>
#include <string>

namespace failoverd::harness {

TemporaryDirectory::TemporaryDirectory(const std::filesystem::path& below) {
  const auto& parent = below.empty() ? std::filesystem::temp_directory_path() : below;
  // mkdtemp() puts letters of its own in place of the X.
  std::string pattern = (parent / "failoverd-test-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    throw std::runtime_error(pattern + ": cannot make a temporary directory");
  }
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  if (getenv("FAILOVERD_KEEP_FILES") != nullptr) {
    std::fprintf(stderr, "kept: %s\n", path_.c_str());
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace failoverd::harness
