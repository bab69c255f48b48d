#include "tests/simulation/nameserver.h"

#include <algorithm>
#include <utility>

#include "lib/fedb/wire/table_info.h"
#include "lib/zookeeper/lock_queue.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

using zookeeper::Op;
using zookeeper::SessionState;
using zookeeper::Stat;

namespace {

constexpr const char* kSwitch = "config/auto_failover";
constexpr const char* kOps = "op/op_data";
constexpr Duration kAgain = std::chrono::milliseconds{100};

std::uint64_t number_in(const std::string& text) {
  return std::strtoull(text.c_str(), nullptr, 10);
}

}  // namespace

Nameserver::Nameserver(World& world, std::string endpoint, std::uint64_t seed)
    : world_(world), endpoint_(std::move(endpoint)), random_(seed) {}

void Nameserver::make_znodes(World& world, bool auto_failover) {
  const fedb::Paths& paths = world.fake_zookeeper.paths();
  for (const auto& [znode, value] : {std::pair{"config", ""},
                                     {kSwitch, auto_failover ? "true" : "false"},
                                     {"op", ""},
                                     {kOps, ""},
                                     {"op/op_index", "0"}}) {
    world.fake_zookeeper.write({Op::create(paths.at(znode), value)}, 0, "nameserver");
  }
}

std::string Nameserver::path(const std::string& znode) const {
  return world_.fake_zookeeper.paths().at(znode);
}

std::optional<core::TableShape> Nameserver::table(const std::string& znode) const {
  const auto found = tables_.find(znode);
  if (found == tables_.end()) return std::nullopt;
  auto shape = fedb::parse_table(znode, found->second, 0, world_.fake_zookeeper.numbering);
  return shape ? std::optional{std::move(*shape)} : std::nullopt;
}

// --- Its process ---------------------------------------------------------------------------------

void Nameserver::run(std::uint64_t process, const Work& work) {
  if (process != process_ || !client_) return;
  if (paused_) {
    inbox_.push_back(work);
  } else {
    work();
  }
}

Work Nameserver::in_process(Work work) {
  return [this, process = process_, work = std::move(work)] { run(process, work); };
}

void Nameserver::later(Duration after, Work work) {
  world_.schedule.after(after, in_process(std::move(work)));
}

void Nameserver::start() {
  if (client_) return;
  ++process_;
  world_.say("nameserver " + endpoint_ + " starts");
  client_ = std::make_shared<FakeClient>(
      world_, endpoint_, [this, process = process_](const Work& work) { run(process, work); });
  client_->on_state = [this](SessionState state, bool new_session) {
    session_changed(state, new_session);
  };
  client_->start();
}

// Whoever is at work in its client just now must find it to the end of that.
void Nameserver::kill() {
  if (!client_) return;
  world_.say("nameserver " + endpoint_ + " is killed");
  client_->die();
  world_.schedule.after(Duration{0}, [dead = std::exchange(client_, nullptr)] {});
  paused_ = leads_ = serves_ = false;
  inbox_.clear();
  locks_.clear();
  tables_.clear();
  ops_.clear();
  works_on_.clear();
  writes_.clear();
  blocked_.clear();
  for (const Work& tell : std::exchange(ends_, {})) tell();
}

void Nameserver::pause() {
  if (client_ && !std::exchange(paused_, true)) world_.say("nameserver " + endpoint_ + " stops");
}

void Nameserver::resume() {
  if (!std::exchange(paused_, false)) return;
  world_.say("nameserver " + endpoint_ + " goes on");
  for (const Work& work : std::exchange(inbox_, {})) run(process_, work);
}

void Nameserver::lose_connection() {
  if (client_) client_->lose_connection();
}

// --- When it leads -------------------------------------------------------------------------------

// Its memory stays as it is when it leads no more, and what is under way ends: nothing fences its
// late writes.
void Nameserver::session_changed(SessionState state, bool new_session) {
  if (state == SessionState::kExpired || new_session) locks_.clear();
  if (state == SessionState::kExpired) leads(false);
  if (state == SessionState::kConnected) queue_up();
}

// Each reconnect within a session adds a znode.
void Nameserver::queue_up() {
  client_->create(path("leader/lock_request"), endpoint_, true, true,
                  [this](Code code, const std::string& made) {
                    if (code != Code::kOk) return;
                    locks_.push_back(made);
                    look_at_queue();
                  });
}

