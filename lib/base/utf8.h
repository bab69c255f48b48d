// What is well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace failoverd {

// The length of the well-formed sequence that begins at `at`; 0: none does.
std::size_t utf8_sequence(std::string_view text, std::size_t at);

bool is_utf8(std::string_view text);

}  // namespace failoverd
