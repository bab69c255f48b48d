#include "daemon/ctl/watched_ops.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <utility>

#include "daemon/ctl/table.h"

namespace failoverd::ctl {
namespace {

namespace json = boost::json;

std::string text(const json::object& row, const char* key) {
  const json::value& value = row.at(key);
  return value.is_null() ? "" : std::string(value.as_string());
}

ListedOp to_op(const json::object& row) {
  ListedOp op;
  op.id = row.at("op_id").to_number<std::uint64_t>();
  op.type = text(row, "op_type");
  const std::string db = text(row, "db");
  op.partition = (db.empty() ? "" : db + ".") + text(row, "name") + "/" +
                 std::to_string(row.at("pid").to_number<std::uint64_t>());
  op.endpoint = text(row, "endpoint");
  op.status = text(row, "status");
  op.task = text(row, "cur_task");
  op.detail = text(row, "detail");
  const json::value& progress = row.at("progress");
  if (!progress.is_null()) op.progress = progress.to_number<double>();
  const auto number = [&](const char* key) -> std::optional<std::uint64_t> {
    const json::value* value = row.if_contains(key);  // Older daemons do not say.
    if (!value || value->is_null()) return std::nullopt;
    return value->to_number<std::uint64_t>();
  };
  op.without_leader = number("without_leader");
  op.may_have_lost = number("may_have_lost");
  const json::value* exact = row.if_contains("loss_is_exact");
  op.loss_is_exact = exact && exact->is_bool() && exact->get_bool();
  op.json = json::serialize(row);
  return op;
}

std::string of_ops(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " op" : " ops");
}

int percent(double progress) {
  return static_cast<int>(std::clamp(std::floor(progress * 100), 0.0, 100.0));
}

std::string name_of(const ListedOp& op) {
  return std::to_string(op.id) + " " + op.type + " " + op.partition;
}

// The daemon tries a handover again that is to make room for a row's end; and a row that is to be
// set dead may lead by then, and is handed over first.
bool calls_for_handover(const ListedOp& op) {
  return (op.type == "kHandoverOP" && op.status == "kFailed") ||
         (op.type == "kOfflineReplicaOP" && op.status == "kCanceled");
}

// Why it failed; or who leads now, and what may have been lost.
bool says_how(const ListedOp& op) {
  const bool changes_leader = op.type == "kHandoverOP" || op.type == "kChangeLeaderOP";
  return !op.detail.empty() && (op.status != "kDone" || changes_leader);
}

// "[##########----------]  50 %".
std::string bar(double progress) {
  constexpr int kWidth = 20;
  const auto full = static_cast<std::size_t>(percent(progress) * kWidth / 100);
  std::string number = std::to_string(percent(progress));
  number.insert(0, 3 - number.size(), ' ');
  return "[" + std::string(full, '#') + std::string(kWidth - full, '-') + "] " + number + " %";
}

// Where a text ends that is cut to so many bytes, between two letters.
std::size_t end_of_letters(const std::string& line, std::size_t most) {
  if (line.size() <= most) return line.size();
  while (most > 0 && (static_cast<unsigned char>(line[most]) & 0xC0U) == 0x80U) --most;
  return most;
}

}  // namespace

Result<std::vector<ListedOp>> listed_ops(const std::string& answer) {
  try {
    std::vector<ListedOp> ops;
    const json::value rows = json::parse(answer);
    for (const json::value& row : rows.as_array()) ops.push_back(to_op(row.as_object()));
    return {boost::system::in_place_value, std::move(ops)};
  } catch (const std::exception& error) {
    return Failure{std::string("the daemon's answer is not understood: ") + error.what()};
  }
}

WatchedOps::WatchedOps(const std::vector<std::uint64_t>& ids, Followed followed)
    : followed_(followed) {
  for (const std::uint64_t id : ids) ops_[id].row.id = id;
  if (!ops_.empty()) after_ = std::max<std::uint64_t>(ops_.begin()->first, 1) - 1;
}

bool WatchedOps::has_ended(const Op& op) {
  const std::string& status = op.row.status;
  return status == "kDone" || status == "kFailed" || status == "kCanceled";
}

bool WatchedOps::may_be_followed(const Op& op) const {
  if (op.is_followed || followed_ == Followed::kNothing) return false;
  const std::string& type = op.row.type;
  if (followed_ == Followed::kReplica) {
    return type == "kRecoverTableOP" && op.row.status == "kDone";
  }
  return calls_for_handover(op.row) || (type != "kOfflineReplicaOP" && op.row.status == "kDone");
}

bool WatchedOps::is_replaced(const Op& op) { return op.is_followed && op.row.status != "kDone"; }

bool WatchedOps::follows(const ListedOp& row, const Op& before) const {
  return may_be_followed(before) && row.id > before.row.id &&
         row.partition == before.row.partition &&
         (row.type == "kHandoverOP" || !calls_for_handover(before.row)) &&
         (followed_ == Followed::kPartition || row.endpoint == before.row.endpoint);
}

void WatchedOps::take(const std::vector<ListedOp>& listed) {
  bool is_new = false;
  for (auto& [id, op] : ops_) op.is_listed = false;
  for (const ListedOp& row : listed) {
    auto found = ops_.find(row.id);
    if (found == ops_.end()) {
      const auto before = std::find_if(
          ops_.begin(), ops_.end(), [&](const auto& entry) { return follows(row, entry.second); });
      if (before == ops_.end()) continue;
      before->second.is_followed = true;
      found = ops_.emplace(row.id, Op{}).first;
      is_new = true;
    }
    Op& op = found->second;
    is_new |= op.row.status != row.status;
    op.row = row;
    op.is_listed = true;
  }
  unchanged_ = is_new ? 0 : unchanged_ + 1;
}

