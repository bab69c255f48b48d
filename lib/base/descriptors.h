// How many descriptors this process may open. A daemon that has none left reaches nobody, so who
// hands them out to callers has to know.
#pragma once

#include <cstddef>

namespace failoverd {

// Raises the soft limit to the hard one, and gives what may be opened from then on.
std::size_t raise_descriptor_limit();

// Whether the next one would be refused.
bool no_descriptor_left();

}  // namespace failoverd
