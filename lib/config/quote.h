// Makes what somebody wrote fit to stand in a message.
#pragma once

#include <string>
#include <string_view>

namespace failoverd::config {

// In double quotes, on one line, in plain ASCII (other bytes as \xNN), cut after 60 characters.
std::string quoted(std::string_view text);

}  // namespace failoverd::config
