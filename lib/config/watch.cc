#include "lib/config/watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

namespace failoverd::config {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

// What a directory on the way to the file is watched for.
constexpr std::uint32_t kWay = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr std::uint32_t kWritten = IN_MODIFY | IN_CLOSE_WRITE;
// The directory that the file stands in. The file is watched for kWritten as well: one that is
// mounted there alone is not heard through its directory.
constexpr std::uint32_t kLastDirectory = kWay | kWritten;

// Symlinks followed on one way; the kernel's own limit.
constexpr int kMostSymlinks = 40;

// The file at the end of the way.
struct Found {
  dev_t device = 0;
  ino_t inode = 0;
  nlink_t links = 0;
  off_t size = 0;

  bool is_same_file(const Found& other) const {
    return device == other.device && inode == other.inode;
  }
};

std::deque<std::string> parts_of(const fs::path& path) {
  std::deque<std::string> parts;
  for (const fs::path& part : path.relative_path()) {
    if (!part.empty() && part != ".") parts.push_back(part.string());
  }
  return parts;
}

}  // namespace

class FileWatch::Watcher : public std::enable_shared_from_this<Watcher> {
 public:
  Watcher(asio::io_context& io, int inotify, fs::path path, std::function<void()> changed)
      : path_(std::move(path)), changed_(std::move(changed)), events_(io, inotify), quiet_(io) {}

  // 0, or the errno of what is missing.
  int start() {
    walk();
    if (error_ == 0 && watches_.empty()) error_ = EACCES;
    if (error_ == 0) wait();
    return error_;
  }

  void stop() {
    stopped_ = true;
    boost::system::error_code ignored;
    events_.close(ignored);
    quiet_.cancel();
  }

 private:
  enum class Place { kWay, kLast };  // Does a name lead to the file, or is it the file's own?

  void wait();
  void read_events();
  void take(const inotify_event& event, const std::string& name);
  void take_new_way(const inotify_event& event, const std::string& name, Place place);
  void walk();
  int watch(const fs::path& path, std::uint32_t mask);
  void forget_what_was_not_walked();
  void arm();
  void disarm() { ++round_; }

  const fs::path path_;
  const std::function<void()> changed_;

  asio::posix::stream_descriptor events_;
  asio::steady_timer quiet_;
  std::uint64_t round_ = 0;  // Of the timer: an earlier round's end tells nothing.
  bool stopped_ = false;
  int error_ = 0;  // Why a watch could not be had for want of memory or watches; 0: none.

  // The way as it was when last walked: which names in which watched directories matter.
  std::map<std::pair<int, std::string>, Place> names_;
  std::set<int> watches_;
  std::set<int> walked_;       // Those that the last walk met.
  int file_watch_ = -1;        // -1: none.
  std::optional<Found> file_;  // nullopt: there is none.
};

void FileWatch::Watcher::wait() {
  events_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (self->stopped_ || error) return;
                       self->read_events();
                       self->wait();
                     });
}

