// Operators' commands as they come in, a name and texts, become what the brain is asked; its answer
// becomes what the asker is told, in the words that operators know. Decides nothing: what is right
// in itself is passed on, and whether it may be done now is the brain's.
#pragma once

#include <string>

#include "lib/admin/status_types.h"
#include "lib/base/result.h"
#include "lib/core/api/operator_command.h"

namespace failoverd {

// What the brain is asked, read from a request.
struct OperatorQuestion {
  core::OperatorCommand what;
  bool only_plan = false;
  std::string
      etag;  // Of an edit by hand: what the partition was when it was read; empty: whatever.
};

// Whether there is such a command. "confset" is none of these: it does not go through the brain.
bool is_operator_command(const std::string& name);
// All of them: "addreplica, cancelop, ...".
std::string operator_commands();

// A failure is one line that names the argument, its value and what would be right.
Result<OperatorQuestion> to_operator_question(const admin::CommandRequest& request);

admin::CommandResult to_command_result(const OperatorQuestion& question, const std::string& name,
                                       const core::OperatorAnswer& answer);

}  // namespace failoverd
