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

// The text with U+FFFD for every byte that is not part of well-formed UTF-8.
std::string valid_utf8(std::string_view text);

// valid_utf8() of what others wrote, at most so many bytes of it. What is longer is cut between two
// characters and says so, on top of these bytes: "... (of 1200000 bytes)".
std::string shortened(std::string_view text, std::size_t most_bytes);

// valid_utf8() as one line that neither moves a cursor nor turns its letters round: `instead`
// stands for every character that a terminal would obey (C0, DEL, C1, line and paragraph
// separators, bidirectional controls).
std::string shown_safely(std::string_view text, char instead);

// JSON as a terminal may be shown it: JSON's own escapes (\u001b) stand for the characters that a
// terminal would obey, so that a parser reads the same strings. White space between tokens stays.
std::string json_shown_safely(std::string_view json);

}  // namespace failoverd
