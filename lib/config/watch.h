// Tells when a file has been written and closed, or replaced, and has then been quiet for 100 ms:
// the moment to read it again. A file that is missing, comes back, is renamed over, or is reached
// through symlinks that are swapped (as Kubernetes does with ..data) is followed, and so are its
// directories when they go and come. Never reads the file, and never tells of one that is open for
// writing. Used from the thread of the io_context; needs no polling.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "lib/base/result.h"
#include "lib/base/time.h"

namespace failoverd::config {

inline constexpr Duration kQuiet = std::chrono::milliseconds{100};

class FileWatch {
 public:
  // Watches from now on; what is in the file already is not told. A relative path is taken from the
  // present working directory. Fails when the system has no inotify left: SIGHUP still works then.
  // `changed` is called from the io_context and may destroy the FileWatch.
  static Result<FileWatch> start(boost::asio::io_context& io, const std::string& path,
                                 std::function<void()> changed);

  FileWatch(FileWatch&&) noexcept = default;
  FileWatch& operator=(FileWatch&& other) noexcept;
  ~FileWatch();  // Nothing is called after it.

 private:
  class Watcher;
  explicit FileWatch(std::shared_ptr<Watcher> watcher);

  std::shared_ptr<Watcher> watcher_;
};

}  // namespace failoverd::config
