#include "lib/fedb/metadata/tablet_znodes.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "lib/rpc/endpoint.h"

namespace failoverd::fedb {
namespace {

constexpr const char kStartup[] = "startup_";

}  // namespace

TabletZnodes::TabletZnodes(Loop& loop, zookeeper::Client& session, const Paths& paths,
                           const ServerNames& server_names, NamesWatch& names_watch,
                           Obstacles& obstacles)
    : names_(server_names),
      names_watch_(names_watch),
      obstacles_(obstacles),
      list_(loop, session, paths.nodes(), obstacles.pauses()) {
  names_watch_.on_read = [this] { names_read(); };
  list_.on_listed = [this](const auto& names) { listed(names); };
}

void TabletZnodes::connected(bool new_session) {
  if (new_session) before_.reset();  // Its servers may have been set back.
  list_.connected(new_session);
}

bool TabletZnodes::has(const core::Endpoint& tablet) const {
  const auto found = known_.find(tablet);
  return found != known_.end() && found->second && !found->second->misspelled;
}

// A tablet that went and came between two looks has another czxid, and the list has counted two
// changes that its names do not show.
bool TabletZnodes::may_have_come_anew(const std::vector<std::string>& names) const {
  if (!before_) return true;
  std::vector<std::string> differ;
  std::ranges::set_symmetric_difference(names, before_->names, std::back_inserter(differ));
  return static_cast<std::uint32_t>(list_.cversion()) -
             static_cast<std::uint32_t>(before_->cversion) !=
         differ.size();
}

// Those that are not known yet are read. A tablet writes its address before it registers: what is
// no tablet by older names may be one.
void TabletZnodes::listed(const std::vector<std::string>& names) {
  waits_for_names_ = !names_watch_.is_read();
  if (waits_for_names_) return;
  names_version_ = names_.version();
  const auto is_gone = [&](const auto& of) { return !std::ranges::binary_search(names, of.first); };
  std::erase_if(complained_, is_gone);
  if (may_have_come_anew(names)) {
    known_.clear();
  } else {
    std::erase_if(known_, is_gone);
  }
  before_ = {names, list_.cversion()};
  std::vector<std::string> unread;
  for (const std::string& name : names) {
    if (known_.contains(name)) continue;
    if (may_be_a_tablet(name)) {
      unread.push_back(name);
    } else {
      known_.emplace(name, std::nullopt);
    }
  }
  list_.read_children(
      unread,
      [this](const std::string& name, const std::string& value, const zookeeper::Stat& stat) {
        take(name, value, stat);
      },
      [this] { tell(); });
}

void TabletZnodes::names_read() {
  const bool is_news = names_version_ != names_.version();
  if (is_news) std::erase_if(known_, [](const auto& known) { return !known.second; });
  if (waits_for_names_ || (is_news && list_.is_read())) listed(list_.names());
}

bool TabletZnodes::may_be_a_tablet(const std::string& name) {
  if (name.starts_with("NLTABLET_")) return false;
  if (names_.address_of(name)) return true;
  complain_once(name,
                "is no endpoint IP:PORT (or name:PORT), and no name in map/names; it is ignored");
  return false;
}

void TabletZnodes::take(const std::string& name, const std::string& value,
                        const zookeeper::Stat& stat) {
  const bool startup = value.starts_with(kStartup);
  const std::string spelling = rpc::one_spelling(name);
  const bool misspelled = spelling != name;
  known_[name] = core::TabletsListed::Child{name, stat.czxid, startup, misspelled};
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

void TabletZnodes::complain_once(const std::string& name, const std::string& line) {
  constexpr std::size_t kMostOfName = 100;
  if (std::exchange(complained_[name], line) == line) return;
  const bool cut = name.size() > kMostOfName;
  on_warning("nodes/" + name.substr(0, kMostOfName) + (cut ? "..." : "") + ": " + line);
}

void TabletZnodes::tell() {
  obstacles_.forget(list_.path());
  core::TabletsListed listed;
  for (const auto& [name, child] : known_) {
    if (child) listed.children.push_back(*child);
  }
  are_read_ = true;
  on_listed(std::move(listed));
}

}  // namespace failoverd::fedb
