// What ended ops have left on tablets that could not be asked at that moment: tasks in their
// registries, a paused snapshot on a leader that stood still (SAFETY 11). Tried again until the
// tablet has answered. The op's journal entry stays
// until then, marked as over, so that a successor goes on. Owned by the brain.
#pragma once

#include <map>
#include <set>

#include "lib/core/desk.h"
#include "lib/core/journal.h"
#include "lib/core/model.h"

namespace failoverd::core {

class Cleanup {
 public:
  Cleanup(Model& model, Desk& desk, Journal& journal)
      : model_(model), desk_(desk), journal_(journal) {}

  // An op has ended; `over.over` is set, `over.paused` if its leader may still be paused.
  void begin(const BegunOp& over);
  // A predecessor's.
  void resume(const BegunOp& over);
  void stop() { left_.clear(); }

  void journaled(OpId);
  void answered(const Route&, const Answer&);
  void timer(const Route&);

 private:
  enum What : std::uint32_t { kForgetTasks, kRecoverSnapshot };
  using Item = std::pair<What, TabletIndex>;
  struct Left {
    BegunOp op;
    bool journaled = false;
    std::set<Item> items;
    std::set<Item> asked;    // Without an answer yet.
    bool timer_set = false;  // For all of them.
  };

  Left& take(const BegunOp& over);
  void clean(Left&);
  void again(Left&);
  void done(Left&, Item);

  Model& model_;
  Desk& desk_;
  Journal& journal_;
  std::map<OpId, Left> left_;
};

}  // namespace failoverd::core