std::size_t WatchedOps::lost() const {
  if (unchanged_ < kPatienceForLost) return 0;
  return static_cast<std::size_t>(std::count_if(ops_.begin(), ops_.end(), [](const auto& entry) {
    return !entry.second.is_listed && !has_ended(entry.second);
  }));
}

bool WatchedOps::have_ended() const {
  const bool has_patience = unchanged_ < kPatienceForNext;
  return std::all_of(ops_.begin(), ops_.end(), [&](const auto& entry) {
    const Op& op = entry.second;
    if (!has_ended(op)) return !op.is_listed && unchanged_ >= kPatienceForLost;
    return !has_patience || !may_be_followed(op);
  });
}

std::size_t WatchedOps::count(const std::string& status) const {
  return static_cast<std::size_t>(std::count_if(ops_.begin(), ops_.end(), [&](const auto& entry) {
    return entry.second.row.status == status && !is_replaced(entry.second);
  }));
}

std::size_t WatchedOps::replaced() const {
  return static_cast<std::size_t>(std::count_if(
      ops_.begin(), ops_.end(), [](const auto& entry) { return is_replaced(entry.second); }));
}

bool WatchedOps::are_all_done() const { return count("kDone") + replaced() == ops_.size(); }

bool WatchedOps::are_all_over() const {
  return std::ranges::all_of(ops_, [](const auto& entry) { return has_ended(entry.second); });
}

std::vector<std::string> WatchedOps::news() {
  std::vector<std::string> lines;
  for (auto& [id, op] : ops_) {
    if (op.row.status.empty()) continue;  // Not listed yet.
    std::string line = name_of(op.row) + " " + op.row.status;
    if (!has_ended(op) && !op.row.task.empty()) line += " at " + op.row.task;
    if (!has_ended(op) && op.row.progress) {
      line += " " + std::to_string(percent(*op.row.progress) / 10 * 10) + " %";
    }
    if (has_ended(op) && says_how(op.row)) line += ": " + op.row.detail;
    if (std::exchange(op.told, line) != line) lines.push_back(printable(line));
  }
  return lines;
}

std::vector<std::string> WatchedOps::view(std::size_t most_lines, std::size_t width) const {
  std::vector<std::string> lines = {
      counted(std::to_string(count("kDone")) + " of " + of_ops(ops_.size() - replaced()))};
  std::size_t left_out = 0;
  for (const char* const status : {"kDoing", "kInited"}) {
    for (const auto& [id, op] : ops_) {
      if (op.row.status != status) continue;
      if (lines.size() + 1 >= most_lines) {
        ++left_out;
        continue;
      }
      std::string line = name_of(op.row) + " ";
      if (op.row.progress) line += bar(*op.row.progress) + " ";
      line += op.row.task.empty() ? op.row.status : op.row.task;
      if (!op.row.detail.empty()) line += ": " + op.row.detail;
      lines.push_back(printable(line));
    }
  }
  if (left_out > 0) lines.push_back("... and " + std::to_string(left_out) + " more");
  for (std::string& line : lines) line.resize(end_of_letters(line, width));
  return lines;
}

std::vector<std::string> WatchedOps::outcomes() const {
  std::vector<std::string> lines;
  for (const auto& [id, op] : ops_) {
    if (!has_ended(op) || is_replaced(op)) continue;
    const bool is_well = op.row.status == "kDone";
    if (is_well && (ops_.size() > kFew || !says_how(op.row))) continue;
    lines.push_back(printable("# " + name_of(op.row) + " " + op.row.status +
                              (op.row.detail.empty() ? "" : ": " + op.row.detail)));
  }
  return lines;
}

std::string WatchedOps::summary() const { return counted(of_ops(count("kDone"))); }

std::string WatchedOps::what_it_cost() const {
  std::uint64_t pause = 0;
  std::uint64_t lost = 0;
  bool any = false;
  bool is_known = true;
  bool is_exact = true;
  for (const auto& [id, op] : ops_) {
    if (!op.row.without_leader) continue;
    any = true;
    pause = std::max(pause, *op.row.without_leader);
    lost += op.row.may_have_lost.value_or(0);
    is_known = is_known && op.row.may_have_lost;
    is_exact = is_exact && op.row.loss_is_exact;
  }
  if (!any) return "";
  const std::string rows = !is_known   ? "not known"
                           : is_exact  ? std::to_string(lost)
                           : lost == 0 ? "none known"
                                       : "at least " + std::to_string(lost);
  return "rows lost: " + rows + ", longest pause: " + std::to_string(pause) + " ms";
}

std::string WatchedOps::counted(std::string done) const {
  done += " done, " + std::to_string(count("kFailed")) + " failed";
  if (const auto canceled = count("kCanceled")) {
    done += ", " + std::to_string(canceled) + " canceled";
  }
  if (const auto all = replaced()) done += ", " + std::to_string(all) + " replaced by a later one";
  if (const auto all = lost()) done += ", " + std::to_string(all) + " no longer listed";
  return done;
}

std::string WatchedOps::json() const {
  std::string list;
  for (const auto& [id, op] : ops_) {
    if (op.row.json.empty()) continue;
    list += (list.empty() ? "" : ",") + op.row.json;
  }
  return "[" + list + "]";
}

}  // namespace failoverd::ctl
