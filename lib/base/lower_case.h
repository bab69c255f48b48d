// Words that others may write in any case.
#pragma once

#include <string>
#include <string_view>

namespace failoverd {

// ASCII letters only, whatever the locale says: bytes of other letters stay what they are.
inline std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

}  // namespace failoverd
