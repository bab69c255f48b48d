// A call of the contract's language as a message: "LoadTable 7/3 follower op 60" is LoadTable with
// that table_meta and that task_info. Words are the request's own fields, and a few short ones.
// Pure.
#pragma once

#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/minitablet/generation.h"

namespace failoverd::contract {

using MessagePtr = std::shared_ptr<google::protobuf::Message>;

struct Question {
  std::string method;
  MessagePtr request;  // In the shape that serialize() of generation.h takes.
};

struct Reply {
  MessagePtr response;  // None: it was not answered.
  int error_code = 0;   // The transport's, then.
};

bool is_method(const std::string& name);
// The empty response of a method.
MessagePtr response_of(const std::string& method);

// `words`: the method first. `asked`: the tablet's name; `endpoint` gives a tablet's endpoint.
// Throws std::invalid_argument for a word that the request does not know.
Question make_question(const std::vector<std::string>& words, const std::string& asked,
                       const std::function<std::string(const std::string&)>& endpoint,
                       const minitablet::Generation& generation);

}  // namespace failoverd::contract
