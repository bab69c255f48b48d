// Files of one minitablet, and the one place where its disk can be full. Every write of partition
// data goes through here, so that a test can make them all fail at once. It never syncs: what was
// written survives SIGKILL, not a power cut. Owned by the Tablet.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace failoverd::minitablet {

class Disk {
 public:
  // While full, write() and write_file() fail; reading, renaming and deleting go on.
  void set_full(bool full) { full_ = full; }
  bool full() const { return full_; }

  // Appends to an open file. On a failure the file is cut back to what it held before.
  bool write(int fd, std::string_view bytes) const;
  // Replaces a file through a temporary beside it.
  bool write_file(const std::filesystem::path& path, std::string_view bytes) const;

 private:
  bool full_ = false;
};

// The whole file; false if it cannot be opened or read.
bool read_file(const std::filesystem::path& path, std::string& bytes);

// yyyymmddHHMMSS, local time, as the original names what it puts aside.
std::string time_suffix();

// Moves `from` below `bin` as <name>_<time>, with a number behind it if that exists already.
bool move_to_recycle_bin(const std::filesystem::path& from, const std::filesystem::path& bin,
                         const std::string& name);

// A file descriptor that is closed when it goes.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

}  // namespace failoverd::minitablet
