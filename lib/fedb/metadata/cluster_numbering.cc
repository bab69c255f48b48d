#include "lib/fedb/metadata/cluster_numbering.h"

#include "lib/fedb/wire/table_info.h"

namespace failoverd::fedb {
namespace {

// Of the Obstacle, and of what StandBack says where not one table can be read.
constexpr const char kReason[] = "numbering";
constexpr const char kWhere[] = "table";

constexpr const char kUntil[] =
    "; nothing is changed until that is cleared up, or cluster.numbering says which one counts";

std::string first_of(const std::set<std::string>& znodes, Numbering numbering) {
  const std::size_t count = znodes.size();
  return *znodes.begin() + " has the numbers of " + to_text(numbering) + " (" +
         std::to_string(count) + (count == 1 ? " table)" : " tables)");
}

}  // namespace

Result<Numbering> ClusterNumbering::read(const std::string& znode, const std::string& value) {
  if (fixed_) return *fixed_;
  const TableLooks looks = looks_of(value);
  for (const Numbering n : {Numbering::kFedb, Numbering::kOpenmldb}) {
    if (looks.numbering == n) {
      tables_[n].insert(znode);
    } else {
      tables_[n].erase(znode);
    }
  }
  if (looks.is_of_another) {
    of_another_[znode] = looks.wrong;
  } else {
    of_another_.erase(znode);
  }
  look_again();
  if (looks.numbering) return *looks.numbering;
  return Failure{"is no TableInfo: " + looks.wrong};
}

void ClusterNumbering::gone(const std::string& znode) {
  for (auto& [numbering, znodes] : tables_) znodes.erase(znode);
  of_another_.erase(znode);
  look_again();
}

std::optional<Numbering> ClusterNumbering::known() const {
  if (fixed_) return fixed_;
  std::optional<Numbering> all;
  for (const auto& [numbering, znodes] : tables_) {
    if (znodes.empty()) continue;
    if (all) return std::nullopt;
    all = numbering;
  }
  return all;
}

void ClusterNumbering::look_again() {
  if (fixed_) return;
  const auto& fedb = tables_[Numbering::kFedb];
  const auto& openmldb = tables_[Numbering::kOpenmldb];
  std::string text;
  if (!of_another_.empty()) {
    const auto& [znode, wrong] = *of_another_.begin();
    text = znode + " is a table of a numbering that is not known: " + wrong + kUntil;
  } else if (!fedb.empty() && !openmldb.empty()) {
    text =
        first_of(fedb, Numbering::kFedb) + ", " + first_of(openmldb, Numbering::kOpenmldb) + kUntil;
  }
  obstacles_.set(kReason, kWhere, text);
  const auto now = known();
  if (!now || now == found_) return;
  found_ = now;
  on_found(std::string{"the tables have the numbers of "} + to_text(*now));
}

}  // namespace failoverd::fedb
