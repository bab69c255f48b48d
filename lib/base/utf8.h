// What is well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace failoverd {

// The length of the well-formed sequence that begins at `at`; 0: none does.
std::size_t utf8_sequence(std::string_view text, std::size_t at);

bool is_utf8(std::string_view text);

// At most so many bytes of it, cut between two characters and said so ("... (of 1200000 bytes)",
// on top), with U+FFFD for whatever is not well-formed: what others wrote and we keep and show.
std::string shortened(std::string_view text, std::size_t most_bytes);

}  // namespace failoverd
