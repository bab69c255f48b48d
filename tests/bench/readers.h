// HTTP clients that ask one daemon for the same few pages again and again, as fast as it answers:
// on a thread of their own, each on one connection. Ended with this object.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace failoverd::bench {

class Readers {
 public:
  // `address`: "127.0.0.1:9650". Each reader asks for all of `targets` in turn.
  Readers(const std::string& address, int count, std::vector<std::string> targets);
  ~Readers();
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  std::uint64_t answers() const { return answers_; }

 private:
  boost::asio::io_context io_{1};
  std::atomic<std::uint64_t> answers_{0};
  std::thread thread_;
};

}  // namespace failoverd::bench
