// What every command of failoverctl says at its end: its exit status, its text, and why the daemon
// did not do what it was asked for.
#pragma once

#include <string>

#include "daemon/ctl/http_client.h"

namespace failoverd::ctl {

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

// A line on standard error; returns the status.
int fail(const std::string& why, int status = kFailed);

// To standard output, at once.
int print(const std::string& text);

// A string of the answer's object; empty if it is not there or the answer is not such an object.
std::string member(const Answer& answer, const char* key);

// Why the daemon did not do it: its words, and what would be right.
std::string why(const Answer& answer);

}  // namespace failoverd::ctl
