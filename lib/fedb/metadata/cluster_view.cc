#include "lib/fedb/metadata/cluster_view.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "lib/rpc/endpoint.h"

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

constexpr const char kStartup[] = "startup_";
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

// A directory whose children are watched.
struct ClusterView::List {
  explicit List(Loop& loop) : later(loop) {}
  std::string path;
  std::function<void(const std::vector<std::string>&)> listed;
  std::vector<std::string> names;
  std::int32_t cversion = 0;  // Counts the children that came and those that went.
  bool read = false;
  bool reading = false;
  bool again = false;
  bool watched = false;  // The watch of this session is set, and has not fired.
  Timer later;           // To read it again, because it could not be read.
};

ClusterView::ClusterView(Loop& loop, zookeeper::Client& session, Paths paths,
                         ClusterNumbering& numbering, Obstacles& obstacles, Tell tell)
    : loop_(loop),
      session_(session),
      paths_(std::move(paths)),
      numbering_(numbering),
      obstacles_(obstacles),
      tell_(std::move(tell)) {
  const auto list = [&](std::string path, std::function<void(const std::vector<std::string>&)> f) {
    auto made = std::make_unique<List>(loop);
    made->path = std::move(path);
    made->listed = std::move(f);
    return made;
  };
  nodes_ = list(paths_.nodes(), [this](const auto& names) { tablets_listed(names); });
  nameservers_ =
      list(paths_.nameservers(), [this](const auto& names) { nameservers_listed(names); });
  tables_ = list(paths_.at(Paths::kTables), [this](const auto&) { tables_listed(); });
  db_tables_ = list(paths_.at(Paths::kDbTables), [this](const auto&) { tables_listed(); });
}

ClusterView::~ClusterView() = default;

void ClusterView::connected(bool new_session) {
  if (new_session) listed_before_.reset();  // Its servers may have been set back.
  for (List* list : {nodes_.get(), nameservers_.get(), tables_.get(), db_tables_.get()}) {
    if (new_session) list->watched = false;
    if (!list->watched || !list->read) read_list(*list);
  }
  for (auto& [znode, entry] : entries_) {
    if (new_session) set_watched(znode, entry, false);
  }
  for (auto& [znode, entry] : entries_) {
    if (!entry.watched || !entry.known) read_table(znode);
  }
}

void ClusterView::read_list_later(List& list, Duration pause) {
  list.watched = false;
  list.later.set(pause, [this, &list] {
    if (!list.watched) read_list(list);
  });
}

// --- Lists ---------------------------------------------------------------------------------------

void ClusterView::read_list(List& list) {
  if (list.reading) {
    list.again = true;
    return;
  }
  list.reading = true;
  list.again = false;
  list.watched = true;
  const auto fired = lifetime_.guard([this, &list] {
    list.watched = false;
    read_list(list);
  });
  session_.children(
      list.path,
      lifetime_.guard(
          [this, &list, fired](Code code, std::vector<std::string> names, const Stat& stat) {
            list.reading = false;
            const Duration pause = obstacles_.answered(list.path, code);
            if (code == Code::kNoNode) {
              // getChildren leaves no watch on what is not there.
              session_.exists(list.path, lifetime_.guard([this, &list](Code c, const Stat&) {
                if (c == Code::kNoNode)
                  return;  // kOk: made meanwhile, and nobody watches its children.
                read_list_later(list, kReadAgainAfter);
              }),
                              fired);
              names.clear();
            } else if (code != Code::kOk) {
              list.watched = false;
              if (code != Code::kExpired) read_list_later(list, pause);
              return;
            }
            list.cversion = stat.cversion;
            list_read(list, std::move(names));
          }),
      fired);
}

void ClusterView::list_read(List& list, std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  list.names = std::move(names);
  list.read = true;
  list.listed(list.names);
  if (list.again) read_list(list);
}

// Half a list is worse than an old one. Its own watch stands, and may tell earlier.
void ClusterView::child_not_read(List& list, Duration pause) {
  list.later.set(pause, [this, &list] { read_list(list); });
}

// --- Tablets -------------------------------------------------------------------------------------

// A tablet that went and came between two looks has another czxid, and the list has counted two
// changes that its names do not show.
bool ClusterView::may_have_come_anew(const std::vector<std::string>& names) const {
  if (!listed_before_) return true;
  std::vector<std::string> differ;
  std::set_symmetric_difference(names.begin(), names.end(), listed_before_->names.begin(),
                                listed_before_->names.end(), std::back_inserter(differ));
  return static_cast<std::uint32_t>(nodes_->cversion) -
             static_cast<std::uint32_t>(listed_before_->cversion) !=
         differ.size();
}

// Those that are not known yet are read.
void ClusterView::tablets_listed(const std::vector<std::string>& names) {
  const std::uint64_t round = ++tablet_round_;
  tablets_open_ = 1;
  const auto is_gone = [&](const auto& of) {
    return !std::binary_search(names.begin(), names.end(), of.first);
  };
  std::erase_if(complained_, is_gone);
  if (may_have_come_anew(names)) {
    tablets_known_.clear();
  } else {
    std::erase_if(tablets_known_, is_gone);
  }
  listed_before_ = {names, nodes_->cversion};
  for (const std::string& name : names) {
    if (!tablets_known_.contains(name)) read_tablet(round, name);
  }
  tablets_read(round);
}

