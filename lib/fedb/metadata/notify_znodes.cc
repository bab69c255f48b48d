#include "lib/fedb/metadata/notify_znodes.h"

#include <algorithm>

#include "lib/fedb/metadata/number_znodes.h"

namespace failoverd::fedb {

using zookeeper::Code;
using zookeeper::Op;
using zookeeper::Stat;

void NotifyZnodes::follow() {
  if (!notify_watched_) watch_notify();
  if (!global_variable_watched_) watch_global_variable();
}

void NotifyZnodes::bump(std::vector<Op>& ops, bool global_variables) {
  ops.push_back(Op::set(paths_.notify(), std::to_string(++notify_), -1));
  if (!global_variables || !global_variable_) return;
  ops.push_back(Op::set(paths_.global_variable(), std::to_string(++*global_variable_), -1));
}

std::string NotifyZnodes::refused(std::size_t which, const zookeeper::OpResult& result) {
  const bool is_gone = result.code == Code::kNoNode;
  if (which == 0) {
    if (is_gone) watch_notify();
    return "table/notify: " + result.word;
  }
  // No table waits for it. When it changes it is looked at again.
  std::string why = "notify/global_variable: " + result.word;
  global_variable_.reset();
  if (!is_gone) on_warning(why + "; it is left alone");
  return why;
}

// Reads it, makes it where it is not there, and follows what others write.
void NotifyZnodes::watch_notify() {
  notify_watched_ = true;
  session_.get(paths_.notify(),
               lifetime_.guard([this](Code code, const std::string& value, const Stat&) {
                 if (code == Code::kOk) {
                   notify_ = std::max(notify_, number_in(value).value_or(0));
                   return;
                 }
                 notify_watched_ = false;
                 if (code == Code::kNoNode) make_notify();
               }),
               lifetime_.guard([this] { watch_notify(); }));
}

// Follows it, too, but never makes it: only OpenMLDB has it.
void NotifyZnodes::watch_global_variable() {
  global_variable_watched_ = true;
  session_.exists(paths_.global_variable(), lifetime_.guard([this](Code code, const Stat&) {
    if (code == Code::kNoNode) return global_variable_.reset();
    global_variable_watched_ = code == Code::kOk;
  }),
                  lifetime_.guard([this] { watch_global_variable(); }));
  session_.get(paths_.global_variable(),
               lifetime_.guard([this](Code code, const std::string& value, const Stat&) {
                 if (code != Code::kOk) return;
                 global_variable_ =
                     std::max(global_variable_.value_or(0), number_in(value).value_or(0));
               }));
}

void NotifyZnodes::make_notify() {
  session_.ensure_path(paths_.at("table"), lifetime_.guard([this](Code code) {
    if (code != Code::kOk) return;
    session_.create(paths_.notify(), std::to_string(notify_), false, false,
                    lifetime_.guard([this](Code, const std::string&) {
                      if (!notify_watched_) watch_notify();
                    }));
  }));
}

}  // namespace failoverd::fedb
