#include "lib/zookeeper/lock.h"

#include <algorithm>
#include <map>
#include <optional>
#include <random>
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
  void judge(const std::vector<Contender>& queue);
  void find_own(const std::vector<Contender>& queue);
  void create();
  void watch(const std::string& name);
  void own_is_gone();
  void retry_later();
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
  bool looking = false;
  bool look_again = false;
  // Znodes with a watch of ours that has not fired, and their values where they have been read.
  std::map<std::string, std::optional<std::string>> watched;
  std::string lowest;

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

void Lock::State::retry_later() {
  retry_timer.set(kRetryPause, in_this_round([this] { look(true); }));
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
  const auto listed = in_this_round([this](Code code) {
    if (code == Code::kOk) return list();
    looking = false;
    retry_later();
  });
  client.ensure_path(directory, in_this_round([this, listed](Code code) {
                       if (code == Code::kOk) return client.sync(directory, listed);
                       looking = false;
                       retry_later();
                     }));
}

void Lock::State::list() {
  client.children(
      directory, in_this_round([this](Code code, const std::vector<std::string>& names, Stat) {
        looking = false;
        if (code == Code::kOk) {
          judge(in_order(names));
        } else if (code == Code::kNoNode && !own.empty()) {  // The directory and all was deleted.
          own_is_gone();
        } else {
          retry_later();
        }
        if (std::exchange(look_again, false)) look(false);
      }));
}

void Lock::State::judge(const std::vector<Contender>& queue) {
  if (own.empty()) find_own(queue);
  if (own.empty()) {
    if (!creating) create();
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
                    self->retry_later();
                  }
                });
}

void Lock::State::watch(const std::string& name) {
  if (!watched.emplace(name, std::nullopt).second) return;
  client.get(path(name), in_this_round([this, name](Code code, const std::string& read, Stat) {
               if (code == Code::kOk) {
                 watched[name] = read;
                 if (name == lowest) holder = read;
                 return;
               }
               watched.erase(name);
               if (code == Code::kNoNode) {
                 look(false);
               } else {
                 retry_later();
               }
             }),
             in_this_round([this, name] {
               watched.erase(name);
               look(false);
             }));
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

void Lock::release(std::function<void()> done) { state_->release(std::move(done)); }
bool Lock::held() const { return state_->held; }
const std::string& Lock::holder() const { return state_->holder; }

}  // namespace failoverd::zookeeper
