#include "lib/base/machine_id.h"

#include <cstdint>
#include <cstdio>
#include <fstream>

namespace failoverd {

std::string machine_id() {
  std::ifstream file{"/etc/machine-id"};
  std::string id;
  // systemd writes "uninitialized" there until it has made one.
  if (!(file >> id) || id.size() < 32) return {};
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a.
  for (const char c : id + "failoverd") {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

}  // namespace failoverd
