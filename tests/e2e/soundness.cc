#include "tests/e2e/soundness.h"

#include <optional>
#include <set>

#include "proto/tablet.pb.h"

namespace failoverd::e2e {
namespace {

Word ask(Cluster& cluster, int tablet, std::uint32_t tid, std::uint32_t pid) {
  Word word;
  if (!cluster.lives(tablet)) return word;
  fedb::GetTermPairRequest request;
  request.set_tid(tid);
  request.set_pid(pid);
  const auto answer = cluster.client(tablet).ask<fedb::GetTermPairResponse>(
      "GetTermPair", request, {}, std::chrono::seconds{2});
  if (!answer) return word;
  word.answered = true;
  word.has_table = answer->has_table();
  word.is_leader = answer->is_leader();
  word.term = answer->term();
  word.offset = answer->offset();
  return word;
}

int index_of(const Cluster& cluster, const std::string& endpoint) {
  for (int i = 0; i < cluster.tablets(); ++i) {
    if (cluster.tablet(i) == endpoint) return i;
  }
  return -1;
}

class Look {
 public:
  explicit Look(Cluster& cluster) : cluster_(cluster) {}

  std::vector<std::string> run() {
    for (const fedb::TableInfo& table : cluster_.znodes().tables()) {
      for (const auto& p : table.table_partition()) {
        name_ = table.name() + "/" + std::to_string(p.pid());
        look_at_history(p);
        if (p.partition_meta_size() > 1) look_at_rows(table.tid(), p);
      }
    }
    for (const std::string& record : cluster_.znodes().children("failoverd/elections")) {
      lines_.push_back("election record " + record + " is left");
    }
    return std::move(lines_);
  }

 private:
  void say(const std::string& what) { lines_.push_back(name_ + ": " + what); }

  void look_at_history(const fedb::TablePartition& p) {
    for (int i = 1; i < p.term_offset_size(); ++i) {
      const std::uint64_t term = p.term_offset(i).term();
      if (term <= p.term_offset(i - 1).term()) say("its terms do not rise strictly");
      // The first one is the table's, which its partitions share.
      // Beside a nameserver, which counts in its memory, another partition's may have it, too.
      const bool is_ours = cluster_.nameservers().count() == 0;
      if (is_ours && !given_out_.insert(term).second)
        say("term " + std::to_string(term) + " came twice");
    }
  }

  void look_at_rows(std::uint32_t tid, const fedb::TablePartition& p) {
    const fedb::PartitionMeta* leader = nullptr;
    for (const auto& row : p.partition_meta()) {
      if (!row.is_leader() || !row.is_alive()) continue;
      if (leader) say("it has two alive leader rows");
      leader = &row;
    }
    if (!leader) {
      say("it has no alive leader row");
      return;
    }
    const Word leading = ask(cluster_, index_of(cluster_, leader->endpoint()), tid, p.pid());
    if (!leading.is_leader) say(leader->endpoint() + " does not say that it leads");
    const std::uint64_t last = p.term_offset(p.term_offset_size() - 1).term();
    if (leading.is_leader && leading.term != last) {
      say("it is led with term " + std::to_string(leading.term) + ", its history ends with " +
          std::to_string(last));
    }
    for (const auto& row : p.partition_meta()) {
      if (&row == leader) continue;
      const Word other = ask(cluster_, index_of(cluster_, row.endpoint()), tid, p.pid());
      if (other.is_leader) say(row.endpoint() + " says that it leads, too");
      if (row.is_alive() && other.answered && other.term > leading.term) {
        say("its leader is fenced: " + row.endpoint() + " has term " + std::to_string(other.term));
      }
    }
  }

