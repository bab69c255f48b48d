// Each *.txt in this directory is put to minitablet and to the simulation's tablet, of every
// generation that it names: what one does the other does too, and both as the real ones did.
#include <gmock/gmock.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/contract/minitablet_subject.h"
#include "tests/contract/runner.h"
#include "tests/contract/simulation_subject.h"

namespace failoverd::contract {
namespace {

namespace fs = std::filesystem;

enum class Whose { kMinitablets, kSimulations };

struct Case {
  std::string file;
  Whose whose{};
  const minitablet::Generation* generation = nullptr;
};

std::string read(const std::string& file) {
  std::ifstream in{file};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> files() {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator{FAILOVERD_SOURCE_DIR "/tests/contract"}) {
    const bool script = entry.path().extension() == ".txt";
    if (script && entry.path().filename() != "CMakeLists.txt") {
      files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// The line "of ..." alone: what does not parse is told by the test, not while tests are listed.
bool is_of(const std::string& file, const std::string& generation) {
  std::istringstream in{read(file)};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("of ")) return (line + " ").find(" " + generation + " ") != line.npos;
  }
  return true;
}

std::vector<Case> cases() {
  std::vector<Case> cases;
  for (const std::string& file : files()) {
    for (const auto* generation : {&minitablet::rtidb(), &minitablet::openmldb()}) {
      if (!is_of(file, generation->name)) continue;
      for (const Whose whose : {Whose::kMinitablets, Whose::kSimulations}) {
        cases.push_back({file, whose, generation});
      }
    }
  }
  return cases;
}

std::vector<std::string> faults_of(const Case& c) {
  const Script script = parse_script(read(c.file));
  if (c.whose == Whose::kMinitablets) {
    MinitabletSubject subject{*c.generation};
    return Runner{subject, *c.generation}.run(script);
  }
  SimulationSubject subject{*c.generation};
  return Runner{subject, *c.generation}.run(script);
}

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.file << (c.whose == Whose::kMinitablets ? ", minitablet, " : ", simulation, ")
       << c.generation->name;
}

class Contract : public testing::TestWithParam<Case> {};

TEST_P(Contract, IsKept) {
  for (const std::string& fault : faults_of(GetParam())) {
    ADD_FAILURE() << GetParam().file << " " << fault;
  }
}

std::string test_name(const testing::TestParamInfo<Case>& info) {
  std::string name = fs::path{info.param.file}.stem().string();
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name + (info.param.whose == Whose::kMinitablets ? "_by_minitablet_" : "_by_simulation_") +
         info.param.generation->name;
}

INSTANTIATE_TEST_SUITE_P(File, Contract, testing::ValuesIn(cases()), test_name);

TEST(ContractFiles, SayWhatTheyAreOf) {
  ASSERT_FALSE(files().empty());
  for (const std::string& file : files()) {
    EXPECT_TRUE(read(file).starts_with("# ")) << file;
    EXPECT_NO_THROW(parse_script(read(file))) << file;  // With a generation that there is.
  }
}

// A reason that no file needs is none.
TEST(ContractTable, EveryRowIsNeeded) {
  for (const Case& c : cases()) {
    if (c.whose == Whose::kSimulations) (void)faults_of(c);
  }
  EXPECT_THAT(SimulationSubject::unneeded_rows(), testing::IsEmpty());
}

}  // namespace
}  // namespace failoverd::contract
