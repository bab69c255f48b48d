// What nameserver_store.cc knows of one publish through a nameserver: its parts, each a partition,
// and how far they are. Part of that file.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/core/api/command.h"
#include "lib/core/api/event.h"
#include "lib/fedb/metadata/nameserver_store.h"

namespace failoverd::fedb {

struct NameserverStore::Part {
  enum class State {
    kOpen,      // Nothing has been sent that changes it.
    kConflict,  // It is not as it was when this was decided, or the nameserver is busy with it.
    kSent,      // SetTablePartition was sent, and is not answered; or will never be.
    kSet,       // It was answered with 0.
    kFailed,    // Refused: nothing is changed.
    kDone,      // Read back.
  };
  std::string znode;
  std::string name;
  std::string db;
  std::uint32_t pid = 0;
  std::vector<core::PartitionEdit> edits;   // All that the command has of it.
  std::optional<core::PartitionShape> now;  // By the znode.
  std::string written;                      // The znode's, as a message.
  std::string message;                      // What the nameserver holds; then what it is to hold.
  std::optional<core::PartitionShape> held;
  State state = State::kOpen;
};

struct NameserverStore::Flight {
  core::RequestId id = 0;
  std::string endpoint;             // Who is asked.
  std::int64_t epoch = 0;           // Ours.
  std::vector<std::string> tables;  // All of the command, whatever of them changes.
  std::vector<Part> parts;
  std::map<std::string, std::int32_t> versions;  // Of the tables' znodes, before.
  std::set<std::string> busy;  // Tables of which the nameserver has an op; or they are not known.
  std::set<std::pair<std::string, std::uint32_t>> busy_with;
  std::size_t open = 0;  // Answers that are waited for.
  bool repeats = false;  // The znode is right, and the nameserver's memory is behind it.
  bool looked_again = false;
  int fences = 0;   // How often it was asked whether it goes on.
  std::string why;  // The first thing that went wrong.
  std::optional<core::Published> own_failed;

  bool any(Part::State state) const {
    return std::ranges::any_of(parts, [&](const Part& p) { return p.state == state; });
  }
  Part* part_of(const std::string& znode, std::uint32_t pid) {
    const auto found = std::ranges::find_if(
        parts, [&](const Part& p) { return p.znode == znode && p.pid == pid; });
    return found == parts.end() ? nullptr : &*found;
  }
  void complain(const std::string& line) {
    if (why.empty()) why = line;
  }
};

}  // namespace failoverd::fedb
