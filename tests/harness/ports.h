// Free TCP ports for servers that a test starts.
#pragma once

#include <cstdint>

namespace failoverd::harness {

// A port of 127.0.0.1 that nobody listens on, and that no other call, in this process or in another
// test running at the same time, is given while this process lives: a server can be stopped and
// started again on it. Taken from below the kernel's ephemeral range, so that no outgoing
// connection sits on it either. Throws std::runtime_error when there is none.
std::uint16_t free_port();

}  // namespace failoverd::harness
