#include "tests/simulation/znodes.h"

#include <cstdio>
#include <utility>

#include "lib/base/check.h"

namespace failoverd::simulation {

using zookeeper::Code;
using zookeeper::Op;
using zookeeper::OpResult;

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

OpResult failed(Code code, std::string word) {
  OpResult result;
  result.code = code;
  result.word = word.empty() ? zookeeper::to_text(code) : std::move(word);
  return result;
}

Znodes::Znodes() { znodes_["/"].value = std::make_shared<const std::string>(); }

const Znode* Znodes::find(const std::string& path) const {
  const auto found = znodes_.find(path);
  return found == znodes_.end() ? nullptr : &found->second;
}

std::vector<std::string> Znodes::children(const std::string& path) const {
  const std::string prefix = path == "/" ? path : path + "/";
  std::vector<std::string> names;
  for (auto it = znodes_.upper_bound(prefix); it != znodes_.end() && it->first.starts_with(prefix);
       ++it) {
    std::string name = it->first.substr(prefix.size());
    if (name.find('/') == std::string::npos) names.push_back(std::move(name));
  }
  return names;
}

std::vector<std::string> Znodes::owned_by(std::int64_t session) const {
  std::vector<std::string> paths;
  for (const auto& [path, znode] : znodes_) {
    if (znode.stat.ephemeral_owner == session) paths.push_back(path);
  }
  return paths;
}

void Znodes::set(const ZnodeState& state) {
  if (state.znode) {
    znodes_[state.path] = *state.znode;
  } else {
    znodes_.erase(state.path);
  }
}

// The znode, which is there or is made now.
Znode& Znodes::touch(const std::string& path, std::vector<ZnodeState>& before) {
  const auto [it, is_new] = znodes_.try_emplace(path);
  before.push_back({path, is_new ? std::nullopt : std::optional{it->second}});
  return it->second;
}

void Znodes::child_changed(const std::string& path, const Writer& by, int more,
                           std::vector<ZnodeState>& before) {
  Znode& parent = touch(parent_of(path), before);
  ++parent.stat.cversion;
  parent.stat.pzxid = by.zxid;
  parent.stat.num_children += more;
}

OpResult Znodes::create(const Op& op, const Writer& by, std::vector<ZnodeState>& before) {
  const auto parent = znodes_.find(parent_of(op.path));
  std::string path = op.path;
  if (parent == znodes_.end()) return failed(Code::kNoNode);
  if (op.sequential) {
    char digits[16];
    std::snprintf(digits, sizeof digits, "%010d", parent->second.stat.cversion);
    path += digits;
  }
  if (znodes_.contains(path)) return failed(Code::kNodeExists);
  if (parent->second.stat.ephemeral_owner != 0) {
    return failed(Code::kOther, "ephemeral nodes may not have children");
  }
  child_changed(path, by, 1, before);
  Znode& made = touch(path, before);
  made.value = std::make_shared<const std::string>(op.value);
  made.stat.czxid = made.stat.mzxid = made.stat.pzxid = by.zxid;
  made.stat.ctime_ms = made.stat.mtime_ms = by.now_ms;
  made.stat.ephemeral_owner = op.ephemeral ? by.session : 0;
  made.stat.data_length = static_cast<std::int32_t>(op.value.size());
  OpResult result;
  result.code = Code::kOk;
  result.created_path = std::move(path);
  return result;
}

OpResult Znodes::write(const Op& op, const Writer& by, std::vector<ZnodeState>& before) {
  if (op.kind == Op::Kind::kCreate) return create(op, by, before);
  const auto found = znodes_.find(op.path);
  if (found == znodes_.end()) return failed(Code::kNoNode);
  const zookeeper::Stat& stat = found->second.stat;
  if (op.version != -1 && op.version != stat.version) return failed(Code::kBadVersion);
  OpResult result;
  result.code = Code::kOk;
  if (op.kind == Op::Kind::kDelete) {
    if (stat.num_children > 0) return failed(Code::kNotEmpty);
    before.push_back({op.path, found->second});
    znodes_.erase(found);
    child_changed(op.path, by, -1, before);
  } else if (op.kind == Op::Kind::kSet) {
    Znode& znode = touch(op.path, before);
    znode.value = std::make_shared<const std::string>(op.value);
    ++znode.stat.version;
    znode.stat.mzxid = by.zxid;
    znode.stat.mtime_ms = by.now_ms;
    znode.stat.data_length = static_cast<std::int32_t>(op.value.size());
    result.stat = znode.stat;
  }
  return result;
}

}  // namespace failoverd::simulation
