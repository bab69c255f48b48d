// mininameserver: one nameserver process. It exits with 0 after SIGTERM or SIGINT, 2 for flags that
// cannot work, 1 when its port is taken.
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <string>

#include "tests/nameserver/nameserver.h"

namespace {

using namespace failoverd;
using namespace failoverd::mininameserver;

void say(const std::string& line) { std::fprintf(stderr, "mininameserver: %s\n", line.c_str()); }

int run(const Options& options) {
  boost::asio::io_context io{1};
  Nameserver nameserver{io, options};
  boost::asio::signal_set signals{io, SIGTERM, SIGINT};
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (!error) io.stop();
  });
  if (const auto started = nameserver.start(); !started) {
    say(started.error().text);
    return 1;
  }
  say("serves on " + options.endpoint);
  io.run();
  nameserver.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return failoverd::harness::run_with_flags<Options>(parse_flags({argv + 1, argv + argc}),
                                                     flags_help(), say, run);
}