void Nameserver::look_at_queue() {
  zookeeper::Client& session = *client_;
  session.children(
      path("leader"),
      [this](Code code, const std::vector<std::string>& names, const Stat&) {
        if (code != Code::kOk) return;  // The next connection looks again.
        const auto queue = zookeeper::in_order(names);
        if (queue.empty()) return leads(false);
        leads(std::ranges::count(locks_, path("leader/" + queue.front().name)) > 0);
      },
      [this] { look_at_queue(); });
}

void Nameserver::leads(bool is) {
  if (std::exchange(leads_, is) == is) return;
  serves_ = false;
  if (is) read_everything(++reign_);
}

// Whatever was read before something could not be read is read again.
void Nameserver::read_everything(std::uint64_t reign) {
  if (reign != reign_ || !leads_) return;
  zookeeper::Client& session = *client_;
  tables_.clear();
  ops_.clear();
  works_on_.clear();
  session.get(path("table/term"),
              [this](Code, const std::string& value, const Stat&) { term_ = number_in(value); });
  session.get(path("op/op_index"), [this](Code, const std::string& value, const Stat&) {
    op_index_ = number_in(value);
  });
  session.get(path(kSwitch), [this](Code, const std::string& value, const Stat&) {
    auto_failover_ = value == "true";
  });
  session.children(path("table/table_data"),
                   [this, reign](Code code, const std::vector<std::string>& names, const Stat&) {
                     if (code == Code::kOk) return read_tables(reign, names);
                     later(kAgain, [this, reign] { read_everything(reign); });
                   });
}

void Nameserver::read_tables(std::uint64_t reign, const std::vector<std::string>& names) {
  zookeeper::Client& session = *client_;
  unread_ = 1;
  const auto failed = std::make_shared<bool>(false);
  const auto one_less = [this, reign, failed] {
    if (--unread_ > 0 || reign != reign_ || !leads_) return;
    if (*failed) return later(kAgain, [this, reign] { read_everything(reign); });
    later(random_.in(reads_for), [this, reign] { has_read(reign); });
  };
  for (const std::string& name : names) {
    ++unread_;
    const std::string znode = "table/table_data/" + name;
    session.get(path(znode), [this, reign, znode, one_less, failed](
                                 Code code, const std::string& value, const Stat&) {
      if (reign != reign_) return;
      if (code == Code::kOk) tables_[znode] = value;
      *failed = *failed || (code != Code::kOk && code != Code::kNoNode);
      one_less();
    });
  }
  one_less();
}

void Nameserver::has_read(std::uint64_t reign) {
  if (reign != reign_ || !leads_) return;
  // What does not parse it waits for.
  const bool parses =
      std::ranges::all_of(tables_, [this](const auto& t) { return table(t.first).has_value(); });
  if (!parses) return later(kAgain, [this, reign] { read_everything(reign); });
  serves_ = true;
  // What ops another one has left it ends.
  zookeeper::Client& session = *client_;
  session.children(path(kOps), [this](Code, const std::vector<std::string>& names, const Stat&) {
    for (const std::string& name : names) {
      client_->remove(path(std::string{kOps} + "/" + name), -1, [](Code) {});
    }
  });
  world_.say("nameserver " + endpoint_ + " leads, its auto_failover is " +
             (auto_failover_ ? "on" : "off"));
}

// --- Writing -------------------------------------------------------------------------------------

void Nameserver::write(const std::string& znode, const std::optional<For>& by, const Then& then) {
  const std::uint64_t id = ++last_write_;
  writes_.push_back({id, znode, by});
  client_->set(path(znode), tables_[znode], -1, [this, id, then](Code code, const Stat&) {
    std::erase_if(writes_, [id](const Write& w) { return w.id == id; });
    code == Code::kOk ? bump(then) : then(false);
    unblock();
  });
}

void Nameserver::bump(const Then& then) {
  const std::string notify = path("table/notify");
  zookeeper::Client& session = *client_;
  session.get(notify, [this, notify, then](Code, const std::string& value, const Stat&) {
    client_->set(notify, std::to_string(number_in(value) + 1), -1,
                 [then](Code code, const Stat&) { then(code == Code::kOk); });
  });
}

std::optional<Nameserver::For> Nameserver::written(const std::string& znode) {
  for (Write& w : writes_) {
    if (w.znode != znode || std::exchange(w.is_done, true)) continue;
    return w.by;
  }
  return std::nullopt;
}

}  // namespace failoverd::simulation
