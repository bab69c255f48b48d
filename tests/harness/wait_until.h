// Waiting for something to become true, with a deadline: what tests do instead of sleeping. Use as
// ASSERT_TRUE(wait_until([&] { return lock.held(); }, 5s, "the lock is held")).
#pragma once

#include <functional>
#include <string_view>

#include "lib/base/time.h"

namespace boost::asio {
class io_context;
}

namespace failoverd::harness {

// Looks every few milliseconds. False when the deadline has passed; then says so on stderr, in
// words: `what` is the sentence that should have come true.
bool wait_until(const std::function<bool()>& predicate, Duration deadline, std::string_view what);

// The same while running the loop: looks after everything that happens on it.
bool wait_until(boost::asio::io_context& io, const std::function<bool()>& predicate,
                Duration deadline, std::string_view what);

}  // namespace failoverd::harness
