// A client that puts rows into one partition, one after the other, to whoever the metadata says
// leads it. Owned by the world.
#pragma once

#include "lib/core/api/types.h"
#include "tests/simulation/random.h"

namespace failoverd::simulation {

class World;

class Writer {
 public:
  Writer(World& world, core::PartitionKey at, Range every)
      : world_(world), at_(at), every_(every) {}

  void start();  // Goes on until stopped.
  void stop() { stopped_ = true; }
  void write(int rows);  // So many now, without waiting for answers.
  core::PartitionKey at() const { return at_; }

 private:
  void next();
  void put(bool then_next);

  World& world_;
  const core::PartitionKey at_;
  const Range every_;
  bool stopped_ = false;
  std::uint64_t attempt_ = 0;
};

}  // namespace failoverd::simulation
