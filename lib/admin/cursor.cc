#include "lib/admin/cursor.h"

#include <array>
#include <cctype>
#include <charconv>

namespace failoverd::admin {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "-._~";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x80 && std::isalnum(byte) != 0) || kPlain.find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      encoded += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return encoded;
}

std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_blank) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return decoded;
}

std::string to_cursor(const ReplicaKey& key) {
  return percent_encoded(key.db) + "/" + percent_encoded(key.name) + "/" + std::to_string(key.pid) +
         "/" + percent_encoded(key.endpoint);
}

std::optional<ReplicaKey> replica_key(std::string_view cursor) {
  std::array<std::string, 4> parts;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto slash = cursor.find('/');
    if ((slash == std::string_view::npos) != (i + 1 == parts.size())) return std::nullopt;
    const auto part = percent_decoded(cursor.substr(0, slash), false);
    if (!part) return std::nullopt;
    parts[i] = *part;
    cursor.remove_prefix(slash == std::string_view::npos ? cursor.size() : slash + 1);
  }
  ReplicaKey key{parts[0], parts[1], 0, parts[3]};
  const char* const end = parts[2].data() + parts[2].size();
  const auto [read_to, error] = std::from_chars(parts[2].data(), end, key.pid);
  if (error != std::errc{} || read_to != end) return std::nullopt;
  return key;
}

}  // namespace failoverd::admin
