// minitablet: one tablet process. It exits with 0 after SIGTERM or SIGINT, 2 for flags that cannot
// work, 1 when it cannot serve: no ZooKeeper, the port taken, or its znode there already.
#include <sys/resource.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tests/minitablet/options.h"
#include "tests/minitablet/registration.h"
#include "tests/minitablet/tablet.h"

namespace {

using namespace failoverd;
using namespace failoverd::minitablet;

// One file per partition, and connections to every other tablet.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

void say(const std::string& line) { std::fprintf(stderr, "minitablet: %s\n", line.c_str()); }

int run(const Options& options) {
  boost::asio::io_context io{1};
  const auto tablet = std::make_shared<Tablet>(io, options);
  Registration registration{io, options};
  int status = 0;
  const auto fail = [&](const std::string& why) {
    say(why);
    status = 1;
    io.stop();
  };
  const auto listen = [&] {
    const auto listening = tablet->listen();
    if (!listening) fail(listening.error().text);
    return static_cast<bool>(listening);
  };
  registration.on_failed = fail;
  // The port opens before the znode is there.
  registration.on_ready = [&] {
    if (listen()) registration.register_startup();
  };
  registration.on_registered = [&] { say("serves on " + tablet->options().endpoint); };
  tablet->on_lose_session = [&](bool stay_lost) { registration.lose_session(stay_lost); };
  tablet->on_restore_session = [&] { registration.restore(); };

  boost::asio::signal_set signals{io, SIGTERM, SIGINT};
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (!error) io.stop();
  });
  if (options.zk_cluster.empty()) {
    if (listen()) say("serves on " + tablet->options().endpoint + ", without ZooKeeper");
  } else {
    registration.start();
  }
  if (status == 0) io.run();
  tablet->stop();
  registration.close();
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  raise_descriptor_limit();
  return failoverd::harness::run_with_flags<Options>(parse_flags({argv + 1, argv + argc}),
                                                     flags_help(), say, run);
}
