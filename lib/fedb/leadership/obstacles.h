// What in ZooKeeper keeps this daemon from acting, gathered from whoever meets it: one
// core::Obstacle for each reason. And how soon to ask again for what was refused. Owned by
// ZookeeperSide; one thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/time.h"
#include "lib/core/api/event.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

class Obstacles {
 public:
  using Tell = std::function<void(core::Event)>;

  // authenticates: our sessions show an identity (Client::authenticates()).
  explicit Obstacles(Tell tell, bool authenticates = false)
      : tell_(std::move(tell)), authenticates_(authenticates) {}

  enum class To { kRead, kWrite };
  // Call with every answer that a path gave to one kind of request. One that is refused stands in
  // the way until it gives another answer, whatever that is. Returns how long to wait before asking
  // again: longer each time that it is refused in a row.
  Duration answered(const std::string& path, zookeeper::Code, To = To::kRead);
  // The same, for whoever only asks how long to wait. It must not outlive these.
  std::function<Duration(const std::string& path, zookeeper::Code)> pauses() {
    return [this](const std::string& path, zookeeper::Code code) { return answered(path, code); };
  }
  // That path and all below it are not asked for any more, or have just been read.
  void forget(const std::string& path);

  // Something else about a path: text is one sentence, empty when it is over.
  void set(const std::string& reason, const std::string& path, const std::string& text);

  static bool is_refusal(zookeeper::Code);
  // After how long to ask again what was refused once more; zero: it was not refused before.
  static Duration next_pause(Duration last);

 private:
  using Key = std::pair<std::string, To>;
  static constexpr const char* kRefused = "refused";
  void set(const std::string& reason, const Key& key, const std::string& text);

  std::string way_out(zookeeper::Code) const;

  const Tell tell_;
  const bool authenticates_;
  std::map<Key, Duration> refused_;  // The last pause.
  // By reason, the oldest first: that one is told.
  std::map<std::string, std::vector<std::pair<Key, std::string>>> standing_;
};

}  // namespace failoverd::fedb
