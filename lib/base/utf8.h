// What is well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. And what a
// terminal may be shown of a text from outside. Pure.
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

// The text as one line that neither moves a cursor nor turns its letters round: every character
// that a terminal would obey (C0, DEL, C1, line and paragraph separators, bidirectional controls)
// is replaced by `instead`, every byte that is not UTF-8 by U+FFFD.
std::string shown_safely(std::string_view text, char instead);

// The same for JSON that is well-formed: such characters become \uXXXX, which says the same. Those
// below blank are JSON's own white space and stay.
std::string json_shown_safely(std::string_view json);

}  // namespace failoverd
