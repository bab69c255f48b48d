// The switch auto_failover, shared by all daemons in <root>/failoverd/auto_failover, and what this
// daemon last read from its own file (docs/operating.md, "The switch"): only a file that says
// something else than it said before changes the switch; a file that never had the key and gets it
// does. A daemon that has never read a file before changes nothing, and neither does one whose name
// is another's (daemon_name.h). Value of the znode: "true" or "false", then a line "by <who>", and
// while a release is not finished "releasing, was <true or false>", which goes with whatever is
// written there next. Of a daemon's: "true", "false", or "none" where its file did not say, then a
// line "of <its machine>" where that is known. Owned by the driver; one thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "lib/base/lifetime.h"
#include "lib/base/loop.h"
#include "lib/core/api/event.h"
#include "lib/fedb/daemon_name.h"
#include "lib/fedb/leadership/obstacles.h"
#include "lib/fedb/wire/paths.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

class Switch {
 public:
  using Tell = std::function<void(core::Event)>;

  // daemon: this daemon's name, below failoverd/daemons/; machine: see daemon_name.h.
  Switch(Loop& loop, zookeeper::Client& session, Paths paths, std::string daemon,
         std::string machine, Obstacles& obstacles, Tell tell);
  ~Switch();
  Switch(const Switch&) = delete;
  Switch& operator=(const Switch&) = delete;

  // One line about a value that is neither true nor false, or about a name that is taken. Must be
  // set.
  std::function<void(std::string)> on_warning;
  // One line about a file that says something else than the switch.
  std::function<void(std::string)> on_info = [](const std::string&) {};

  // Asked before anything is created. Must be set.
  zookeeper::Client::MayCreate may_create;

  // Reads it and watches it from now on.
  void connected(bool new_session);
  // The file was read, at the start or by a reload. None: it does not say.
  void file_says(std::optional<bool> value);
  // This daemon has become active: where no znode is, it writes what was read there last (somebody
  // has removed it), else what its file says, else `otherwise`.
  void now_active(bool otherwise);
  // confset. done(ok): it is written, and told; or why not. A lost answer is read back (SAFETY 17);
  // where ZooKeeper does not answer that either, the write may still be carried out, and `why` says
  // so.
  using SetDone = std::function<void(bool ok, std::string why)>;
  void set(bool value, const std::string& by, SetDone done);
  // The same, off, for a release: what it was is kept in the same write until the release ends.
  void set_off_to_release(const std::string& by, SetDone done);
  // A release has ended, or is taken back: it is `value` from now on, unless somebody has written
  // it meanwhile, which stands.
  void end_release(bool value, SetDone done);

  // A release was begun and has not ended: what it was before. None: as far as is known none was.
  std::optional<bool> was_before_release() const { return was_before_release_; }
  // When what was read last was written, by ZooKeeper's clock, Unix ms; 0: nothing was read.
  std::int64_t written_ms() const { return written_ms_; }
  // What this daemon's file said when it was read last.
  std::optional<bool> file() const { return file_; }
  // Another daemon lives with its name: its file changes nothing.
  bool name_is_taken() const { return name_.is_taken(); }

 private:
  void read();
  void value_read(zookeeper::Code code, const std::string& value, const zookeeper::Stat& stat);
  void compare_with_remembered();
  void compare(const std::string& remembered);
  void say_if_file_differs();
  void remember(const std::string& word);
  void create(bool otherwise);
  struct Setting;
  void write(std::shared_ptr<Setting> setting);
  void read_back(std::shared_ptr<Setting> setting);
  void later(std::function<void()> what, Duration pause = std::chrono::milliseconds{100});

  Loop& loop_;
  zookeeper::Client& session_;
  const Paths paths_;
  DaemonName name_;
  Obstacles& obstacles_;
  Tell tell_;
  std::optional<bool> file_;
  bool compare_ = false;  // What the file says is still to be compared.
  bool connected_ = false;
  bool watched_ = false;
  bool read_ = false;
  bool exists_ = false;
  std::optional<bool> in_force_;   // What was read last.
  std::optional<bool> differs_;    // The file's value that was said to differ.
  std::optional<bool> otherwise_;  // Active: what to write where no znode is and nobody says.
  std::string by_;
  std::int32_t version_ = 0;  // Of the znode, when it was read last.
  std::optional<bool> was_before_release_;
  std::int64_t written_ms_ = 0;
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
