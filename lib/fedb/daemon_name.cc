#include "lib/fedb/daemon_name.h"

#include <algorithm>
#include <utility>

namespace failoverd::fedb {
namespace {

using zookeeper::Code;
using zookeeper::Stat;

constexpr auto kTryAgain = std::chrono::milliseconds{100};
constexpr auto kTidyEvery = std::chrono::hours{24};
// What no living daemon holds goes when it is so old, or when there are more of all than so many.
constexpr std::int64_t kOldMs = std::int64_t{30} * 24 * 3600 * 1000;
constexpr std::size_t kNamesAtMost = 100;
constexpr std::size_t kLookedAtAtOnce = 2000;

}  // namespace

DaemonName::DaemonName(Loop& loop, zookeeper::Client& session, Paths paths, std::string name,
                       std::string machine)
    : loop_(loop),
      session_(session),
      paths_(std::move(paths)),
      name_(std::move(name)),
      machine_(std::move(machine)),
      patience_(loop),
      tidy_timer_(loop) {}

DaemonName::~DaemonName() = default;

void DaemonName::later(std::function<void()> what) {
  loop_.after(kTryAgain, lifetime_.guard(std::move(what)));
}

void DaemonName::connected(bool new_session) {
  if (!new_session) return;
  held_ = false;
  is_trying_ = false;  // Whatever was asked in the old session says nothing of this one.
  if (wanted_) try_to_hold();
}

void DaemonName::claim() {
  if (!std::exchange(wanted_, true)) try_to_hold();
}

void DaemonName::try_to_hold() {
  if (held_ || std::exchange(is_trying_, true)) return;
  const std::int64_t session = session_.session_id();
  const auto answered = lifetime_.guard([this, session](Code code) {
    if (session != session_.session_id() || held_) return;
    is_trying_ = false;
    if (code == Code::kOk) return now_held();
    if (code == Code::kExpired) return;  // connected() tries again.
    if (code == Code::kNodeExists || code == Code::kUnknown) return look_who_holds_it();
    later([this] { try_to_hold(); });
  });
  session_.ensure_path(path(), lifetime_.guard([this, answered](Code code) {
    if (code != Code::kOk) return answered(code == Code::kUnknown ? Code::kOther : code);
    session_.create(path() + "/alive", machine_, true, false,
                    [answered](Code c, const std::string&) { answered(c); });
  }),
                       may_create);
}

void DaemonName::look_who_holds_it() {
  is_trying_ = true;
  const std::int64_t session = session_.session_id();
  const auto is_over = [this, session] { return held_ || session != session_.session_id(); };
  const auto try_again = lifetime_.guard([this, is_over] {
    if (is_over()) return;
    is_trying_ = false;
    try_to_hold();
  });
  session_.get(path() + "/alive",
               lifetime_.guard([this, is_over, try_again](Code code, const std::string& value,
                                                          const Stat& stat) {
                 if (is_over()) return;
                 if (code == Code::kExpired) return;
                 if (code != Code::kOk) return later(try_again);
                 if (stat.ephemeral_owner == 0) {  // From a backup: nobody's end removes it.
                   return session_.remove(path() + "/alive", stat.version,
                                          [this, try_again](Code) { later(try_again); });
                 }
                 found(value, stat.ephemeral_owner);
               }),
               try_again);
}

// On this machine it may be what our own process before this one has left: then it goes with its
// session.
void DaemonName::found(const std::string& machine, std::int64_t session) {
  if (session == session_.session_id()) {
    is_trying_ = false;
    return now_held();
  }
  if (std::exchange(holder_, session) != session) patience_.cancel();
  if (!is_this_machine(machine)) return taken();
  patience_.set(2 * session_.negotiated_timeout(), [this] {
    if (!held_) taken();
  });
}

bool DaemonName::is_this_machine(const std::string& machine) const {
  return machine.empty() || machine_.empty() || machine == machine_;
}

void DaemonName::taken() {
  patience_.cancel();
  was_anothers_ = true;
  if (std::exchange(is_taken_, true)) return;
  on_warning("another daemon lives that is called " + name_ +
             ", too: this one's file does not change auto_failover meanwhile; give this host "
             "another name, or listen.http another port");
}

void DaemonName::now_held() {
  held_ = true;
  patience_.cancel();
  if (std::exchange(is_taken_, false)) on_info("the name " + name_ + " is this daemon's own now");
  on_held();
  tidy();
}

// --- Those that nobody holds -------------------------------------------------------------------

struct DaemonName::Tidying {
  struct Name {
    std::string path;
    Stat stat;
  };
  std::int64_t now_ms = 0;  // By ZooKeeper's clock.
  std::size_t open = 1;
  std::size_t all = 0;
  std::vector<Name> left;  // By daemons that do not live.
};

// Our own is written anew, so that it is not old before we are gone for long.
void DaemonName::tidy() {
  tidy_timer_.set(kTidyEvery, [this] {
    if (held_) tidy();
  });
  session_.get(path(), lifetime_.guard([this](Code code, const std::string& value, const Stat& s) {
    if (code != Code::kOk) return;
    session_.set(path(), value, s.version, lifetime_.guard([this](Code c, const Stat& written) {
      if (c != Code::kOk) return;
      session_.children(
          paths_.daemons(),
          lifetime_.guard([this, now = written.mtime_ms](
                              Code read, const std::vector<std::string>& names, const Stat&) {
            if (read == Code::kOk) look_at_names(now, names);
          }));
    }));
  }));
}

void DaemonName::look_at_names(std::int64_t now_ms, const std::vector<std::string>& names) {
  const auto tidying = std::make_shared<Tidying>();
  tidying->now_ms = now_ms;
  tidying->all = names.size();
  const auto one_less = [this, tidying] {
    if (--tidying->open == 0) remove_old(*tidying);
  };
  for (std::size_t i = 0; i < std::min(names.size(), kLookedAtAtOnce); ++i) {
    if (names[i] == name_) continue;
    ++tidying->open;
    const std::string at = paths_.daemons() + "/" + names[i];
    session_.exists(at, lifetime_.guard([tidying, one_less, at](Code code, const Stat& stat) {
      if (code == Code::kOk && stat.num_children == 0) tidying->left.push_back({at, stat});
      one_less();
    }));
  }
  one_less();
}

// Where a daemon has come back meanwhile, ZooKeeper refuses: its znode has a child, or was written.
void DaemonName::remove_old(Tidying& tidying) {
  std::sort(tidying.left.begin(), tidying.left.end(),
            [](const auto& a, const auto& b) { return a.stat.mtime_ms < b.stat.mtime_ms; });
  std::size_t stay = tidying.all;
  for (const Tidying::Name& name : tidying.left) {
    const bool is_old = tidying.now_ms - name.stat.mtime_ms > kOldMs;
    if (!is_old && stay <= kNamesAtMost) return;
    --stay;
    session_.remove(name.path, name.stat.version, [](Code) {});
  }
}

}  // namespace failoverd::fedb
