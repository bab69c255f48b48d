// A directory that lives as long as this object: data and logs of what a test starts.
#pragma once

#include <filesystem>

namespace failoverd::harness {

class TemporaryDirectory {
 public:
  // Below that directory; else below $TMPDIR, or /tmp. Throws std::runtime_error when it cannot be
  // made.
  explicit TemporaryDirectory(const std::filesystem::path& below = {});
  // Removes it with all it holds; with FAILOVERD_KEEP_FILES in the environment it stays and its
  // path is printed.
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace failoverd::harness
