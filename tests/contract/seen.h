// An answer as the contract's expectations name it: the response's fields by name, and the entries
// of its list ("B=5" of GetTableFollower, "60/kLoadTable=kDone" of GetTaskStatus). Pure.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/contract/question.h"

namespace failoverd::contract {

struct Seen {
  std::map<std::string, std::string> fields;
  std::map<std::string, std::string> entries;
  bool has_entries = false;  // It is an answer that has a list.
};

// `name` gives a tablet's name for its endpoint.
Seen see(const Reply& reply, const std::function<std::string(const std::string&)>& name);
// "code=0 offset=5 B=5"
std::string to_text(const Seen& seen);

// What is wrong; empty: nothing. A field that is not named may be anything, a list has to be named
// as a whole, or not at all. `lists`: whether such an entry can be there.
std::string compare(const std::vector<std::string>& expected, const Seen& seen,
                    const std::function<bool(const std::string&)>& lists);

}  // namespace failoverd::contract
