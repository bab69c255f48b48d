#include "lib/fedb/leadership/obstacles.h"

#include <algorithm>

namespace failoverd::fedb {
namespace {

using zookeeper::Code;

constexpr Duration kUnansweredAgain = std::chrono::milliseconds{100};
constexpr Duration kRefusedAgain = std::chrono::seconds{1};
constexpr Duration kLongestPause = std::chrono::seconds{30};

}  // namespace

bool Obstacles::is_refusal(Code code) { return code == Code::kNoAuth || code == Code::kOther; }

Duration Obstacles::next_pause(Duration last) {
  return last == Duration{0} ? kRefusedAgain : std::min(2 * last, kLongestPause);
}

Duration Obstacles::answered(const std::string& path, Code code, To to) {
  const bool is_answer = code != Code::kUnknown && code != Code::kExpired;
  if (!is_answer) return kUnansweredAgain;
  const Key key{path, to};
  if (!is_refusal(code)) {
    if (refused_.erase(key) > 0) set(kRefused, key, "");
    return kUnansweredAgain;
  }
  Duration& pause = refused_[key];
  pause = next_pause(pause);
  const std::string what = to == To::kWrite ? "create anything in " : "use ";
  set(kRefused, key,
      "ZooKeeper does not let failoverd " + what + path + " (" + zookeeper::to_text(code) +
          "); waits until it does: " + way_out(code));
  return pause;
}

// Whether the ACL or we are wrong nobody but its owner knows.
std::string Obstacles::way_out(Code code) const {
  if (code != Code::kNoAuth) return "mend its ACL";
  return std::string{"mend its ACL, or "} + (authenticates_ ? "the identity in " : "set ") +
         "cluster.zookeeper_auth_file";
}

void Obstacles::forget(const std::string& path) {
  std::vector<Key> gone;
  for (const auto& [key, pause] : refused_) {
    if (key.first == path || key.first.starts_with(path + "/")) gone.push_back(key);
  }
  for (const Key& key : gone) {
    refused_.erase(key);
    set(kRefused, key, "");
  }
}

void Obstacles::set(const std::string& reason, const std::string& path, const std::string& text) {
  set(reason, Key{path, To::kRead}, text);
}

void Obstacles::set(const std::string& reason, const Key& key, const std::string& text) {
  auto& all = standing_[reason];
  const std::string before = all.empty() ? "" : all.front().second;
  const auto known =
      std::find_if(all.begin(), all.end(), [&](const auto& e) { return e.first == key; });
  if (text.empty()) {
    if (known != all.end()) all.erase(known);
  } else if (known != all.end()) {
    known->second = text;
  } else {
    all.emplace_back(key, text);
  }
  const std::string now = all.empty() ? "" : all.front().second;
  if (now != before) tell_(core::Obstacle{reason, now});
}

}  // namespace failoverd::fedb
