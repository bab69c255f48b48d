#include "lib/zookeeper/paths.h"

#include <algorithm>

namespace failoverd::zookeeper {

bool is_valid_path(std::string_view path) {
  if (path == "/") return true;
  if (!path.starts_with('/')) return false;
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::ranges::any_of(path, is_control)) return false;
  for (std::size_t from = 1; from <= path.size();) {
    const std::size_t to = std::min(path.find('/', from), path.size());
    const std::string_view part = path.substr(from, to - from);
    if (part.empty() || part == "." || part == "..") return false;
    from = to + 1;
  }
  return !path.ends_with('/');
}

std::vector<std::string> with_parents(std::string_view path) {
  std::vector<std::string> result;
  for (std::size_t slash = path.find('/', 1); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    result.emplace_back(path.substr(0, slash));
  }
  if (path.size() > 1) result.emplace_back(path);
  return result;
}

}  // namespace failoverd::zookeeper
