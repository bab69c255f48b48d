// docs/configuration.md is the table of keys as a page, and says nothing else.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "lib/config/keys.h"

namespace failoverd::config {
namespace {

const std::string kPage = std::string{FAILOVERD_SOURCE_DIR} + "/docs/configuration.md";
constexpr std::size_t kWidth = 98;

constexpr std::string_view kHead =
    R"(# Configuration

failoverd reads one YAML file: `failoverd --config FILE`. `config/failoverd.yaml` is the default
configuration itself: a key that is left out has the value that it has there, and an empty file is
as good as that one, but never touches the switch `auto_failover`.

- Durations are `N(ms|s|m|h)`, such as `500ms`. A number without a unit is refused.
- A change takes effect when the file has been written and closed, or replaced, and has been quiet
  for 100 ms, or on SIGHUP. Keys that are read at the next start say so.
- A daemon that runs does not read a file without a single key: it was emptied, not written.
- A file with a mistake changes nothing. The log names line, column, key, value and what would be
  right, and so does, beforehand, `failoverd --config FILE --check-config`. A daemon that is started
  with such a file ends with status 78.
- A key that this version does not use is read and checked, and said to be unused when it is set.

This page is written from the table of keys in `lib/config/keys.cc`:
`REWRITE=1 build/bin/unit_config` writes it anew.
)";

std::string section_of(const std::string& name) {
  const auto dot = name.find('.');
  return dot == std::string::npos ? "" : name.substr(0, dot);
}

// The sentences, filled into lines of a page.
std::string filled(const std::string& text) {
  std::istringstream words{text};
  std::string out;
  std::size_t width = 0;
  for (std::string word; words >> word;) {
    const bool fits = width > 0 && width + 1 + word.size() <= kWidth;
    if (width > 0) out += fits ? ' ' : '\n';
    width = (fits ? width + 1 : 0) + word.size();
    out += word;
  }
  return out + "\n";
}

std::string page() {
  std::string out{kHead};
  std::string section;
  for (const Key& key : keys()) {
    const std::string own = section_of(key.name);
    if (!own.empty() && own != section) {
      out += "\n## " + own + "\n\n" + filled(std::string{section_doc(own)});
    } else if (own.empty() && (section != own || &key == &keys().front())) {
      out += "\n## Without a section\n";
    }
    section = own;
    out += "\n### " + key.name + "\n\n";
    out += filled("`" + key.written + "`, a " + key.type + ": " + key.range + "." +
                  (key.at_start ? " Read at the next start." : "") +
                  (key.is_unused ? " Not used by this version." : ""));
    out += "\n" + filled(key.doc);
  }
  return out;
}

TEST(ConfigurationPage, IsWhatTheTableSays) {
  if (std::getenv("REWRITE") != nullptr) std::ofstream{kPage} << page();
  std::stringstream text;
  text << std::ifstream{kPage}.rdbuf();
  EXPECT_EQ(text.str(), page()) << "REWRITE=1 writes docs/configuration.md anew";
}

}  // namespace
}  // namespace failoverd::config
