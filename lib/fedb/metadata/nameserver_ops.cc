#include "lib/fedb/metadata/nameserver_ops.h"

#include <utility>

#include "proto/table_info.pb.h"

namespace failoverd::fedb {
namespace {

using zookeeper::Code;
using zookeeper::Stat;

// One that failed stays, so that those that run are read again.
constexpr Duration kReadAgain = std::chrono::milliseconds{500};

std::optional<core::NameserverOp> op_in(const std::string& value) {
  OPInfo info;
  if (!info.ParsePartialFromString(value) || !info.IsInitialized()) return std::nullopt;
  if (info.task_status() != kInited && info.task_status() != kDoing) return std::nullopt;
  return core::NameserverOp{info.op_id(), OPType_Name(info.op_type()), info.db(), info.name(),
                            info.pid()};
}

}  // namespace

NameserverOps::NameserverOps(Loop& loop, zookeeper::Client& session, const Paths& paths, Tell tell)
    : session_(session),
      tell_(std::move(tell)),
      list_(loop, session, paths.at("op/op_data"),
            [](const std::string&, Code) { return kReadAgain; }),
      again_(loop) {
  list_.on_listed = [this](const auto& names) { listed(names); };
}

void NameserverOps::connected(bool new_session) {
  if (new_session) any_told_ = false;
  list_.connected(new_session);
}

void NameserverOps::listed(const std::vector<std::string>& names) {
  const std::set<std::string> there(names.begin(), names.end());
  std::erase_if(known_, [&](const auto& op) { return !there.contains(op.first); });
  std::erase_if(unread_, [&](const std::string& name) { return !there.contains(name); });
  for (const std::string& name : names) {
    if (!known_.contains(name)) read(name);
  }
  tell_if_new();
}

void NameserverOps::read(const std::string& name) {
  if (!reading_.insert(name).second) return;
  session_.get(list_.path() + "/" + name,
               lifetime_.guard([this, name](Code code, const std::string& value, const Stat&) {
                 reading_.erase(name);
                 if (code == Code::kNoNode) {
                   known_.erase(name);
                   unread_.erase(name);
                 } else if (code == Code::kOk) {
                   known_[name] = op_in(value);
                   unread_.erase(name);
                 } else {
                   unread_.insert(name);
                 }
                 if (code != Code::kNoNode && (code != Code::kOk || known_[name])) read_later();
                 tell_if_new();
               }));
}

void NameserverOps::read_later() {
  again_.set(kReadAgain, [this] {
    for (const std::string& name : std::set<std::string>{unread_}) read(name);
    for (const auto& [name, op] : known_) {
      if (op) read(name);
    }
  });
}

void NameserverOps::tell_if_new() {
  if (!reading_.empty() || !unread_.empty()) return;
  std::vector<core::NameserverOp> running;
  for (const auto& [name, op] : known_) {
    if (op) running.push_back(*op);
  }
  if (std::exchange(any_told_, true) && running == told_) return;
  told_ = running;
  tell_(core::NameserverOpsRead{std::move(running)});
}

}  // namespace failoverd::fedb
