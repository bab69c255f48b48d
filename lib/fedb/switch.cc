#include "lib/fedb/switch.h"

#include <utility>

namespace failoverd::fedb {
namespace {

using zookeeper::Code;
using zookeeper::Stat;

// How long a write whose answer was lost is asked after.
constexpr auto kReadBackFor = std::chrono::seconds{5};
// Remembered of a file that does not say.
constexpr const char* kNone = "none";
// Begins a line of a switch that went off for a release which has not ended.
constexpr const char* kReleasing = "releasing, was ";

const char* word(bool value) { return value ? "true" : "false"; }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string who_wrote(const std::string& text) {
  const auto line = text.find("\nby ");
  if (line == std::string::npos) return "";
  return text.substr(line + 4, text.find('\n', line + 4) - line - 4);
}

// Whose file it was; empty: not known.
std::string machine_of(const std::string& text) {
  const auto line = text.find("\nof ");
  return line == std::string::npos ? "" : first_line(text.substr(line + 4));
}

std::optional<bool> parse(const std::string& text) {
  const std::string value = first_line(text);
  if (value == "true") return true;
  if (value == "false") return false;
  return std::nullopt;
}

std::optional<bool> before_release(const std::string& text) {
  const auto line = text.find(std::string{"\n"} + kReleasing);
  if (parse(text) != false || line == std::string::npos) return std::nullopt;
  return parse(text.substr(line + 1 + std::string{kReleasing}.size()));
}

}  // namespace

Switch::Switch(Loop& loop, zookeeper::Client& session, Paths paths, std::string daemon,
               std::string machine, Obstacles& obstacles, Tell tell)
    : loop_(loop),
      session_(session),
      paths_(std::move(paths)),
      name_(loop, session, paths_, std::move(daemon), std::move(machine)),
      obstacles_(obstacles),
      tell_(std::move(tell)) {
  name_.may_create = [this] { return !may_create || may_create(); };
  name_.on_held = [this] { compare_with_remembered(); };
  name_.on_warning = [this](const std::string& line) { on_warning(line); };
  name_.on_info = [this](const std::string& line) { on_info(line); };
}

Switch::~Switch() = default;

void Switch::later(std::function<void()> what, Duration pause) {
  loop_.after(pause, lifetime_.guard(std::move(what)));
}

void Switch::connected(bool new_session) {
  connected_ = true;
  name_.connected(new_session);
  if (new_session) watched_ = false;
  if (!watched_) read();
}

void Switch::read() {
  watched_ = true;
  const auto fired = lifetime_.guard([this] {
    watched_ = false;
    read();
  });
  session_.get(
      paths_.auto_failover(),
      lifetime_.guard([this, fired](Code code, const std::string& value, const Stat& stat) {
        if (code == Code::kNoNode) {
          session_.exists(paths_.auto_failover(), lifetime_.guard([this](Code c, const Stat&) {
            if (c == Code::kNoNode) return;
            watched_ = false;  // Made meanwhile, or not answered.
            later([this] {
              if (!watched_) read();
            });
          }),
                          fired);
        }
        value_read(code, value, stat);
      }),
      fired);
}

void Switch::value_read(Code code, const std::string& value, const Stat& stat) {
  const Duration pause = obstacles_.answered(paths_.auto_failover(), code);
  if (code != Code::kOk && code != Code::kNoNode) {
    watched_ = false;
    const auto read_again = [this] {
      if (!watched_) read();
    };
    if (code != Code::kExpired) later(read_again, pause);
    return;
  }
  read_ = true;
  exists_ = code == Code::kOk;
  was_before_release_ = exists_ ? before_release(value) : std::nullopt;
  if (exists_) {
    written_ms_ = stat.mtime_ms;
    version_ = stat.version;
    const auto parsed = parse(value);
    by_ = who_wrote(value);
    if (parsed) {
      in_force_ = parsed;
      tell_(core::SwitchRead{*parsed, by_});
    } else {
      on_warning(paths_.auto_failover() + ": \"" + first_line(value).substr(0, 40) +
                 "\" is neither true nor false; " +
                 (in_force_ ? "what was read before holds" : "nothing is done until it is") +
                 ": write true or false");
    }
  }
  compare_with_remembered();
}

void Switch::file_says(std::optional<bool> value) {
  file_ = value;
  compare_ = true;
  if (name_.is_taken()) {
    on_warning("the file was read, and changes nothing: another daemon lives that is called " +
               name_.text() + ", too");
  }
  if (read_) compare_with_remembered();
}

void Switch::now_active(bool otherwise) {
  otherwise_ = otherwise;
  if (read_) compare_with_remembered();
}

// The value remembered below daemons/ says what this file said when it was last read.
void Switch::compare_with_remembered() {
  if (!exists_) {
    if (otherwise_) create(*otherwise_);
    return;  // A standby waits: the first active daemon writes it.
  }
  if (!compare_) return say_if_file_differs();
  if (!name_.held()) return name_.claim();
  compare_ = false;
  session_.get(name_.path(),
               lifetime_.guard([this](Code code, const std::string& said, const Stat&) {
                 if (code == Code::kOk || code == Code::kNoNode) return compare(said);
                 compare_ = true;
                 later([this] {
                   if (connected_) compare_with_remembered();
                 });
               }));
}

void Switch::compare(const std::string& remembered) {
  const auto before = parse(remembered);
  const bool is_anothers = name_.was_anothers() || !name_.is_this_machine(machine_of(remembered));
  const bool never_read = !before && first_line(remembered) != kNone;
  if (never_read || is_anothers) {
    remember(file_ ? word(*file_) : kNone);
    return say_if_file_differs();
  }
  if (!file_ || before == file_) return say_if_file_differs();
  set(*file_, "the file of " + name_.text(), [this, file = file_](bool ok, const std::string&) {
    if (ok) return remember(word(*file));
    compare_ = true;
    later([this] { compare_with_remembered(); });
  });
}

void Switch::say_if_file_differs() {
  if (!file_ || !in_force_ || *file_ == *in_force_) return differs_.reset();
  if (std::exchange(differs_, file_) == file_) return;
  on_info("this daemon's file says auto_failover: " + std::string{word(*file_)} +
          ", and the cluster's switch is " + word(*in_force_) +
          (by_.empty() ? "" : ", set by " + by_) +
          ": the file changes it only when its own value is changed");
}

void Switch::remember(const std::string& word) {
  const auto again = [this, word] { later([this, word] { remember(word); }); };
  const std::string value = name_.machine().empty() ? word : word + "\nof " + name_.machine();
  session_.ensure_path(name_.path(), lifetime_.guard([this, value, again](Code code) {
    if (code != Code::kOk) return again();
    session_.set(name_.path(), value, -1, lifetime_.guard([this, again](Code c, const Stat&) {
      if (c != Code::kOk) return again();
      name_.settled();
    }));
  }),
                       may_create);
}

void Switch::create(bool otherwise) {
  const std::string value = in_force_ ? std::string{word(*in_force_)} + "\nby " + by_ + "\n"
                                      : std::string{word(file_.value_or(otherwise))} +
                                            "\nby the file of " + name_.text() + "\n";
  const auto again = [this] { later([this] { compare_with_remembered(); }); };
  session_.ensure_path(paths_.own(), lifetime_.guard([this, value, again](Code code) {
    if (code != Code::kOk) return again();
    session_.create(paths_.auto_failover(), value, false, false,
                    lifetime_.guard([again](Code c, const std::string&) {
                      // Its watch tells what is there now, whoever was first.
                      if (c != Code::kOk && c != Code::kNodeExists) again();
                    }));
  }),
                       may_create);
}

struct Switch::Setting {
  bool value = false;
  std::string by;
  std::string more;  // Lines behind it.
  SetDone done;
  Instant give_up;

