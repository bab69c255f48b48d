// `failoverctl status` for somebody who was just woken: the first line says who acts and how the
// cluster is, then comes what is wrong, worst first, with what it waits for; what is well is last.
#pragma once

#include <string>

#include "lib/base/result.h"

namespace failoverd::ctl {

// `json`: the answer of /api/v1/status.
Result<std::string> status_text(const std::string& json);

}  // namespace failoverd::ctl
