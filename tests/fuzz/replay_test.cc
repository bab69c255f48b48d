// Every input that is kept, through its target: the golden files, tests/fuzz/seeds, and what the
// fuzzer once broke something with (tests/fuzz/findings).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/fuzz/targets.h"

namespace failoverd::fuzz {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_below(const fs::path& directory, const std::string& ending) {
  std::vector<fs::path> files;
  if (!fs::is_directory(directory)) return files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().string().ends_with(ending)) files.push_back(entry.path());
  }
  return files;
}

std::vector<fs::path> inputs_of(const Target& target) {
  const fs::path tree{FAILOVERD_SOURCE_DIR};
  std::vector<fs::path> all;
  const auto add = [&](const fs::path& directory, const std::string& ending) {
    for (fs::path& file : files_below(tree / directory, ending)) all.push_back(std::move(file));
  };
  for (const std::string& directory : target.begins_with) add(directory, target.ending);
  add("tests/fuzz/seeds/" + target.name, "");
  add("tests/fuzz/findings/" + target.name, "");
  return all;
}

class FuzzInputs : public testing::TestWithParam<Target> {};

TEST_P(FuzzInputs, AreTaken) {
  const auto inputs = inputs_of(GetParam());
  EXPECT_FALSE(inputs.empty());
  for (const fs::path& file : inputs) {
    std::ifstream in(file, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    SCOPED_TRACE(file);
    GetParam().run(bytes);
    // Whatever was cut off, or has another byte in it.
    for (std::size_t i = 0; i < std::min<std::size_t>(bytes.size(), 64); ++i) {
      GetParam().run(bytes.substr(0, bytes.size() * i / 64));
      std::string odd = bytes;
      odd[bytes.size() * i / 64] = static_cast<char>(~odd[bytes.size() * i / 64]);
      GetParam().run(odd);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Each, FuzzInputs, testing::ValuesIn(targets()),
                         [](const auto& of) { return of.param.name; });

}  // namespace
}  // namespace failoverd::fuzz