  Cluster& cluster_;
  std::string name_;
  std::vector<std::string> lines_;
  std::set<std::uint64_t> given_out_;
};

}  // namespace

namespace {

// The followers that this tablet sends to; nothing: it does not lead.
std::optional<std::set<std::string>> followers(Cluster& cluster, int tablet, std::uint32_t tid,
                                               std::uint32_t pid) {
  fedb::GetTableFollowerRequest request;
  request.set_tid(tid);
  request.set_pid(pid);
  const auto answer = cluster.client(tablet).ask<fedb::GetTableFollowerResponse>(
      "GetTableFollower", request, {}, std::chrono::seconds{2});
  if (!answer || answer->code() != 0) return std::nullopt;
  std::set<std::string> all;
  for (const auto& info : answer->follower_info()) all.insert(info.endpoint());
  return all;
}

void look_at_followers(Cluster& cluster, const fedb::TableInfo& table,
                       const fedb::TablePartition& p, std::vector<std::string>& lines) {
  const std::string name = table.name() + "/" + std::to_string(p.pid());
  std::set<std::string> alive;
  int leader = -1;
  for (const auto& row : p.partition_meta()) {
    if (!row.is_alive()) continue;
    if (row.is_leader()) {
      leader = index_of(cluster, row.endpoint());
    } else {
      alive.insert(row.endpoint());
    }
  }
  if (leader == -1 || !cluster.lives(leader)) return;
  const auto sent_to = followers(cluster, leader, table.tid(), p.pid());
  if (!sent_to) return;
  for (const std::string& e : *sent_to) {
    if (!alive.contains(e)) lines.push_back(name + ": its leader sends to " + e + ", a dead row");
  }
  for (const std::string& e : alive) {
    if (!sent_to->contains(e)) lines.push_back(name + ": its leader does not send to " + e);
  }
}

void look_at_tablet(Cluster& cluster, int tablet, std::vector<std::string>& lines) {
  const auto held = cluster.client(tablet).ask<fedb::GetTableStatusResponse>(
      "GetTableStatus", fedb::GetTableStatusRequest{}, {}, std::chrono::seconds{2});
  const auto tasks = cluster.client(tablet).ask<fedb::GetTaskStatusResponse>(
      "GetTaskStatus", fedb::GetTaskStatusRequest{}, {}, std::chrono::seconds{2});
  const std::string& name = cluster.tablet(tablet);
  if (!held || !tasks) {
    lines.push_back(name + " does not answer");
    return;
  }
  for (const auto& status : held->all_table_status()) {
    if (status.state() == fedb::kTableNormal) continue;
    lines.push_back(name + ": " + status.name() + "/" + std::to_string(status.pid()) +
                    " is in state " + std::to_string(status.state()));
  }
  for (const auto& task : tasks->task()) {
    lines.push_back(name + ": a task of op " + std::to_string(task.op_id()) + " is registered");
  }
}

}  // namespace

std::vector<std::string> left_behind(Cluster& cluster) {
  std::vector<std::string> lines;
  for (int i = 0; i < cluster.tablets(); ++i) {
    if (cluster.lives(i)) look_at_tablet(cluster, i, lines);
  }
  for (const fedb::TableInfo& table : cluster.znodes().tables()) {
    for (const auto& p : table.table_partition()) look_at_followers(cluster, table, p, lines);
  }
  for (const std::string& name : cluster.znodes().children("failoverd/ops")) {
    if (!name.starts_with("finished-")) lines.push_back("op " + name + " is left in the journal");
  }
  return lines;
}

std::vector<std::string> unsound(Cluster& cluster) { return Look{cluster}.run(); }

std::vector<std::string> wait_until_sound(Cluster& cluster, std::chrono::milliseconds deadline) {
  std::vector<std::string> lines;
  // Looked at twice: what is only sound in passing is not.
  int sound = 0;
  cluster.wait_until(
      [&] {
        lines = unsound(cluster);
        sound = lines.empty() ? sound + 1 : 0;
        return sound >= 2;
      },
      "the cluster is sound", deadline);
  return lines;
}

Word word(Cluster& cluster, int tablet, const std::string& table, std::uint32_t pid) {
  const auto info = cluster.znodes().table(table);
  return info ? ask(cluster, tablet, info->tid(), pid) : Word{};
}

std::vector<std::uint64_t> terms(Cluster& cluster, const std::string& name, std::uint32_t pid) {
  std::vector<std::uint64_t> all;
  const auto table = cluster.znodes().table(name);
  if (!table) return all;
  for (const auto& p : table->table_partition()) {
    if (p.pid() != pid) continue;
    for (const auto& pair : p.term_offset()) all.push_back(pair.term());
  }
  return all;
}

}  // namespace failoverd::e2e
