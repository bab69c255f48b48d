// Ctrl-C while something is followed: the program ends, and what is followed goes on.
#pragma once

namespace failoverd::ctl {

// From now on Ctrl-C prints that on standard error and exits with 1. The text is a literal: nothing
// but a write is allowed in a signal's handler.
void explain_ctrl_c(const char* text);

}  // namespace failoverd::ctl
