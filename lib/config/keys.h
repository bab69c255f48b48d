// The keys of failoverd.yaml: one table that the parser, the default file, the notice of what a
// reload changed and their tests share, so that none of them can say something else. The table
// knows nothing of YAML; values come and go as the text a person writes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/config/config.h"

namespace failoverd::config {

struct Key {
  std::string name;   // With its section: "detection.silence".
  std::string type;   // For people: "duration".
  std::string range;  // For people: "100ms to 1h, or never".
  std::string doc;    // What it does, sentences, one or more lines.

  bool is_list = false;      // Its value is a YAML list; set() is given nothing then.
  bool at_start = false;     // Read once: a change takes effect when failoverd is started again.
  bool is_unused = false;    // Read and checked, and nothing comes of it in this version.
  std::string written = {};  // The default as the default file writes it, quotes included.

  // Takes the value from `text`; else says what is wrong with it and what would be right:
  // `is not a duration: write N(ms|s|m|h), such as 3s`.
  std::function<std::optional<std::string>(Config&, std::string_view text)> set = {};

  // The text that set() would read back to the same value. For a value that the file may leave
  // out and that has no default of its own: "absent".
  std::function<std::string(const Config&)> get = {};
};

// In the order of the default file; the keys of one section stand together.
const std::vector<Key>& keys();

// What a section ("detection") is about; empty when there is no section of that name.
std::string_view section_doc(std::string_view section);

// config/failoverd.yaml: every key with its meaning, type, range and default.
std::string default_file();

// The key or section that was probably meant by `wrong`; empty when none is near.
std::string nearest_key(std::string_view wrong);

}  // namespace failoverd::config
