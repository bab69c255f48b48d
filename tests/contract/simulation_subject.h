// The simulation's tablet under the contract, in a world of its own whose time stands still between
// two steps. What it has no notion of stands in one table in the .cc file, each with its reason.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/contract/subject.h"
#include "tests/simulation/world.h"

namespace failoverd::contract {

class SimulationSubject : public Subject {
 public:
  explicit SimulationSubject(const minitablet::Generation& generation);

  void begin(const std::string& tablet, bool short_binlogs) override;
  void kill(const std::string& tablet) override;
  void start(const std::string& tablet) override;
  std::string endpoint(const std::string& tablet) override { return endpoints_.at(tablet); }
  Reply ask(const std::string& tablet, const Question& question) override;
  bool soon(const std::function<bool()>& holds) override;
  void hold(const std::string& tablet, const Hold& hold) override;
  void release(const std::string& tablet) override;
  void fail_next_load(const std::string& tablet, Place) override;
  void delete_old_binlogs(const std::string& tablet, Place place) override;
  std::string rows(const std::string& tablet, Place place) override;
  std::uint64_t appends(const std::string& tablet) override { return at(tablet).appends(); }
  std::string directories(const std::string& tablet) override;
  bool has_no_notion_of(const Step& step, const std::optional<Question>& question) override;
  std::string known_of(const std::string& answer) override;
  bool lists(const std::string& task) override;

  // The rows of that table which no step of this process has needed so far.
  static std::vector<std::string> unneeded_rows();

 private:
  simulation::Tablet& at(const std::string& tablet) { return world_.tablet(endpoints_.at(tablet)); }
  // What a call that failoverd never makes would have done.
  void do_by_hand(const std::string& tablet, const Question& question);
  std::optional<core::Answer> answer_of(const std::string& tablet, const core::Call& call,
                                        core::Storage storage);

  const minitablet::Generation& generation_;
  simulation::World world_{1, simulation::fixed_timing()};
  std::map<std::string, std::string> endpoints_;
};

}  // namespace failoverd::contract
