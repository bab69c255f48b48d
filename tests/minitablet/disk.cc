#include "tests/minitablet/disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <utility>

namespace failoverd::minitablet {

namespace fs = std::filesystem;

bool Disk::write(int fd, std::string_view bytes) const {
  if (full_) return false;
  struct stat before {};
  if (::fstat(fd, &before) != 0) return false;
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      // Half a record would hide every record after it.
      (void)!::ftruncate(fd, before.st_size);
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool Disk::write_file(const fs::path& path, std::string_view bytes) const {
  fs::path temporary = path;
  temporary += ".tmp";
  {
    Descriptor fd{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (!fd || !write(fd.get(), bytes)) return false;
  }
  std::error_code error;
  fs::rename(temporary, path, error);
  return !error;
}

bool read_file(const fs::path& path, std::string& bytes) {
  Descriptor fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd) return false;
  bytes.clear();
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) return true;
    bytes.append(buffer, static_cast<std::size_t>(n));
  }
}

std::string time_suffix() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%d%H%M%S", &local);
  return text;
}

bool move_to_recycle_bin(const fs::path& from, const fs::path& bin, const std::string& name) {
  std::error_code error;
  fs::create_directories(bin, error);
  const fs::path wanted = bin / (name + "_" + time_suffix());
  fs::path to = wanted;
  for (int n = 1; fs::exists(to); ++n) {
    to = wanted;
    to += "_" + std::to_string(n);
  }
  fs::rename(from, to, error);
  return !error;
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void Descriptor::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace failoverd::minitablet
