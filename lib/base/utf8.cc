#include "lib/base/utf8.h"

#include <algorithm>

namespace failoverd {
namespace {

bool continues(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

// Of a well-formed sequence.
char32_t code_point(std::string_view sequence) {
  const auto first = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return first;
  char32_t value = first & (0x7FU >> sequence.size());
  for (const char c : sequence.substr(1))
    value = value << 6 | (static_cast<unsigned char>(c) & 63U);
  return value;
}

// What a terminal obeys rather than shows.
bool is_obeyed(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x061C || c == 0x200E || c == 0x200F ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

// The first character of `rest`, which begins behind it then; U+FFFD for a byte that belongs to
// none.
std::string_view take_character(std::string_view& rest) {
  const std::size_t length = utf8_sequence(rest, 0);
  const std::string_view taken = length == 0 ? "\xEF\xBF\xBD" : rest.substr(0, length);
  rest.remove_prefix(std::max<std::size_t>(length, 1));
  return taken;
}

}  // namespace

std::size_t utf8_sequence(std::string_view text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4 || !continues(text, at + 1)) return 0;
  if (first < 0xE0) return 2;
  const auto second = static_cast<unsigned char>(text[at + 1]);
  if (!continues(text, at + 2)) return 0;
  if (first < 0xF0) {
    const bool overlong = first == 0xE0 && second < 0xA0;
    const bool surrogate = first == 0xED && second > 0x9F;
    return overlong || surrogate ? 0 : 3;
  }
  const bool overlong = first == 0xF0 && second < 0x90;
  const bool too_high = first == 0xF4 && second > 0x8F;
  return overlong || too_high || !continues(text, at + 3) ? 0 : 4;
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_sequence(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

std::string valid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) valid += take_character(text);
  return valid;
}

std::string shortened(std::string_view text, std::size_t most_bytes) {
  std::string kept;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view next = take_character(rest);
    if (kept.size() + next.size() > most_bytes) {
      return kept + "... (of " + std::to_string(text.size()) + " bytes)";
    }
    kept += next;
  }
  return kept;
}

std::string shown_safely(std::string_view text, char instead) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const std::string_view next = take_character(text);
    shown += is_obeyed(code_point(next)) ? std::string_view(&instead, 1) : next;
  }
  return shown;
}

std::string json_shown_safely(std::string_view json) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string shown;
  shown.reserve(json.size());
  while (!json.empty()) {
    const std::string_view next = take_character(json);
    const char32_t c = code_point(next);
    if (!is_obeyed(c) || c == '\t' || c == '\n' || c == '\r') {
      shown += next;
      continue;
    }
    shown += "\\u";
    for (const int shift : {12, 8, 4, 0}) shown += kDigits[(c >> shift) & 15U];
  }
  return shown;
}

}  // namespace failoverd
