// A unix socket's file that this process listens at: made with mode 0660, in place of what a dead
// process has left, and removed at the end if it is still the same. One thread.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <memory>
#include <string>

#include "lib/base/result.h"

namespace failoverd::admin {

class UnixSocket {
 public:
  // The Failure is one line that names the path: somebody listens there, or the path is something
  // else than a socket, which stays as it is.
  static Result<std::unique_ptr<UnixSocket>> listen(boost::asio::io_context& io,
                                                    const std::string& path);
  ~UnixSocket();
  UnixSocket(const UnixSocket&) = delete;
  UnixSocket& operator=(const UnixSocket&) = delete;

  boost::asio::local::stream_protocol::acceptor& acceptor() { return acceptor_; }
  // Nobody is let in any more, and the file goes.
  void close();

 private:
  UnixSocket(boost::asio::io_context& io, std::string path);

  const std::string path_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  dev_t device_ = 0;  // Of the file; inode 0: there is none.
  ino_t inode_ = 0;
};

}  // namespace failoverd::admin