void ClusterView::read_tablet(std::uint64_t round, const std::string& name) {
  if (name.starts_with("NLTABLET_")) return ignore_tablet(name);
  if (!rpc::may_be_connected_to(name)) {
    complain_once(name, "is no endpoint IP:PORT (or name:PORT); it is ignored");
    return ignore_tablet(name);
  }
  ++tablets_open_;
  session_.get(
      paths_.nodes() + "/" + name,
      lifetime_.guard([this, round, name](Code code, const std::string& value, const Stat& s) {
        if (round != tablet_round_) return;
        const Duration pause = obstacles_.answered(paths_.nodes() + "/" + name, code);
        if (code == Code::kOk) {
          tablet_read(name, value, s);
        } else if (code != Code::kNoNode) {
          ++tablet_round_;
          return child_not_read(*nodes_, pause);
        }
        tablets_read(round);
      }));
}

void ClusterView::ignore_tablet(const std::string& name) {
  tablets_known_.emplace(name, std::nullopt);
}

void ClusterView::tablet_read(const std::string& name, const std::string& value, const Stat& stat) {
  const bool startup = value.starts_with(kStartup);
  const std::string spelling = rpc::one_spelling(name);
  const bool misspelled = spelling != name;
  tablets_known_[name] = core::TabletsListed::Child{name, stat.czxid, startup, misspelled};
  if (misspelled) {
    complain_once(name, "spells " + spelling +
                            " in another way; it counts as a tablet only if a table's row names "
                            "it like that");
  } else if (value == name || value == kStartup + name) {
    complained_.erase(name);
  } else {
    complain_once(name, std::string{"its value is neither its name nor startup_ with its name; "} +
                            "taken as that of a process that " +
                            (startup ? "has just started" : "was registered before"));
  }
}

void ClusterView::complain_once(const std::string& name, const std::string& line) {
  constexpr std::size_t kMostOfName = 100;
  if (std::exchange(complained_[name], line) == line) return;
  const bool cut = name.size() > kMostOfName;
  on_warning("nodes/" + name.substr(0, kMostOfName) + (cut ? "..." : "") + ": " + line);
}

void ClusterView::tablets_read(std::uint64_t round) {
  if (round != tablet_round_ || --tablets_open_ > 0) return;
  obstacles_.forget(paths_.nodes());
  core::TabletsListed listed;
  for (const auto& [name, child] : tablets_known_) {
    if (child) listed.children.push_back(*child);
  }
  tablets_told_ = true;
  tell_(std::move(listed));
  tell_if_all_is_read();
}

// --- Nameservers ---------------------------------------------------------------------------------

void ClusterView::nameservers_listed(const std::vector<std::string>& names) {
  const std::uint64_t round = ++nameserver_round_;
  nameservers_found_.clear();
  nameservers_open_ = 1;
  for (const std::string& name : names) {
    ++nameservers_open_;
    session_.get(
        paths_.nameservers() + "/" + name,
        lifetime_.guard([this, round, name](Code code, const std::string& value, const Stat&) {
          if (round != nameserver_round_) return;
          const Duration pause = obstacles_.answered(paths_.nameservers() + "/" + name, code);
          if (code == Code::kOk) {
            const std::string sequence =
                name.starts_with(kLockRequest) ? name.substr(sizeof kLockRequest - 1) : name;
            nameservers_found_[sequence] = value.empty() ? name : value;
          } else if (code != Code::kNoNode) {
            ++nameserver_round_;
            return child_not_read(*nameservers_, pause);
          }
          nameservers_read(round);
        }));
  }
  nameservers_read(round);
}

void ClusterView::nameservers_read(std::uint64_t round) {
  if (round != nameserver_round_ || --nameservers_open_ > 0) return;
  obstacles_.forget(paths_.nameservers());
  core::NameserversListed listed;
  for (const auto& [sequence, endpoint] : nameservers_found_) listed.endpoints.push_back(endpoint);
  nameservers_told_ = true;
  tell_(std::move(listed));
  tell_if_all_is_read();
}

// --- Tables --------------------------------------------------------------------------------------

void ClusterView::tables_listed() {
  if (!tables_->read || !db_tables_->read) return;
  core::TablesListed listed;
  std::set<std::string> there;
  for (const std::string& n : tables_->names) there.insert(std::string{Paths::kTables} + "/" + n);
  for (const std::string& n : db_tables_->names)
    there.insert(std::string{Paths::kDbTables} + "/" + n);
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
                 details};
  if (shape) {
    shape->created = stat.czxid;
    tell_(core::TableRead{std::move(*shape), std::move(reading.acl)});
  } else {
    tell_(core::TableUnreadable{znode, shape.error().text});
  }
}

void ClusterView::tell_if_all_is_read() {
  if (all_told_ || !tablets_told_ || !nameservers_told_ || !tables_->read || !db_tables_->read) {
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
