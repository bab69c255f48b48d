#include "lib/admin/unix_socket.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace failoverd::admin {
namespace {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using boost::system::error_code;

// Who is in its group may talk to the daemon; what they may do is judged for each request.
constexpr mode_t kMode = 0660;
constexpr mode_t kNobodyElse = 0600;

// Takes the file of a dead process away. The text: why there is no room; empty: there is.
std::string make_room(asio::io_context& io, const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? "" : std::strerror(errno);
  }
  if (!S_ISSOCK(status.st_mode)) return "something else than a socket is there";
  stream_protocol::socket probe(io);
  error_code error;
  probe.open(stream_protocol(), error);
  if (!error) probe.non_blocking(true, error);
  if (!error) probe.connect(stream_protocol::endpoint(path), error);
  // A living one whose callers wait says "again". Whatever else is no proof of death either.
  if (error != asio::error::connection_refused) {
    return error && error != asio::error::would_block && error != asio::error::try_again
               ? "whether somebody listens there cannot be told: " + error.message()
               : "another process listens there";
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return std::string("what a dead process has left cannot be removed: ") + std::strerror(errno);
  }
  return "";
}

}  // namespace

UnixSocket::UnixSocket(asio::io_context& io, std::string path)
    : path_(std::move(path)), acceptor_(io) {}

Result<std::unique_ptr<UnixSocket>> UnixSocket::listen(asio::io_context& io,
                                                       const std::string& path) {
  const auto wrong = [&](const std::string& why) {
    return Failure{"cannot listen on " + path + ": " + why};
  };
  if (path.size() >= sizeof(sockaddr_un::sun_path)) return wrong("the path is too long");
  if (const std::string why = make_room(io, path); !why.empty()) return wrong(why);
  std::unique_ptr<UnixSocket> made(new UnixSocket(io, path));
  auto& acceptor = made->acceptor_;
  error_code error;
  acceptor.open(stream_protocol(), error);
  if (error) return wrong(error.message());
  ::fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
  // The file is made with the socket's own mode: until it is complete it is nobody else's.
  ::fchmod(acceptor.native_handle(), kNobodyElse);
  acceptor.bind(stream_protocol::endpoint(path), error);
  if (error) return wrong(error.message());
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) {
    made->device_ = status.st_dev;
    made->inode_ = status.st_ino;
  }
  acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return wrong(error.message());
  if (::chmod(path.c_str(), kMode) != 0) return wrong(std::strerror(errno));
  return {boost::system::in_place_value, std::move(made)};
}

UnixSocket::~UnixSocket() { close(); }

void UnixSocket::close() {
  error_code ignored;
  acceptor_.close(ignored);
  struct stat status {};
  const bool is_ours = inode_ != 0 && ::lstat(path_.c_str(), &status) == 0 &&
                       status.st_dev == device_ && status.st_ino == inode_;
  if (is_ours) ::unlink(path_.c_str());
  inode_ = 0;
}

}  // namespace failoverd::admin
