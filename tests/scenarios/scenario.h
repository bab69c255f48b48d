// One incident as text: a script that makes the made-up world suffer, and what was seen after each
// of its lines. Time is virtual and delays are fixed, so the output is always the same. The
// script's words are in commands.cc; a line that begins with "> " is output, one with "#" a
// comment.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/scenarios/printer.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/world.h"

namespace failoverd::scenarios {

class Scenario {
 public:
  Scenario();
  ~Scenario();

  // Runs the script in `text` and gives back the text with the output that it had this time. Throws
  // std::invalid_argument, with the line, for a word that it does not know.
  std::string run(const std::string& text);

 private:
  using Words = std::vector<std::string>;
  void carry_out(const Words&);

  // --- commands.cc
  void learn_commands();
  void learn_cluster();
  void learn_tablets();
  void learn_disks();
  void learn_hands();
  void learn_network();
  void learn_znodes();
  void make_table(const Words&);
  void make_stranger(const Words&);
  void change_policy(const Words&);
  void ask_operator(const Words&);
  core::operators::SetTablePartition edit_by_hand(const Words&);
  void die_after(const Words&);
  void poison(const Words&);
  void refuse(const Words&);
  void show(const Words&);
  void show_ops(const Words&);
  void show_holds();
  void show_kept(core::PartitionKey);
  void show_table(const core::TableShape&);

  // --- commands_nameservers.cc
  void learn_nameservers();
  void order_nameserver(const Words&);

  // Words of a script.
  std::string tablet_named(const std::string& word) const;   // "A" -> "A:1".
  std::string anybody_named(const std::string& word) const;  // A tablet, a daemon, "zookeeper".
  core::PartitionKey partition_named(const std::string& word) const;  // "flow/0"
  core::TableShape table_named(const std::string& word) const;
  simulation::Daemon& daemon_named(const std::string& word);
  static Duration duration(const std::string& word);  // "500ms", "3s"

  simulation::World world_;
  Printer printer_;
  simulation::Ledger ledger_;
  simulation::Checkers checkers_;
  core::RequestId last_question_ = 0;
  std::map<std::string, std::function<void(const Words&)>> commands_;
};

}  // namespace failoverd::scenarios
