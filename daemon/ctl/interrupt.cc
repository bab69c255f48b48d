#include "daemon/ctl/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <cstring>

#include "daemon/ctl/output.h"

namespace failoverd::ctl {
namespace {

const char* what_goes_on = "";
std::size_t its_length = 0;

// At that moment anything may be half done.
void interrupted(int) {
  if (::write(STDERR_FILENO, what_goes_on, its_length) < 0) ::_exit(kFailed);
  ::_exit(kFailed);
}

}  // namespace

void explain_ctrl_c(const char* text) {
  what_goes_on = text;
  its_length = std::strlen(text);
  struct sigaction action {};
  action.sa_handler = interrupted;
  ::sigaction(SIGINT, &action, nullptr);
}

}  // namespace failoverd::ctl
