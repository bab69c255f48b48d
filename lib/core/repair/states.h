// The partition's state machine as data: for each condition that a diagnosis can name, which ops
// treat it or what it waits for; and for each op its tasks. Printed by `failoverctl fsm` and
// `failoverd --print-fsm`, shown in docs/architecture/states.md, held together by a test.
#pragma once

#include <span>
#include <string>

#include "lib/core/api/types.h"
#include "lib/core/cluster/model.h"
#include "lib/core/operation/task_tables.h"

namespace failoverd::core {

struct StateRow {
  Condition condition{};
  const char* meaning = "";
  // With auto_failover off: "would ...". Null: nothing would be done.
  const char* would = nullptr;
  std::span<const OpType> ops = {};  // Whichever fits; they are chosen in treatments.cc.
  const char* done_without_op = "";  // What else is done about it; empty: nothing.
  const char* waits_for = "";        // What lifts it, where nothing can be done; empty: an op does.
};

struct OpRow {
  OpType type{};
  const char* purpose = "";
  std::span<const TaskRow> tasks;
};

// One row for each condition, in the order of the enumerators.
std::span<const StateRow> states();
const StateRow& state(Condition);

// One row for each op that this version carries out.
std::span<const OpRow> ops_as_tables();

// Both tables, in lines of at most 100 characters.
std::string fsm_text();

}  // namespace failoverd::core
