// Where tables' rows and terms are kept: what ops and elections publish goes there.
#pragma once

#include "lib/core/api/command.h"

namespace failoverd::fedb {

class MetadataStore {
 public:
  virtual ~MetadataStore() = default;

  // Answered by one Published of the command's id, never before this returns. Nothing is retried
  // here, and a lost answer is told as unknown (SAFETY 17).
  virtual void publish(const core::Publish& command) = 0;

  // Whether that table's value would be taken as long as it may get (SAFETY 22). Answered by one
  // TableTried.
  virtual void try_table(const core::TryTable& command) = 0;
};

}  // namespace failoverd::fedb
