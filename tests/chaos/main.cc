// chaos: random faults on a whole cluster of real processes, from one seed, and whether a row was
// lost that could have been kept. The seed determines which faults come, when, and whom they hit;
// how long real processes take does not follow from it, so that a run that failed may pass when it
// is repeated.
#include <charconv>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "tests/chaos/run.h"
#include "tests/minitablet/generation.h"

namespace {

constexpr const char* kUsage =
    "chaos [--seed N] [--seconds S] [--generation rtidb|openmldb] [--nameservers N] [--keep]\n"
    "  --seed N        which faults come and whom they hit (1); how long processes take is theirs\n"
    "  --seconds S     how long faults come (90); up to 60 s of calm follow\n"
    "  --generation G  what the tablets are: rtidb (the default) or openmldb\n"
    "  --nameservers N beside it, their own auto_failover off: 0 (the default) to 3; they are hit "
    "too\n"
    "  --keep          keeps logs and data also when all holds\n"
    "Exit status: 0 if all holds, 1 if not, 2 for arguments that cannot be.\n";

bool parse(const std::string& text, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

// Both `--name value` and `--name=value`.
std::vector<std::string> words(int argc, char** argv) {
  std::vector<std::string> all;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
    all.push_back(word.substr(0, equals));
    if (equals != std::string::npos) all.push_back(word.substr(equals + 1));
  }
  return all;
}

// False, with a line on stderr, for what cannot be.
bool read_options(const std::vector<std::string>& words, failoverd::chaos::RunOptions& options) {
  const auto refuse = [](const std::string& what) {
    std::fprintf(stderr, "chaos: %s\n%s", what.c_str(), kUsage);
    return false;
  };
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--keep") {
      options.keep = true;
      continue;
    }
    const std::string value = i + 1 < words.size() ? words[i + 1] : "";
    std::uint64_t number = 0;
    if (words[i] == "--seed") {
      if (!parse(value, options.seed)) return refuse("--seed " + value + ": a number is wanted");
    } else if (words[i] == "--seconds") {
      if (!parse(value, number) || number < 10 || number > 86'400) {
        return refuse("--seconds " + value + ": 10 to 86400 is wanted");
      }
      options.length = std::chrono::seconds{number};
    } else if (words[i] == "--nameservers") {
      if (!parse(value, number) || number > 3) {
        return refuse("--nameservers " + value + ": 0 to 3 is wanted");
      }
      options.nameservers = static_cast<int>(number);
    } else if (words[i] == "--generation") {
      options.generation = failoverd::minitablet::generation_named(value);
      if (!options.generation) {
        return refuse("--generation " + value + ": rtidb or openmldb is wanted");
      }
    } else {
      return refuse(words[i] + " is not known");
    }
    ++i;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  failoverd::chaos::RunOptions options;
  const std::vector<std::string> all = words(argc, argv);
  if (all.size() == 1 && (all[0] == "--help" || all[0] == "-h")) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  if (!read_options(all, options)) return 2;
  std::printf("%s\n", options.command().c_str());
  std::fflush(stdout);
  try {
    if (failoverd::chaos::run(options)) return 0;
  } catch (const std::exception& error) {
    std::printf("\nFAILED: %s\n", error.what());
  }
  std::printf("\nto repeat it: %s\n", options.command().c_str());
  return 1;
}
