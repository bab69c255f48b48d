// What is a path that ZooKeeper takes. Pure. Looked at before a request is handed to the C client,
// because that one frees memory it does not own when a multi holds a bad path.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace failoverd::zookeeper {

// Absolute, no empty, "." or ".." part, no control characters, no "/" at the end but for "/"
// itself.
bool is_valid_path(std::string_view path);

// "/a/b/c" -> "/a", "/a/b", "/a/b/c"; "/" -> nothing.
std::vector<std::string> with_parents(std::string_view path);

}  // namespace failoverd::zookeeper
