// The tasks of ops that a tablet was given, under (op_id, task_type), until DeleteOPTask forgets
// them; a restart forgets all. With the original's quirks: a key is taken by whatever came first,
// also by a call that was refused. Owned by the Tablet.
#pragma once

#include <list>
#include <map>
#include <memory>

#include "proto/tablet.pb.h"

namespace failoverd::minitablet {

using TaskPtr = std::shared_ptr<fedb::TaskInfo>;

class TaskRegistry {
 public:
  // Registers as kDoing. Null if the key is taken, or if the type is not the method's; the latter
  // is registered all the same, as kFailed. ids_count: task_id, tid and pid belong to the key where
  // `info` has them.
  TaskPtr begin(const fedb::TaskInfo& info, fedb::TaskType type_of_method, bool ids_count) {
    std::list<TaskPtr>& tasks = tasks_[info.op_id()];
    for (const TaskPtr& task : tasks) {
      if (task->task_type() != info.task_type()) continue;
      if (!ids_count || has_ids_of(*task, info)) return nullptr;
    }
    auto task = std::make_shared<fedb::TaskInfo>(info);
    task->set_status(fedb::kDoing);
    tasks.push_back(task);
    if (info.task_type() != type_of_method) {
      task->set_status(fedb::kFailed);
      return nullptr;
    }
    return task;
  }

  // Calls without a task_info have none to end.
  static void end(const TaskPtr& task, bool done) {
    if (task) task->set_status(done ? fedb::kDone : fedb::kFailed);
  }

  void forget(std::uint64_t op_id) { tasks_.erase(op_id); }

  template <class Visitor>
  void for_each(Visitor visit) const {
    for (const auto& [op_id, tasks] : tasks_) {
      for (const TaskPtr& task : tasks) visit(*task);
    }
  }

 private:
  static bool has_ids_of(const fedb::TaskInfo& task, const fedb::TaskInfo& info) {
    return (!info.has_task_id() || info.task_id() == task.task_id()) &&
           (!info.has_tid() || info.tid() == task.tid()) &&
           (!info.has_pid() || info.pid() == task.pid());
  }

  std::map<std::uint64_t, std::list<TaskPtr>> tasks_;
};

}  // namespace failoverd::minitablet
