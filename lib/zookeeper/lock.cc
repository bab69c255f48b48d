#include "lib/zookeeper/lock.h"

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "lib/zookeeper/lock_queue.h"

namespace failoverd::zookeeper {
namespace {

// Before trying again what was not answered or refused; a reconnect does not wait for it.
constexpr auto kRetryPause = std::chrono::milliseconds{100};

std::string new_guid() {
  std::random_device random;
  constexpr char kHex[] = "0123456789abcdef";
  std::string guid;
  for (int i = 0; i < 32; ++i) guid += kHex[random() % 16];
  return guid;
}

}  // namespace

// All of it is level-triggered: every watch, reconnect and time-out ends in look(), which reads the
// queue and does what that calls for.
struct Lock::State : std::enable_shared_from_this<Lock::State> {
  State(Loop& its_loop, Client& c, std::string d, std::string v, Lock* lock)
      : loop(its_loop),
        client(c),
        directory(std::move(d)),
        value(std::move(v)),
        owner(lock),
        retry_timer(its_loop) {}

  void begin();
  void leave();
  void look(bool thorough);
  void list();
  void judge(std::vector<Contender> queue);
  void find_own(const std::vector<Contender>& queue);
  void create();
  void watch(const std::string& name);
  void own_is_gone();
  void retry_later(Duration pause = kRetryPause);
  Duration pause_after(Code code, bool writes = false) const;
  bool may_create();
  void was_read(const std::string& name, Code code, const std::string& read, const Stat& stat);
  void step_over(const std::string& name);
  void release(std::function<void()> done);
  void remove_own(std::function<void()> done);
  void tell(std::function<void()> Lock::*what);
  std::string path(const std::string& name) const { return directory + "/" + name; }
  // Wraps a callback so that it is dropped once the round in which it was made is over.
  template <class F>
  auto in_this_round(F f);

  Loop& loop;
  Client& client;
  const std::string directory;
  const std::string value;
  Lock* owner;  // Null when the Lock is gone.
  Timer retry_timer;

  // A round is one place in the queue: it ends with the session, with our znode, or by release().
  unsigned round = 0;
  bool entered = false;   // A round is going on.
  std::string guid;       // Of this round.
  std::string own;        // Our znode's name; empty until it is known to exist.
  bool creating = false;  // A create is under way.
  bool waits = false;     // Until something may be created.
  bool looking = false;
  bool look_again = false;
  // Znodes with a watch of ours that has not fired, and their values where they have been read.
  std::map<std::string, std::optional<std::string>> watched;
  std::string lowest;
  // Not ephemeral, so they hold nothing: somebody has restored them from a copy.
  std::set<std::string> nobodys;

