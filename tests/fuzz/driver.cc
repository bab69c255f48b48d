// libFuzzer's side. FUZZ_TARGET in the environment names the target; `fuzz --targets` prints them
// all, and `fuzz --inputs TARGET` the directories of inputs that one begins with.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "lib/rpc/quiet_protobuf.h"
#include "tests/fuzz/targets.h"

namespace {

using failoverd::fuzz::Target;

const Target& target_of(const char* name) {
  for (const Target& each : failoverd::fuzz::targets()) {
    if (name && each.name == name) return each;
  }
  std::fputs("no such target: tests/fuzz/targets.cc names them\n", stderr);
  std::exit(2);
}

void print_inputs(const Target& target) {
  auto directories = target.begins_with;
  directories.push_back("tests/fuzz/seeds/" + target.name);
  directories.push_back("tests/fuzz/findings/" + target.name);
  for (const std::string& directory : directories) {
    if (std::filesystem::is_directory(directory)) std::puts(directory.c_str());
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  failoverd::rpc::quiet_protobuf();
  const std::string order = *argc > 1 ? (*argv)[1] : "";
  if (order == "--targets") {
    for (const Target& each : failoverd::fuzz::targets()) std::puts(each.name.c_str());
    std::exit(0);
  }
  if (order == "--inputs" && *argc > 2) {
    print_inputs(target_of((*argv)[2]));
    std::exit(0);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Target& target = target_of(std::getenv("FUZZ_TARGET"));
  target.run({reinterpret_cast<const char*>(data), size});
  return 0;
}
