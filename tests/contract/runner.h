// Puts a file of the contract to tablets, step by step, and tells what is not as it should be.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/contract/script.h"
#include "tests/contract/seen.h"
#include "tests/contract/subject.h"
#include "tests/contract/transcript.h"
#include "tests/minitablet/generation.h"

namespace failoverd::contract {

class Runner {
 public:
  Runner(Subject& subject, const minitablet::Generation& generation);

  // What did not come out as written, each with its line; nothing: all did. It ends with a step
  // that cannot be carried out: what follows would mean nothing.
  std::vector<std::string> run(const Script& script);

 private:
  using Words = std::vector<std::string>;

  void learn_verbs();
  void carry_out(const Step& step);
  void ask(const Step& step);
  // Empty: the answer is as it should be.
  std::string judge(const Step& step, const Reply& reply);
  std::string judge_label(const std::string& label, const std::string& answer);
  Transcript& transcript();
  const std::string& tablet_named(const std::string& word) const;
  void wrong(const Step& step, const std::string& what);

  Subject& subject_;
  const minitablet::Generation& generation_;
  std::map<std::string, std::function<void(const Step&)>> verbs_;
  std::map<std::string, std::string> tablets_;  // Endpoints, by name.
  std::optional<Transcript> transcript_;
  std::vector<std::string> faults_;
};

}  // namespace failoverd::contract