  std::string text() const { return std::string{word(value)} + "\nby " + by + "\n" + more; }
};

void Switch::set(bool value, const std::string& by, SetDone done) {
  write(std::make_shared<Setting>(
      Setting{value, by, "", std::move(done), loop_.now() + kReadBackFor}));
}

// One that was begun before and not finished keeps what was kept then.
void Switch::set_off_to_release(const std::string& by, SetDone done) {
  const bool was = was_before_release_.value_or(in_force_.value_or(false));
  write(std::make_shared<Setting>(Setting{false, by, std::string{kReleasing} + word(was) + "\n",
                                          std::move(done), loop_.now() + kReadBackFor}));
}

void Switch::write(std::shared_ptr<Setting> setting) {
  session_.set(paths_.auto_failover(), setting->text(), -1,
               lifetime_.guard([this, setting](Code code, const Stat& stat) {
                 if (code == Code::kUnknown) return read_back(setting);
                 // Told here, so that who asks after the answer hears it.
                 if (code == Code::kOk) value_read(code, setting->text(), stat);
                 setting->done(code == Code::kOk, zookeeper::to_text(code));
               }));
}

void Switch::end_release(bool value, SetDone done) {
  if (!was_before_release_) return loop_.post([done = std::move(done)] { done(true, ""); });
  const std::string text = std::string{word(value)} + "\nby " + by_ + "\n";
  session_.set(paths_.auto_failover(), text, version_,
               lifetime_.guard([this, text, done = std::move(done)](Code code, const Stat& stat) {
                 if (code == Code::kOk) value_read(code, text, stat);
                 done(code == Code::kOk || code == Code::kBadVersion, zookeeper::to_text(code));
               }));
}

// Behind a sync: another server than the one that took it may not have it yet (SAFETY 17).
void Switch::read_back(std::shared_ptr<Setting> setting) {
  session_.sync(paths_.auto_failover(), [](Code) {});
  session_.get(
      paths_.auto_failover(),
      lifetime_.guard([this, setting](Code code, const std::string& value, const Stat& stat) {
        if (code == Code::kOk) {
          value_read(code, value, stat);
          return setting->done(value == setting->text(),
                               "the answer was lost, and it does not stand there");
        }
        if (loop_.now() >= setting->give_up) {
          return setting->done(false, "ZooKeeper does not answer: it may still be carried out");
        }
        later([this, setting] { read_back(setting); });
      }));
}

}  // namespace failoverd::fedb
