// Which watches wait for which znode. The C client is given one and the same watcher for
// everything: it compares every pair of watchers whenever the connection changes, which takes
// seconds for ten thousand different ones. So it only says what happened to which path, and this
// says whom to tell. Pure. Owned by the session.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

namespace failoverd::zookeeper {

class Watches {
 public:
  using Watch = std::function<void()>;
  enum class Of { kData, kChildren };  // get and exists watch the data, children the children.
  enum class Event { kData, kChildren, kDeleted };  // Creation counts as kData.

  void add(Of of, const std::string& path, Watch watch);
  // Those that the event fires, oldest first; they are forgotten.
  std::vector<Watch> take(Event event, const std::string& path);
  void clear();
  std::size_t size() const;
  std::size_t bytes() const;  // Of the paths, as a reconnect names them.

 private:
  using Table = std::unordered_map<std::string, std::vector<Watch>>;
  static void move_out(Table& from, const std::string& path, std::vector<Watch>& to);

  Table data_;
  Table children_;
};

}  // namespace failoverd::zookeeper
