#include "lib/fedb/metadata/children_watch.h"

#include <algorithm>
#include <utility>

namespace failoverd::fedb {

using zookeeper::Code;
using zookeeper::Stat;

constexpr auto kLookAgainAfter = std::chrono::milliseconds{100};

ChildrenWatch::ChildrenWatch(Loop& loop, zookeeper::Client& session, std::string path,
                             Answered answered)
    : session_(session), path_(std::move(path)), answered_(std::move(answered)), later_(loop) {}

void ChildrenWatch::connected(bool new_session) {
  if (new_session) watched_ = false;
  if (!watched_ || !is_read_) read();
}

zookeeper::Client::Watch ChildrenWatch::watch() {
  return lifetime_.guard([this] {
    watched_ = false;
    read();
  });
}

void ChildrenWatch::read() {
  if (reading_) {
    again_ = true;
    return;
  }
  reading_ = true;
  again_ = false;
  watched_ = true;
  session_.children(
      path_, lifetime_.guard([this](Code code, std::vector<std::string> names, const Stat& stat) {
        listed(code, std::move(names), stat);
      }),
      watch());
}

void ChildrenWatch::listed(Code code, std::vector<std::string> names, const Stat& stat) {
  reading_ = false;
  const Duration pause = answered_(path_, code);
  if (code == Code::kNoNode) {
    wait_for_it();
    names.clear();
  } else if (code != Code::kOk) {
    watched_ = false;
    if (code != Code::kExpired) read_later(pause);  // The next session reads.
    return;
  }
  cversion_ = stat.cversion;
  std::ranges::sort(names);
  names_ = std::move(names);
  is_read_ = true;
  on_listed(names_);
  if (again_) read();
}

// getChildren leaves no watch on what is not there.
void ChildrenWatch::wait_for_it() {
  session_.exists(path_, lifetime_.guard([this](Code code, const Stat&) {
    if (code == Code::kNoNode) return;
    read_later(kLookAgainAfter);  // kOk: made meanwhile, and nobody watches its children.
  }),
                  watch());
}

void ChildrenWatch::read_later(Duration pause) {
  watched_ = false;
  later_.set(pause, [this] {
    if (!watched_) read();
  });
}

// --- Children ------------------------------------------------------------------------------------

void ChildrenWatch::read_children(const std::vector<std::string>& names, Take take,
                                  std::function<void()> all_read) {
  const std::uint64_t round = ++round_;
  open_ = names.size() + 1;
  const auto shared = std::make_shared<std::pair<Take, std::function<void()>>>(std::move(take),
                                                                               std::move(all_read));
  for (const std::string& name : names) {
    const std::string path = path_ + "/" + name;
    session_.get(path, lifetime_.guard([this, round, name, path, shared](
                                           Code code, const std::string& value, const Stat& stat) {
      if (round != round_) return;
      const Duration pause = answered_(path, code);
      if (code == Code::kOk) {
        shared->first(name, value, stat);
      } else if (code != Code::kNoNode) {
        ++round_;
        // The list's own watch stands, and may tell earlier.
        return later_.set(pause, [this] { read(); });
      }
      one_read(round, shared->second);
    }));
  }
  one_read(round, shared->second);
}

void ChildrenWatch::one_read(std::uint64_t round, const std::function<void()>& all_read) {
  if (round == round_ && --open_ == 0) all_read();
}

}  // namespace failoverd::fedb
