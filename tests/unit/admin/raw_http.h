// HTTP byte by byte, as callers do who are slow, wrong or malicious.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>

namespace failoverd::admin {

struct RawAnswer {
  int status = 0;  // 0: the connection ended without an answer.
  std::string head;
  std::string body;

  bool has(const std::string& text) const { return head.find(text) != std::string::npos; }
};

class RawConnection {
 public:
  // `receive_buffer` 0: the kernel's default.
  explicit RawConnection(std::uint16_t port, int receive_buffer = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      throw std::runtime_error("cannot connect");
    }
  }
  // A unix socket's path.
  explicit RawConnection(const std::string& path)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    path.copy(to.sun_path, sizeof to.sun_path - 1);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      ::close(fd_);
      throw std::runtime_error("cannot connect");
    }
  }
  ~RawConnection() { ::close(fd_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  // False once the other side has closed.
  bool send(const std::string& bytes) {
    for (std::size_t sent = 0; sent < bytes.size();) {
      const auto now = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) return false;
      sent += static_cast<std::size_t>(now);
    }
    return true;
  }
  void finish_sending() { ::shutdown(fd_, SHUT_WR); }

  // Until the buffer holds `text` or the other side ends. Gives all that is buffered.
  const std::string& read_until(const std::string& text) {
    start_waiting();
    while (buffer_.find(text) == std::string::npos && read_some()) {
    }
    return buffer_;
  }
  // True if the other side ends the connection, whatever it sends before.
  bool read_to_end() {
    start_waiting();
    while (read_some()) {
    }
    return ended_;
  }
  void forget() { buffer_.clear(); }
  void forget_through(const std::string& text) {
    read_until(text);
    const auto at = buffer_.find(text);
    buffer_.erase(0, at == std::string::npos ? at : at + text.size());
  }

  // One answer. `no_body`: to a HEAD.
  RawAnswer answer(bool no_body = false) {
    RawAnswer answer;
    read_until("\r\n\r\n");
    const auto end = buffer_.find("\r\n\r\n");
    if (end == std::string::npos) return answer;
    answer.head = buffer_.substr(0, end + 2);
    buffer_.erase(0, end + 4);
    answer.status = std::atoi(answer.head.c_str() + answer.head.find(' '));
    const auto length = content_length(answer.head);
    while (!no_body && buffer_.size() < length && read_some()) {
    }
    if (!no_body) {
      answer.body = buffer_.substr(0, length);
      buffer_.erase(0, length);
    }
    return answer;
  }

 private:
  static std::size_t content_length(const std::string& head) {
    const std::string name = "Content-Length: ";
    const auto at = head.find(name);
    return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + name.size(), nullptr, 10);
  }
  void start_waiting() { deadline_ = std::chrono::steady_clock::now() + std::chrono::seconds(30); }
  // False at the end, or when what should come has not come for long.
  bool read_some() {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline_ - std::chrono::steady_clock::now());
    pollfd ready{fd_, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) <= 0) return false;
    std::array<char, 65536> piece;
    const auto size = ::recv(fd_, piece.data(), piece.size(), 0);
    if (size <= 0) ended_ = true;
    if (size <= 0) return false;
    buffer_.append(piece.data(), static_cast<std::size_t>(size));
    return true;
  }

  int fd_;
  std::string buffer_;
  bool ended_ = false;
  std::chrono::steady_clock::time_point deadline_;
};

inline std::string get(const std::string& target, const std::string& headers = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers + "\r\n";
}

inline std::string post(const std::string& target, const std::string& body,
                        const std::string& headers = "Host: 127.0.0.1\r\n") {
  return "POST " + target + " HTTP/1.1\r\n" + headers +
         (headers.find("Content-Type") == std::string::npos ? "Content-Type: application/json\r\n"
                                                            : "") +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// One request on a connection of its own, to a port or a unix socket's path.
template <class Where>
RawAnswer ask(const Where& where, const std::string& request) {
  RawConnection connection(where);
  connection.send(request);
  return connection.answer(request.starts_with("HEAD"));
}

}  // namespace failoverd::admin
