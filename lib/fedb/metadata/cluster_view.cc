#include "lib/fedb/metadata/cluster_view.h"

#include <algorithm>
#include <utility>

namespace failoverd::fedb {
namespace {

using zookeeper::Code;
using zookeeper::Stat;

constexpr auto kReadAgainAfter = std::chrono::milliseconds{100};

// Of tables that are not watched so much is read at a time, and so often.
constexpr auto kPollPause = std::chrono::seconds{1};
constexpr int kPollParts = 10;

// What a reconnect takes to name it.
std::size_t watch_bytes(const std::string& path) { return path.size() + 4; }

constexpr const char kLockRequest[] = "lock_request";

}  // namespace

std::string let_in_nobody_like_us(const std::vector<zookeeper::Acl>& acl, bool authenticates) {
  std::string text;
  for (const zookeeper::Acl& entry : acl) {
    const bool is_for_all = entry.scheme == "world" || entry.scheme == "ip";
    if (entry.write && (is_for_all || authenticates)) return "";
    text += (text.empty() ? "" : ",") + to_text(entry);
  }
  return text;
}

ClusterView::ClusterView(Loop& loop, zookeeper::Client& session, Paths paths,
                         ClusterNumbering& numbering, const ServerNames& server_names,
                         NamesWatch& names_watch, Obstacles& obstacles, Tell tell)
    : loop_(loop),
      session_(session),
      paths_(std::move(paths)),
      numbering_(numbering),
      obstacles_(obstacles),
      tell_(std::move(tell)),
      tablets_(loop, session, paths_, server_names, names_watch, obstacles),
      nameservers_(loop, session, paths_.nameservers(), obstacles.pauses()),
      tables_(loop, session, paths_.at(Paths::kTables), obstacles.pauses()),
      db_tables_(loop, session, paths_.at(Paths::kDbTables), obstacles.pauses()) {
  tablets_.on_listed = [this](core::TabletsListed listed) {
    tell_(std::move(listed));
    tell_if_all_is_read();
  };
  tablets_.on_warning = [this](const std::string& line) { on_warning(line); };
  nameservers_.on_listed = [this](const auto& names) { nameservers_listed(names); };
  tables_.on_listed = db_tables_.on_listed = [this](const auto&) { tables_listed(); };
}

void ClusterView::connected(bool new_session) {
  tablets_.connected(new_session);
  for (ChildrenWatch* list : {&nameservers_, &tables_, &db_tables_}) list->connected(new_session);
  for (auto& [znode, entry] : entries_) {
    if (new_session) set_watched(znode, entry, false);
  }
  for (auto& [znode, entry] : entries_) {
    if (!entry.watched || !entry.known) read_table(znode);
  }
}

// --- Nameservers ---------------------------------------------------------------------------------

// By the sequence of the lock: the first one leads.
void ClusterView::nameservers_listed(const std::vector<std::string>& names) {
  nameservers_found_.clear();
  nameservers_.read_children(
      names,
      [this](const std::string& name, const std::string& value, const Stat&) {
        const std::string sequence =
            name.starts_with(kLockRequest) ? name.substr(sizeof kLockRequest - 1) : name;
        nameservers_found_[sequence] = value.empty() ? name : value;
      },
      [this] { tell_nameservers(); });
}

void ClusterView::tell_nameservers() {
  obstacles_.forget(nameservers_.path());
  core::NameserversListed listed;
  for (const auto& [sequence, endpoint] : nameservers_found_) listed.endpoints.push_back(endpoint);
  nameservers_told_ = true;
  tell_(std::move(listed));
  tell_if_all_is_read();
}

// --- Tables --------------------------------------------------------------------------------------

void ClusterView::tables_listed() {
  if (!tables_.is_read() || !db_tables_.is_read()) return;
  core::TablesListed listed;
  std::set<std::string> there;
  for (const auto& n : tables_.names()) there.insert(std::string{Paths::kTables} + "/" + n);
  for (const auto& n : db_tables_.names()) there.insert(std::string{Paths::kDbTables} + "/" + n);
  for (auto& [znode, entry] : entries_) {
    if (there.contains(znode)) continue;
    set_watched(znode, entry, false);
    numbering_.gone(znode);
  }
  std::erase_if(entries_, [&](const auto& e) { return !there.contains(e.first); });
  listed.znodes.assign(there.begin(), there.end());
  tell_(std::move(listed));
  for (const std::string& znode : there) {
    if (!entries_.contains(znode)) read_table(znode);
  }
  tell_if_all_is_read();
}

void ClusterView::read_table(const std::string& znode) {
  TableEntry& entry = entries_[znode];
  if (entry.reading) {
    entry.again = true;
    return;
  }
  entry.reading = true;
  entry.again = false;
  const bool fits = watched_bytes_ + watch_bytes(paths_.at(znode)) <= session_.most_watched_bytes();
  const bool watch = entry.watched || fits;
  set_watched(znode, entry, watch);
  const auto reading = std::make_shared<Reading>();
  const auto fired = lifetime_.guard([this, znode] {
    const auto found = entries_.find(znode);
    if (found == entries_.end()) return;
    set_watched(znode, found->second, false);
    read_table(znode);
  });
  session_.get(
      paths_.at(znode),
      [reading](Code code, std::string value, const Stat& stat) {
        *reading = {code, std::move(value), stat, {}};
      },
      watch ? zookeeper::Client::Watch{fired} : nullptr);
  if (!watch) poll_later();
  // Answered in this order.
  session_.acl(
      paths_.at(znode),
      lifetime_.guard([this, znode, reading](Code code, const std::vector<zookeeper::Acl>& acl) {
        if (code == Code::kOk) {
          reading->acl = let_in_nobody_like_us(acl, session_.authenticates());
        }
        table_read(znode, std::move(*reading));
      }));
}

void ClusterView::set_watched(const std::string& znode, TableEntry& entry, bool is) {
  if (entry.watched == is) return;
  entry.watched = is;
  const std::size_t bytes = watch_bytes(paths_.at(znode));
  watched_bytes_ = is ? watched_bytes_ + bytes : watched_bytes_ - bytes;
}

void ClusterView::poll_later() {
  if (std::exchange(polls_, true)) return;
  loop_.after(kPollPause, lifetime_.guard([this] {
    polls_ = false;
    poll();
  }));
}

// What is not watched is read in turn, all of it in some ten seconds. Until then an edit of it
// meets another version than it expects, and changes nothing.
void ClusterView::poll() {
  const auto is_due = [](const auto& e) { return e.second.known && !e.second.watched; };
  const auto due = std::count_if(entries_.begin(), entries_.end(), is_due);
  if (due == 0) return;
  poll_later();
  if (session_.state() != zookeeper::SessionState::kConnected) return;
  auto next = entries_.upper_bound(polled_);
  auto left = due / kPollParts + 1;
  for (std::size_t i = 0; i < entries_.size() && left > 0; ++i, ++next) {
    if (next == entries_.end()) next = entries_.begin();
    if (!is_due(*next) || next->second.waits || next->second.reading) continue;
    polled_ = next->first;
    next->second.polled = true;
    read_table(next->first);
    --left;
  }
}

void ClusterView::table_not_read(const std::string& znode, Code code) {
  TableEntry& entry = entries_.at(znode);
  if (code == Code::kNoNode) {  // The list, which is watched too, will say that it is gone.
    set_watched(znode, entry, false);
    entries_.erase(znode);
    numbering_.gone(znode);
    tell_if_all_is_read();
    return;
  }
  set_watched(znode, entry, false);
  entry.mzxid = 0;
  if (code == Code::kExpired) return;
  Duration pause = kReadAgainAfter;
  if (code != Code::kUnknown) {  // Not for us to read: that table is left alone, others are served.
    entry.known = true;
    pause = entry.pause = Obstacles::next_pause(entry.pause);
    tell_(core::TableUnreadable{znode, std::string{"cannot be read: "} + zookeeper::to_text(code)});
    tell_if_all_is_read();
  }
  if (std::exchange(entry.waits, true)) return;
  loop_.after(pause, lifetime_.guard([this, znode] {
    const auto found = entries_.find(znode);
    if (found == entries_.end() || !std::exchange(found->second.waits, false)) return;
    if (!found->second.watched) read_table(znode);
  }));
}

void ClusterView::table_read(const std::string& znode, Reading reading) {
  const auto found = entries_.find(znode);
  // Who asked while it was being read is told after the next time.
  auto readers = found != entries_.end() && found->second.again ? decltype(readers_)::node_type{}
                                                                : readers_.extract(znode);
  if (found != entries_.end()) {
    found->second.reading = false;
    table_was_read(znode, found->second, std::move(reading));
  }
  if (readers.empty() && !entries_.contains(znode)) readers = readers_.extract(znode);
  if (readers.empty()) return;
  for (const auto& tell : readers.mapped()) tell();
}

void ClusterView::table_was_read(const std::string& znode, TableEntry& entry, Reading reading) {
  const bool is_polled = std::exchange(entry.polled, false);
  if (reading.code != Code::kOk) return table_not_read(znode, reading.code);
  const bool is_old = std::exchange(entry.mzxid, reading.stat.mzxid) == reading.stat.mzxid;
  if (is_polled && is_old && !entry.again) return;
  entry.known = true;
  entry.pause = {};
  parse(znode, reading, entry);
  if (std::exchange(entry.again, false)) read_table(znode);
  tell_if_all_is_read();
}

void ClusterView::parse(const std::string& znode, Reading& reading, TableEntry& entry) {
  const Stat& stat = reading.stat;
  TableDetails details;
  const auto numbering = numbering_.read(znode, reading.value);
  auto shape = numbering ? parse_table(znode, reading.value, stat.version, *numbering, &details)
                         : Result<core::TableShape>{numbering.error()};
  entry.tid = shape ? shape->tid : 0;
  entry.value = {std::move(reading.value), stat.version, numbering ? *numbering : Numbering::kFedb,
                 details,
                 shape && shape->db == "INFORMATION_SCHEMA" && shape->name == "GLOBAL_VARIABLES"};
  if (shape) {
    shape->created = stat.czxid;
    tell_(core::TableRead{std::move(*shape), std::move(reading.acl)});
  } else {
    tell_(core::TableUnreadable{znode, shape.error().text});
  }
}

void ClusterView::tell_if_all_is_read() {
  if (all_told_ || !tablets_.are_read() || !nameservers_told_ || !tables_.is_read() ||
      !db_tables_.is_read()) {
    return;
  }
  for (const auto& [znode, entry] : entries_) {
    if (!entry.known) return;
  }
  all_told_ = true;
  tell_(core::ClusterRead{});
}

void ClusterView::read_again(const std::string& znode, std::function<void()> done) {
  session_.sync(paths_.at(znode), lifetime_.guard([this, znode, done = std::move(done)](Code) {
    const auto found = entries_.find(znode);
    if (found == entries_.end()) return done();
    readers_[znode].push_back(done);
    read_table(znode);
  }));
}

void ClusterView::written(const std::string& znode, std::string value, std::int32_t version) {
  const auto found = entries_.find(znode);
  if (found == entries_.end() || found->second.value.version >= version) return;
  found->second.value.value = std::move(value);
  found->second.value.version = version;
}

const TableValue* ClusterView::table(const std::string& znode) const {
  const auto found = entries_.find(znode);
  return found == entries_.end() || !found->second.known ? nullptr : &found->second.value;
}

std::optional<std::string> ClusterView::znode_of(std::uint32_t tid) const {
  for (const auto& [znode, entry] : entries_) {
    if (entry.known && entry.tid == tid && tid != 0) return znode;
  }
  return std::nullopt;
}

}  // namespace failoverd::fedb