void FileWatch::Watcher::read_events() {
  std::array<char, 16384> block{};
  for (;;) {
    const ssize_t got = ::read(events_.native_handle(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    for (std::size_t begin = 0; begin < static_cast<std::size_t>(got);) {
      inotify_event event{};
      std::memcpy(&event, block.data() + begin, sizeof event);
      // The name is filled up with zeros.
      const char* name = block.data() + begin + sizeof event;
      take(event, std::string{name, event.len == 0 ? 0 : ::strnlen(name, event.len)});
      begin += sizeof event + event.len;
    }
  }
}

void FileWatch::Watcher::take(const inotify_event& event, const std::string& name) {
  if ((event.mask & IN_Q_OVERFLOW) != 0) {  // Anything may have happened.
    walk();
    if (file_) arm();
    return;
  }
  if (!watches_.contains(event.wd)) return;  // No longer on the way.
  if ((event.mask & (IN_IGNORED | IN_UNMOUNT)) != 0) {
    watches_.erase(event.wd);
    take_new_way(event, name, Place::kWay);
    return;
  }
  Place place = Place::kLast;
  if (event.wd != file_watch_) {
    const auto found = names_.find({event.wd, name});
    if (found == names_.end()) return;
    place = found->second;
  }
  if ((event.mask & IN_MODIFY) != 0) {
    disarm();  // Somebody writes, and will close it.
  } else if ((event.mask & IN_CLOSE_WRITE) != 0) {
    if (place == Place::kLast) arm();
  } else {
    take_new_way(event, name, place);
  }
}

// Something on the way came or went.
void FileWatch::Watcher::take_new_way(const inotify_event& event, const std::string& name,
                                      Place place) {
  const std::optional<Found> before = file_;
  walk();
  if (!file_) {
    disarm();
    return;
  }
  const bool is_new_name = (event.mask & IN_CREATE) != 0;
  if (is_new_name && place == Place::kLast && file_->links == 1 &&
      names_[{event.wd, name}] == Place::kLast) {
    disarm();  // Made by somebody who has it open, and will close it.
    return;
  }
  if ((event.mask & IN_MOVED_TO) != 0) {
    arm();  // What is moved there is finished.
    return;
  }
  // Found rather than heard of. The inode number of a file that was deleted is soon given to
  // another, so after a deletion it is a new file in any case. An empty one is about to be written.
  const bool was_lost = (event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0;
  const bool is_other = was_lost || !before || !before->is_same_file(*file_);
  if (is_other && file_->size > 0) arm();
}

// From the root to the file, symlinks followed. Each directory is watched before it is looked into,
// so that what changes behind our back is heard.
void FileWatch::Watcher::walk() {
  names_.clear();
  walked_.clear();
  file_.reset();
  file_watch_ = -1;
  fs::path here = "/";
  std::deque<std::string> parts = parts_of(path_);
  for (int symlinks = 0; !parts.empty() && symlinks <= kMostSymlinks;) {
    const std::string part = std::move(parts.front());
    parts.pop_front();
    if (part == "..") {
      here = here.parent_path();
      continue;
    }
    const bool is_last = parts.empty();
    const int directory = watch(here, (is_last ? kLastDirectory : kWay) | IN_ONLYDIR);
    names_[{directory, part}] = is_last ? Place::kLast : Place::kWay;
    const fs::path next = here / part;
    struct stat status {};
    if (::lstat(next.c_str(), &status) != 0) break;
    if (S_ISLNK(status.st_mode)) {
      ++symlinks;
      names_[{directory, part}] = Place::kWay;
      std::error_code error;
      const fs::path target = fs::read_symlink(next, error);
      if (error) break;
      if (target.is_absolute()) here = "/";
      const std::deque<std::string> more = parts_of(target);
      parts.insert(parts.begin(), more.begin(), more.end());
    } else if (!is_last) {
      here = next;
    } else if (S_ISREG(status.st_mode)) {
      file_watch_ = watch(next, kWritten);
      file_ = Found{status.st_dev, status.st_ino, status.st_nlink, status.st_size};
    }
  }
  forget_what_was_not_walked();
}

// -1: it cannot be watched, because it is gone again or not ours to read.
int FileWatch::Watcher::watch(const fs::path& path, std::uint32_t mask) {
  // A directory can be on the way twice, for different things.
  const int watch = ::inotify_add_watch(events_.native_handle(), path.c_str(),
                                        mask | IN_DONT_FOLLOW | IN_MASK_ADD);
  if (watch < 0) {
    if (errno == ENOSPC || errno == ENOMEM) error_ = errno;
    return -1;
  }
  watches_.insert(watch);
  walked_.insert(watch);
  return watch;
}

void FileWatch::Watcher::forget_what_was_not_walked() {
  for (const int watch : watches_) {
    if (!walked_.contains(watch)) ::inotify_rm_watch(events_.native_handle(), watch);
  }
  watches_ = walked_;
}

void FileWatch::Watcher::arm() {
  const std::uint64_t round = ++round_;
  quiet_.expires_after(kQuiet);
  quiet_.async_wait([self = shared_from_this(), round](const boost::system::error_code& error) {
    if (error || self->stopped_ || round != self->round_) return;
    self->changed_();
  });
}

FileWatch::FileWatch(std::shared_ptr<Watcher> watcher) : watcher_(std::move(watcher)) {}

FileWatch& FileWatch::operator=(FileWatch&& other) noexcept {
  if (watcher_) watcher_->stop();
  watcher_ = std::move(other.watcher_);
  return *this;
}

FileWatch::~FileWatch() {
  if (watcher_) watcher_->stop();
}

Result<FileWatch> FileWatch::start(asio::io_context& io, const std::string& path,
                                   std::function<void()> changed) {
  const auto refused = [&](int error) {
    return Failure{
        path + ": changes of it will not be noticed: " + std::generic_category().message(error)};
  };
  const int inotify = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (inotify < 0) return refused(errno);
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  auto watcher = std::make_shared<Watcher>(io, inotify, absolute, std::move(changed));
  if (error) return refused(error.value());
  if (const int missing = watcher->start(); missing != 0) {
    watcher->stop();
    return refused(missing);
  }
  return FileWatch{std::move(watcher)};
}

}  // namespace failoverd::config
