// Descriptors 0 to 2 as a daemon can live with them. Whoever started it may have closed them, or
// may not read what it writes: neither may stop it. For main(), before anything else is opened.
#pragma once

namespace failoverd {

// Those that are closed are opened on /dev/null: what is opened next would take their numbers, and
// a log line would go into a connection.
void open_standard_streams();

// From now on a write to `descriptor` returns at once, whoever writes: what a pipe, terminal or
// socket does not take is lost. Other processes that share a pipe or terminal go on waiting.
void never_wait_to_write(int descriptor);

}  // namespace failoverd
