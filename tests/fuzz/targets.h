// What is fed with any bytes: everything that comes from outside. A target must come back whatever
// it is given; what else must hold it CHECKs. libFuzzer runs one of them at a time (driver.cc), and
// replay_test.cc all of them on the inputs that are kept.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace failoverd::fuzz {

void frames(std::string_view input);         // baidu_std, in pieces.
void answers(std::string_view input);        // What a tablet answers, to each call.
void table_info(std::string_view input);     // A table's znode, in both numberings.
void partition(std::string_view input);      // One of a table, as people write it.
void records(std::string_view input);        // Our own znodes.
void configuration(std::string_view input);  // failoverd.yaml.
void http(std::string_view input);           // A request.
void texts(std::string_view input);          // Endpoints, cursors, escapes: small texts of others.

struct Target {
  std::string name;
  void (*run)(std::string_view input);
  // Directories and files below the source tree that it begins with, besides seeds/NAME and
  // findings/NAME; a file's name has to end like that.
  std::vector<std::string> begins_with;
  std::string ending;
};
const std::vector<Target>& targets();

}  // namespace failoverd::fuzz
