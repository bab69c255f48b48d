// Each *.txt in this directory is one test: its script is run and its text must come out as it is.
// REWRITE=1 writes what came out into the file, for a person to read before it is kept.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/scenarios/scenario.h"

namespace failoverd::scenarios {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> scenario_files() {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(FAILOVERD_SOURCE_DIR "/tests/scenarios")) {
    const bool script = entry.path().extension() == ".txt";
    if (script && entry.path().filename() != "CMakeLists.txt")
      files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string read(const std::string& file) {
  std::ifstream in{file};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

class Scenarios : public testing::TestWithParam<std::string> {};

TEST_P(Scenarios, ComeOutAsWritten) {
  const std::string text = read(GetParam());
  const auto second = text.find('\n') + 1;
  EXPECT_TRUE(text.starts_with("# What happens: ")) << GetParam();
  EXPECT_EQ(text.find("# What must not: "), second) << GetParam();
  const std::string seen = Scenario{}.run(text);
  EXPECT_EQ(seen.find("BROKEN"), std::string::npos) << GetParam();
  const char* rewrite = std::getenv("REWRITE");
  if (rewrite && std::string{rewrite} == "1") {
    std::ofstream{GetParam()} << seen;
    return;
  }
  EXPECT_EQ(text, seen) << GetParam() << "\nREWRITE=1 writes what was seen.";
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = fs::path{info.param}.stem().string();
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(File, Scenarios, testing::ValuesIn(scenario_files()), test_name);

}  // namespace
}  // namespace failoverd::scenarios
