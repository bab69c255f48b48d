#include "lib/admin/cursor.h"

#include <array>
#include <charconv>

#include "lib/base/percent_encoding.h"

namespace failoverd::admin {

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
