#include "lib/fedb/metadata/names_watch.h"

#include <utility>

#include "lib/rpc/endpoint.h"

namespace failoverd::fedb {

using zookeeper::Code;
using zookeeper::Stat;

NamesWatch::NamesWatch(Loop& loop, zookeeper::Client& session, const Paths& paths,
                       ServerNames& names, Obstacles& obstacles)
    : session_(session), path_(paths.names()), names_(names), obstacles_(obstacles), later_(loop) {}

void NamesWatch::connected(bool new_session) {
  if (new_session) {
    list_watched_ = false;
    watched_.clear();
  }
  if (new_session || !was_read_ || !list_watched_) read();
}

zookeeper::Client::Watch NamesWatch::list_watch() {
  return lifetime_.guard([this] {
    list_watched_ = false;
    read();
  });
}

// Few servers, which seldom move: all of them are read when one does.
void NamesWatch::read() {
  if (reading_) {
    again_ = true;
    return;
  }
  reading_ = true;
  again_ = failed_ = false;
  open_ = 1;
  const auto children = [this](Code code, const std::vector<std::string>& names, const Stat&) {
    const Duration pause = obstacles_.answered(path_, code);
    if (code == Code::kOk) return listed(names);
    list_watched_ = false;
    if (code == Code::kNoNode) return wait_for_the_first();
    not_read(code, pause);
    one_read();
  };
  const bool is_watched = std::exchange(list_watched_, true);
  session_.children(path_, lifetime_.guard(children), is_watched ? nullptr : list_watch());
}

// No server of this cluster has a name. getChildren leaves no watch on what is not there.
void NamesWatch::wait_for_the_first() {
  list_watched_ = true;
  session_.exists(path_, lifetime_.guard([this](Code code, const Stat&) {
    if (code != Code::kNoNode) {  // kOk: made meanwhile, and nobody watches its children.
      list_watched_ = false;
      not_read(code, obstacles_.answered(path_, code));
    }
    one_read();
  }),
                  list_watch());
}

void NamesWatch::listed(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    ++open_;
    const auto fired = lifetime_.guard([this, name] {
      watched_.erase(name);
      read();
    });
    const bool is_new = watched_.insert(name).second;
    const auto got = [this, name](Code code, const std::string& value, const Stat&) {
      const Duration pause = obstacles_.answered(path_ + "/" + name, code);
      if (code == Code::kOk) {
        take(name, value);
      } else {
        watched_.erase(name);
        if (code != Code::kNoNode) not_read(code, pause);
      }
      one_read();
    };
    session_.get(path_ + "/" + name, lifetime_.guard(got),
                 is_new ? zookeeper::Client::Watch{fired} : nullptr);
  }
  one_read();
}

void NamesWatch::take(const std::string& name, const std::string& address) {
  if (rpc::may_be_connected_to(address)) {
    complained_.erase(name);
    return names_.set(name, address);
  }
  if (!complained_.insert(name).second) return;
  on_warning("map/names/" + name + ": its value is no endpoint IP:PORT; it is ignored");
}

// What was read before holds until it can be read again.
void NamesWatch::not_read(Code code, Duration pause) {
  failed_ = true;
  if (code == Code::kExpired) return;  // The next session reads.
  later_.set(pause, [this] { read(); });
}

void NamesWatch::one_read() {
  if (--open_ > 0) return;
  reading_ = false;
  if (std::exchange(again_, false)) return read();
  ended();
}

void NamesWatch::ended() {
  if (!failed_) {
    was_read_ = true;
    obstacles_.forget(path_);
  }
  if (was_read_) on_read();
}

}  // namespace failoverd::fedb
