// What the operator decided: the part of the configuration that the brain's decisions depend on.
// Plain values; lib/config fills them and documents each key (config/failoverd.yaml). `never` is
// nullopt.
#pragma once

#include <cstdint>
#include <optional>

#include "lib/base/time.h"

namespace failoverd::core {

struct Detection {
  bool crash = true;  // Act on a refused port before the znode is gone.
  // How long after the first refusal another one counts, where the tablet closed our connection.
  Duration refuses_again = std::chrono::milliseconds{3};
  Duration silence = std::chrono::seconds{3};  // Without znode and answers for so long: lost.
  std::optional<Duration> zookeeper_lost = std::chrono::seconds{30};
  std::optional<Duration> hung_leader = std::chrono::seconds{30};
  bool operator==(const Detection&) const = default;
};

struct ElectionPolicy {
  // How long to wait for a replica whose last known offset is above the best that answered.
  Duration wait_for_better = std::chrono::seconds{3};
  // How long to wait for a tablet whose replica is known to hold more than guards.max_lost_entries
  // beyond the best that is there.
  std::optional<Duration> wait_for_lost = std::chrono::seconds{20};
  std::optional<Duration> unclean_after = std::nullopt;
  bool operator==(const ElectionPolicy&) const = default;
};

struct Recovery {
  int max_copies_per_tablet = 2;
  std::uint64_t catch_up_delta = 0;  // Entries (SAFETY 18).
  Duration full_restart_wait = std::chrono::minutes{5};
  std::optional<Duration> replace_after = std::nullopt;
  bool reuse_binlog = true;
  bool operator==(const Recovery&) const = default;
};

struct Handover {
  Duration pause = std::chrono::milliseconds{500};
  bool operator==(const Handover&) const = default;
};

struct Guards {
  std::optional<int> max_lost_tablets = std::nullopt;  // auto: half of those known, at least 2.
  Duration window = std::chrono::seconds{10};
  int flaps = 3;
  std::optional<std::uint64_t> max_lost_entries = 1000;  // None: unlimited.
  bool operator==(const Guards&) const = default;
};

// Where metadata is changed (cluster.metadata). kAuto: through a nameserver that lives.
enum class Metadata { kAuto, kZookeeper };

struct Policy {
  bool shadow = false;  // mode: shadow. Nothing is changed; what would be is remembered.
  Detection detection;
  ElectionPolicy election;
  Recovery recovery;
  Handover handover;
  Guards guards;
  Metadata metadata = Metadata::kAuto;
  bool operator==(const Policy&) const = default;
};

}  // namespace failoverd::core
