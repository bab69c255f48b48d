#include "lib/fedb/switch.h"

#include <boost/asio/steady_timer.hpp>
#include <utility>

namespace failoverd::fedb {
namespace {

using zookeeper::Code;
using zookeeper::Stat;

constexpr auto kTryAgain = std::chrono::milliseconds{100};

const char* word(bool value) { return value ? "true" : "false"; }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string who_wrote(const std::string& text) {
  const auto line = text.find("\nby ");
  if (line == std::string::npos) return "";
  return text.substr(line + 4, text.find('\n', line + 4) - line - 4);
}

std::optional<bool> parse(const std::string& text) {
  const std::string value = first_line(text);
  if (value == "true") return true;
  if (value == "false") return false;
  return std::nullopt;
}

}  // namespace

Switch::Switch(boost::asio::io_context& io, zookeeper::Session& session, Paths paths,
               std::string daemon, Tell tell)
    : io_(io),
      session_(session),
      paths_(std::move(paths)),
      daemon_(std::move(daemon)),
      tell_(std::move(tell)) {}

Switch::~Switch() { *alive_ = false; }

void Switch::later(std::function<void()> what) {
  auto timer = std::make_shared<boost::asio::steady_timer>(io_, kTryAgain);
  timer->async_wait(
      guarded([timer, what = std::move(what)](const boost::system::error_code&) { what(); }));
}

void Switch::connected(bool new_session) {
  connected_ = true;
  if (new_session) watched_ = false;
  if (!watched_) read();
}

void Switch::read() {
  watched_ = true;
  const auto fired = guarded([this] {
    watched_ = false;
    read();
  });
  session_.get(paths_.auto_failover(),
               guarded([this, fired](Code code, const std::string& value, const Stat&) {
                 if (code == Code::kNoNode) {
                   session_.exists(paths_.auto_failover(), guarded([this](Code c, const Stat&) {
                                     if (c == Code::kNoNode) return;
                                     watched_ = false;  // Made meanwhile, or not answered.
                                     later([this] {
                                       if (!watched_) read();
                                     });
                                   }),
                                   fired);
                 }
                 value_read(code, value);
               }),
               fired);
}

void Switch::value_read(Code code, const std::string& value) {
  if (code != Code::kOk && code != Code::kNoNode) {
    watched_ = false;
    if (code != Code::kExpired)
      later([this] {
        if (!watched_) read();
      });
    return;
  }
  read_ = true;
  exists_ = code == Code::kOk;
  if (exists_) {
    const auto parsed = parse(value);
    by_ = who_wrote(value);
    if (parsed) {
      tell_(core::SwitchRead{*parsed, by_});
    } else {
      complain(paths_.auto_failover() + ": \"" + first_line(value).substr(0, 40) +
               "\" is neither true nor false; what was read before holds");
    }
  }
  compare_with_remembered();
}

void Switch::file_says(std::optional<bool> value) {
  file_ = value;
  compare_ = value.has_value();
  if (read_) compare_with_remembered();
}

void Switch::now_active(bool otherwise) {
  create_as_ = file_.value_or(otherwise);
  if (read_) compare_with_remembered();
}

// The value remembered below daemons/ says what this file said when it was last read.
void Switch::compare_with_remembered() {
  if (!exists_) {
    if (create_as_) create(*create_as_);
    return;  // A standby waits: the first active daemon writes it.
  }
  if (!compare_ || !file_) return;
  compare_ = false;
  session_.get(paths_.daemons() + "/" + daemon_,
               guarded([this, value = *file_](Code code, const std::string& said, const Stat&) {
                 if (code != Code::kOk && code != Code::kNoNode) {
                   compare_ = true;
                   later([this] {
                     if (connected_) compare_with_remembered();
                   });
                   return;
                 }
                 const auto before = code == Code::kOk ? parse(said) : std::nullopt;
                 if (before == value) return;
                 if (!before) return remember(value);
                 set(value, "the file of " + daemon_, [this, value](bool ok, const std::string&) {
                   if (ok) return remember(value);
                   compare_ = true;
                   later([this] { compare_with_remembered(); });
                 });
               }));
}

void Switch::remember(bool value) {
  const std::string path = paths_.daemons() + "/" + daemon_;
  session_.ensure_path(path, guarded([this, path, value](Code code) {
                         if (code != Code::kOk) {
                           later([this, value] { remember(value); });
                           return;
                         }
                         session_.set(path, word(value), -1,
                                      guarded([this, value](Code c, const Stat&) {
                                        if (c != Code::kOk)
                                          later([this, value] { remember(value); });
                                      }));
                       }));
}

void Switch::create(bool value) {
  session_.ensure_path(paths_.own(), guarded([this, value](Code code) {
                         if (code != Code::kOk) {
                           later([this] { compare_with_remembered(); });
                           return;
                         }
                         session_.create(
                             paths_.auto_failover(),
                             std::string{word(value)} + "\nby the file of " + daemon_ + "\n", false,
                             false, guarded([this, value](Code c, const std::string&) {
                               if (c == Code::kOk && file_) remember(value);
                               // Its watch tells what is there now, whoever was first.
                               if (c != Code::kOk && c != Code::kNodeExists) {
                                 later([this] { compare_with_remembered(); });
                               }
                             }));
                       }));
}

void Switch::set(bool value, const std::string& by,
                 std::function<void(bool ok, std::string why)> done) {
  session_.set(paths_.auto_failover(), std::string{word(value)} + "\nby " + by + "\n", -1,
               guarded([done = std::move(done)](Code code, const Stat&) {
                 done(code == Code::kOk, zookeeper::to_text(code));
               }));
}

}  // namespace failoverd::fedb
