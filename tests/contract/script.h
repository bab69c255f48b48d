// A file of the contract: what tablets are asked, step by step, and what they have to answer. The
// language stands in tests/README.md. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace failoverd::contract {

struct Step {
  int line = 0;
  std::string text;        // Without comment, generation and expectation: "soon A GetTermPair 7/3".
  std::string generation;  // The only one that it is for; empty: all of the file's.
  bool soon = false;       // Asked again until the answer is right.
  std::vector<std::string> words;     // Without "soon".
  std::vector<std::string> expected;  // "code=0", "offset=5", "none"; in any order.
  std::optional<std::string> label;   // Of the transcript's line that has the answer.
  bool expects() const { return !expected.empty() || label; }
};

struct Script {
  std::vector<std::string> generations;  // That the file is true of.
  std::vector<Step> steps;
};

// Throws std::invalid_argument with the line's number for what is no step.
Script parse_script(const std::string& text);

}  // namespace failoverd::contract
