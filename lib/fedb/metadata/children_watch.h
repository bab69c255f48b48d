// The children of a znode, watched: whoever needs them is told the whole list at first and after
// every change, also while the znode is not there, which is a list of none. Never writes. Owned by
// who needs them; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lib/base/lifetime.h"
#include "lib/base/loop.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

class ChildrenWatch {
 public:
  // Told of every answer that the znode or a child gave; how long to wait before asking again, if
  // that is no answer to go on with.
  using Answered = std::function<Duration(const std::string& path, zookeeper::Code)>;

  ChildrenWatch(Loop& loop, zookeeper::Client& session, std::string path, Answered answered);
  ChildrenWatch(const ChildrenWatch&) = delete;
  ChildrenWatch& operator=(const ChildrenWatch&) = delete;

  // The names, sorted. Must be set.
  std::function<void(const std::vector<std::string>&)> on_listed;

  // Call from Client::on_state at every kConnected: reads what is not known to be watched.
  void connected(bool new_session);

  using Take = std::function<void(const std::string& name, const std::string& value,
                                  const zookeeper::Stat&)>;
  // Reads these children, and then calls `all_read`. One that has gone is left out. Where one
  // cannot be read, because half of them are worse than what was known, the list is read again a
  // little later, and neither is called. So it is with what is still being read when this is called
  // anew.
  void read_children(const std::vector<std::string>& names, Take take,
                     std::function<void()> all_read);

  const std::string& path() const { return path_; }
  bool is_read() const { return is_read_; }
  const std::vector<std::string>& names() const { return names_; }
  // Counts the children that came and those that went.
  std::int32_t cversion() const { return cversion_; }

 private:
  void read();
  void listed(zookeeper::Code, std::vector<std::string> names, const zookeeper::Stat&);
  void wait_for_it();
  void read_later(Duration pause);
  void one_read(std::uint64_t round, const std::function<void()>& all_read);
  zookeeper::Client::Watch watch();

  zookeeper::Client& session_;
  const std::string path_;
  const Answered answered_;
  std::vector<std::string> names_;
  std::int32_t cversion_ = 0;
  bool is_read_ = false;
  bool reading_ = false;
  bool again_ = false;
  bool watched_ = false;     // The watch of this session is set, and has not fired.
  std::uint64_t round_ = 0;  // Of reading children; a newer one makes an older one void.
  std::size_t open_ = 0;     // Of them so many are still to be read.
  Timer later_;              // To read the list again, because something could not be read.
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