  bool held = false;
  bool released = false;
  std::function<void()> after_release;  // While a create is under way at release().
  std::string holder;
};

template <class F>
auto Lock::State::in_this_round(F f) {
  return [self = shared_from_this(), in = round, f = std::move(f)](auto&&... arguments) {
    if (in == self->round) f(std::forward<decltype(arguments)>(arguments)...);
  };
}

void Lock::State::tell(std::function<void()> Lock::*what) {
  loop.post([self = shared_from_this(), what] {
    if (self->owner == nullptr || !(self->owner->*what)) return;
    const std::function<void()> call = self->owner->*what;  // A copy: it may destroy the Lock.
    call();
  });
}

void Lock::State::leave() {
  ++round;
  entered = looking = look_again = false;
  own.clear();
  lowest.clear();
  watched.clear();
  holder.clear();
  retry_timer.cancel();
  if (std::exchange(held, false)) tell(&Lock::on_lost);
}

void Lock::State::begin() {
  leave();
  entered = true;
  guid = new_guid();
  look(true);
}

bool Lock::State::may_create() {
  waits = owner == nullptr || !owner->may_create();
  return !waits;
}

void Lock::State::retry_later(Duration pause) {
  retry_timer.set(pause, in_this_round([this] { look(true); }));
}

Duration Lock::State::pause_after(Code code, bool writes) const {
  const bool asks = owner != nullptr && owner->answered;
  return asks ? owner->answered(directory, code, writes) : kRetryPause;
}

// thorough: after anything went unanswered. Makes the directory if it is missing, and lets the
// server catch up first, so that a create of ours that is still on its way is seen rather than
// repeated.
void Lock::State::look(bool thorough) {
  if (!entered) return;
  if (looking) {
    look_again = true;
    return;
  }
  looking = true;
  if (!thorough) {
    list();
    return;
  }
  const auto synced = in_this_round([this](Code code) {
    if (code == Code::kOk) return list();
    looking = false;
    retry_later();
  });
  client.ensure_path(directory, in_this_round([this, synced](Code code) {
                       if (code == Code::kOk) return client.sync(directory, synced);
                       looking = false;
                       const Duration pause = pause_after(code);
                       if (code == Code::kNoNode && !own.empty()) return own_is_gone();
                       if (code == Code::kNoNode && !may_create()) return;
                       retry_later(pause);
                     }),
                     [self = shared_from_this()] { return self->may_create(); });
}

void Lock::State::list() {
  client.children(
      directory, in_this_round([this](Code code, const std::vector<std::string>& names, Stat) {
        looking = false;
        const Duration pause = pause_after(code);
        if (code == Code::kOk) {
          judge(in_order(names));
        } else if (code == Code::kNoNode && !own.empty()) {  // The directory and all was deleted.
          own_is_gone();
        } else {
          retry_later(pause);
        }
        if (std::exchange(look_again, false)) look(false);
      }));
}

void Lock::State::judge(std::vector<Contender> queue) {
  std::erase_if(nobodys, [&](const std::string& name) {
    return std::ranges::find(queue, name, &Contender::name) == queue.end();
  });
  std::erase_if(queue, [&](const Contender& c) { return nobodys.contains(c.name); });
  if (own.empty()) find_own(queue);
  if (own.empty()) {
    if (!creating && may_create()) create();
    return;
  }
  const auto place = std::ranges::find(queue, own, &Contender::name);
  if (place == queue.end()) {
    own_is_gone();
    return;
  }
  watch(own);
  lowest = queue.front().name;
  if (place == queue.begin()) {
    holder = value;
    if (!std::exchange(held, true)) tell(&Lock::on_gained);
    return;
  }
  // One below a holder is none that our sequence could give: the directory was tampered with.
  if (std::exchange(held, false)) tell(&Lock::on_lost);
  watch(lowest);
  watch(std::prev(place)->name);
  if (const auto seen = watched.find(lowest); seen != watched.end() && seen->second) {
    holder = *seen->second;
  }
}

// After a create without an answer: did it happen? Were there two, the later one is given up.
void Lock::State::find_own(const std::vector<Contender>& queue) {
  for (const Contender& contender : queue) {
    if (!contender.name.starts_with(guid)) continue;
    if (own.empty()) {
      own = contender.name;
    } else {
      client.remove(path(contender.name), -1, nullptr);
    }
  }
}

void Lock::State::create() {
  creating = true;
  client.create(path(guid + "-lock-"), value, true, true,
                [self = shared_from_this(), in = round](Code code, const std::string& created) {
                  self->creating = false;
                  const Duration pause = self->pause_after(code, /*writes=*/true);
                  const std::string name = created.substr(created.rfind('/') + 1);
                  if (self->released) {
                    if (code == Code::kOk) self->own = name;
                    self->remove_own(std::move(self->after_release));
                    return;
                  }
                  if (in != self->round) {
                    // That place was given up with its session; the present round goes on.
                    self->look(true);
                  } else if (code == Code::kOk) {
                    self->own = name;
                    self->look(false);
                  } else {
                    self->retry_later(pause);
                  }
                });
}

void Lock::State::watch(const std::string& name) {
  if (!watched.emplace(name, std::nullopt).second) return;
  const auto fired = in_this_round([this, name] {
    watched.erase(name);
    look(false);
  });
  client.get(
      path(name),
      in_this_round([this, name, fired](Code code, const std::string& read, const Stat& stat) {
        if (code != Code::kNoAuth) return was_read(name, code, read, stat);
        // Its value is not for us to read; whether it is there is.
        client.exists(path(name), in_this_round([this, name](Code there, const Stat& known) {
                        was_read(name, there, "", known);
                      }),
                      fired);
      }),
      fired);
}

void Lock::State::was_read(const std::string& name, Code code, const std::string& read,
                           const Stat& stat) {
  if (code == Code::kOk && stat.ephemeral_owner != 0) {
    watched[name] = read;
    if (name == lowest) holder = read;
    return;
  }
  watched.erase(name);
  if (code == Code::kOk) {
    step_over(name);
  } else if (code == Code::kNoNode) {
    look(false);
  } else {
    retry_later();
  }
}

// It never goes by itself: whoever waited for it would wait for ever.
void Lock::State::step_over(const std::string& name) {
  if (!nobodys.insert(name).second) return;
  if (owner != nullptr) {
    owner->on_warning(path(name) +
                      " is not ephemeral, so it is nobody's, such as one that a backup has "
                      "brought back; it is stepped over: delete it");
  }
  look(false);
}

void Lock::State::own_is_gone() { begin(); }

void Lock::State::release(std::function<void()> done) {
  if (std::exchange(released, true)) {
    loop.post(std::move(done));
    return;
  }
  held = false;  // Not lost: given up, nobody needs to be told.
  const std::string mine = own;
  leave();
  own = mine;
  if (creating) {
    after_release = std::move(done);
  } else {
    remove_own(std::move(done));
  }
}

void Lock::State::remove_own(std::function<void()> done) {
  if (own.empty()) {
    loop.post(std::move(done));
    return;
  }
  client.remove(path(own), -1, [done = std::move(done)](Code) { done(); });
}

Lock::Lock(Loop& loop, Client& client, std::string directory, std::string value)
    : state_(std::make_shared<State>(loop, client, std::move(directory), std::move(value), this)) {}

Lock::~Lock() {
  state_->owner = nullptr;
  state_->leave();
}

void Lock::session_changed(SessionState state, bool new_session) {
  if (state_->released) return;
  if (state == SessionState::kExpired) {
    state_->leave();
  } else if (state == SessionState::kConnected) {
    if (new_session || !state_->entered) {
      state_->begin();
    } else {
      state_->look(true);
    }
  }
}

void Lock::try_again() {
  if (std::exchange(state_->waits, false)) state_->look(true);
}

void Lock::release(std::function<void()> done) { state_->release(std::move(done)); }
bool Lock::held() const { return state_->held; }
const std::string& Lock::holder() const { return state_->holder; }

}  // namespace failoverd::zookeeper
