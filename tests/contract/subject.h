// Tablets that are held to the contract: minitablet's, or the simulation's. They begin, end and are
// asked by name ("A"); time passes only in soon(), and where a call waits for something.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "tests/contract/question.h"
#include "tests/contract/script.h"

namespace failoverd::contract {

// A partition.
struct Place {
  std::uint32_t tid = 0;
  std::uint32_t pid = 0;
};

// Where calls of a method are held back.
struct Hold {
  std::string method;
  std::string stage;  // "before" it does anything, "queued" for a thread, "inside" its task.
  int skip = 0;       // So many go on first.
};

class Subject {
 public:
  virtual ~Subject() = default;

  // --- Processes
  // `short_binlogs`: a binlog file holds a row or two.
  virtual void begin(const std::string& tablet, bool short_binlogs) = 0;
  virtual void kill(const std::string& tablet) = 0;
  virtual void start(const std::string& tablet) = 0;
  virtual std::string endpoint(const std::string& tablet) = 0;

  // --- Calls
  virtual Reply ask(const std::string& tablet, const Question& question) = 0;
  // Time passes until it holds; false: it never does.
  virtual bool soon(const std::function<bool()>& holds) = 0;

  // --- What happens to tablets
  virtual void hold(const std::string& tablet, const Hold& hold) = 0;
  virtual void release(const std::string& tablet) = 0;
  virtual void fail_next_load(const std::string& tablet, Place at) = 0;
  // Binlogs that nobody needs go; returns when they are gone.
  virtual void delete_old_binlogs(const std::string& tablet, Place at) = 0;

  // --- What can be seen beside the answers
  // All that it holds in memory, in order: equal texts are equal rows.
  virtual std::string rows(const std::string& tablet, Place at) = 0;
  // So many AppendEntries have reached it.
  virtual std::uint64_t appends(const std::string& tablet) = 0;
  // The partitions' directories: "['900_0']".
  virtual std::string directories(const std::string& tablet) = 0;

  // --- What it has no notion of, by design
  // True: the step is none of its, and is not compared; what it would have done is done otherwise.
  virtual bool has_no_notion_of(const Step&, const std::optional<Question>&) { return false; }
  // An answer without what it does not know.
  virtual std::string known_of(const std::string& answer) { return answer; }
  // Whether GetTaskStatus lists such tasks: "60/kLoadTable".
  virtual bool lists(const std::string& /*task*/) { return true; }
};

}  // namespace failoverd::contract
