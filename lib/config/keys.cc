#include "lib/config/keys.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "lib/config/key_types.h"

namespace failoverd::config {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct Section {
  std::string_view name;
  std::string_view doc;
};

constexpr std::array kSections{
    Section{"cluster", "The cluster that failoverd looks after."},
    Section{"listen", "Where failoverd itself can be reached."},
    Section{"detection", "When a tablet counts as dead, so that its leaders move."},
    Section{"election", "Who becomes leader."},
    Section{"recovery", "How replicas come back."},
    Section{"handover", "Planned changes of a leader that lives."},
    Section{"guards", "When automation holds still rather than make things worse."},
    Section{"log", "The log, on standard error."},
};

// What this version does nothing with.
constexpr std::array<std::string_view, 5> kUnused{"detection.zookeeper_lost",
                                                  "detection.hung_leader", "recovery.replace_after",
                                                  "guards.flaps", "state_dir"};

constexpr std::uint64_t kManyEntries = 1'000'000'000'000'000;

// The place of each value; works on a Config that may be changed and on one that may not.
// NOLINTBEGIN(bugprone-macro-parentheses): a member's name takes none.
#define PLACE(member) \
  [](auto& config) -> auto& { return config.member; }
// NOLINTEND(bugprone-macro-parentheses)

void add_cluster(std::vector<Key>& keys) {
  keys.push_back(text(
      "cluster.zookeeper", PLACE(cluster.zookeeper), "HOST:PORT[,HOST:PORT...]", check_ensemble,
      "The ZooKeeper servers, as the cluster's own processes name them (zk_cluster)."));
  keys.push_back(text("cluster.root", PLACE(cluster.root),
                      "an absolute path without a slash at the end", check_znode_path,
                      "The cluster's root in ZooKeeper (zk_root_path)."));
  keys.push_back(duration(
      "cluster.session_timeout", PLACE(cluster.session_timeout), {milliseconds{100}, minutes{5}},
      "How long failoverd may be away before ZooKeeper gives its lock to a standby. ZooKeeper\n"
      "moves it into its own bounds, usually 2 to 20 of its ticks."));
  keys.push_back(choice(
      "cluster.numbering", PLACE(cluster.numbering),
      std::vector<std::pair<std::string, Numbering>>{{"auto", Numbering::kAuto},
                                                     {"fedb", Numbering::kFedb},
                                                     {"openmldb", Numbering::kOpenmldb}},
      "Which field numbers the metadata has: fedb for RTIDB 1.x and FEDB up to 2.2, openmldb\n"
      "for FEDB 2.3 and OpenMLDB. auto: the tables tell, by their bytes; nothing is changed\n"
      "while they contradict each other, or one is of neither. With fedb or openmldb a table\n"
      "that does not look like it is left alone, and the others are served."));
  keys.push_back(
      choice("cluster.metadata", PLACE(policy.metadata),
             std::vector<std::pair<std::string, core::Metadata>>{
                 {"auto", core::Metadata::kAuto}, {"zookeeper", core::Metadata::kZookeeper}},
             "Where metadata is changed. auto: through the leading nameserver where one lives,\n"
             "because it would overwrite what is written past it; else in ZooKeeper. zookeeper:\n"
             "always in ZooKeeper; only for a cluster whose nameserver is known to be passive."));
  keys.push_back(
      text("cluster.zookeeper_auth_file", PLACE(cluster.zookeeper_auth_file),
           "an absolute path, or \"\" for none", check_path_or_none,
           "The file whose first line is the identity user:password that the cluster shows to\n"
           "ZooKeeper (scheme digest; OpenMLDB's zk_cert). failoverd then shows it, too, and what\n"
           "it creates is that identity's alone, as everything else of such a cluster. The file's\n"
           "mode is 0600 or 0640."));
  for (Key& key : keys) key.at_start = true;
}

void add_mode(std::vector<Key>& keys) {
  keys.push_back(
      choice("mode", PLACE(policy.shadow),
             std::vector<std::pair<std::string, bool>>{{"act", false}, {"shadow", true}},
             "act: it does what has to be done. shadow: it decides everything by the same rules,\n"
             "changes nothing in the cluster, and remembers what it would have done beside what\n"
             "the nameserver did: failoverctl shadow report. What it keeps in ZooKeeper then lies\n"
             "below failoverd_shadow, so that it may run beside daemons that act."));
  keys.back().at_start = true;
}

void add_switch(std::vector<Key>& keys) {
  Key key = yes_or_no(
      "auto_failover", PLACE(auto_failover),
      "Whether failoverd acts by itself. The switch is the cluster's, kept in ZooKeeper: this\n"
      "value is its first one, and changes it only when it is changed here. Without this line\n"
      "the file changes nothing.");
  key.written = kDefaultAutoFailover ? "true" : "false";
  keys.push_back(std::move(key));
}

void add_listen(std::vector<Key>& keys) {
  const std::size_t first = keys.size();
  keys.push_back(text("listen.http", PLACE(listen.http), "IP:PORT or [IPV6]:PORT",
                      check_listen_address,
                      "The HTTP interface: failoverctl, /healthz, /readyz, /metrics."));
  keys.push_back(text(
      "listen.rpc", PLACE(listen.rpc), "IP:PORT or [IPV6]:PORT, or \"\" for none",
      check_listen_address_or_none,
      "The nameserver's protocol, for the cluster's existing client: --endpoint=IP:PORT shows\n"
      "and does what it does at a nameserver. It knows no token."));
  keys.push_back(choice("listen.rpc_changes", PLACE(listen.rpc_changes_from_any),
                        std::vector<std::pair<std::string, bool>>{{"local", false}, {"any", true}},
                        "Who may change things at listen.rpc. local: whoever comes from loopback, "
                        "with listen.token_file\n"
                        "too; others may look. any: whoever reaches the address."));
  keys.push_back(
      text("listen.socket", PLACE(listen.socket), "an absolute path, or \"\" for none",
           check_socket_path_or_none,
           "A unix socket of mode 0660 that serves the HTTP interface, too: failoverctl\n"
           "--socket PATH. Whoever is let in there comes from this machine. The directory\n"
           "has to be there; where the socket cannot be made, failoverd goes on without."));
  keys.push_back(
      text("listen.token_file", PLACE(listen.token_file), "an absolute path, or \"\" for none",
           check_path_or_none,
           "The file with the token that those who change things must show. Without one, whoever\n"
           "comes from this machine may change things, and nobody else may. Its mode is 0600.\n"
           "Another token in it takes effect at the next reload, such as SIGHUP."));
  for (std::size_t i = first; i < keys.size(); ++i) keys[i].at_start = true;
}

void add_detection(std::vector<Key>& keys) {
  keys.push_back(yes_or_no(
      "detection.crash", PLACE(policy.detection.crash),
      "A port that refuses twice counts at once, while the tablet's znode is still there.\n"
      "false: only when the znode is gone too."));
  keys.push_back(duration(
      "detection.refuses_again", PLACE(policy.detection.refuses_again),
      {milliseconds{1}, milliseconds{20}},
      "How long after the first refusal the second counts, where the tablet's side closed our\n"
      "connection. Where there was none it is 20 ms."));
  keys.push_back(duration(
      "detection.silence", PLACE(policy.detection.silence), {milliseconds{100}, hours{1}},
      "A tablet whose znode is gone and that does not answer counts as dead so long after\n"
      "its last answer."));
  keys.push_back(duration_or_never(
      "detection.zookeeper_lost", PLACE(policy.detection.zookeeper_lost), {seconds{1}, hours{24}},
      "A tablet whose znode is gone while it goes on serving hands its leaders over after\n"
      "so long."));
  keys.push_back(duration_or_never(
      "detection.hung_leader", PLACE(policy.detection.hung_leader), {seconds{1}, hours{24}},
      "A tablet whose znode is there but that answers nobody loses its leaders after so\n"
      "long."));
}

void add_election(std::vector<Key>& keys) {
  keys.push_back(
      duration("election.wait_for_better", PLACE(policy.election.wait_for_better),
               {Duration{0}, minutes{10}},
               "How long to wait for a replica that was known to have more than the best that\n"
               "answered."));
  keys.push_back(duration_or_never(
      "election.wait_for_lost", PLACE(policy.election.wait_for_lost), {Duration{0}, hours{24}},
      "How long to wait for a tablet that is gone and whose replica is known to hold more than\n"
      "guards.max_lost_entries that nobody else has. A load that is under way by then is waited\n"
      "for. never: until it is back."));
  keys.push_back(duration_or_never(
      "election.unclean_after", PLACE(policy.election.unclean_after), {seconds{1}, hours{720}},
      "After so long without a leader nobody is waited for any more who is not there, whatever\n"
      "wait_for_lost and recovery.full_restart_wait say: what only they hold is given up. Rows\n"
      "that are not alive are not elected even then."));
}

void add_recovery(std::vector<Key>& keys) {
  keys.push_back(number("recovery.max_copies_per_tablet",
                        PLACE(policy.recovery.max_copies_per_tablet), {1, 64, ""},
                        "How many full copies one tablet sends or receives at a time."));
  keys.push_back(number(
      "recovery.catch_up_delta", PLACE(policy.recovery.catch_up_delta), {0, 1'000'000'000, ""},
      "Entries that a returning replica may lack, when its row becomes alive, of what its leader\n"
      "had when it was added. Each of them is lost if the leader's tablet dies in that moment."));
  keys.push_back(duration(
      "recovery.full_restart_wait", PLACE(policy.recovery.full_restart_wait),
      {Duration{0}, hours{24}},
      "After everything went down: how long to wait, from the first replica that is loaded,\n"
      "for those whose tablets are not back."));
  keys.push_back(duration_or_never(
      "recovery.replace_after", PLACE(policy.recovery.replace_after), {minutes{1}, hours{720}},
      "After how long a tablet that does not return is replaced by another."));
  keys.push_back(yes_or_no(
      "recovery.reuse_binlog", PLACE(policy.recovery.reuse_binlog),
      "Keep what a returning replica has on its disk where that is safe. false: delete it and\n"
      "copy everything, as the nameserver does."));
}

void add_handover_and_guards(std::vector<Key>& keys) {
  keys.push_back(duration(
      "handover.pause", PLACE(policy.handover.pause), {milliseconds{10}, minutes{1}},
      "How long a partition may be without a leader in a planned change; when that is not\n"
      "enough, the old leader leads on."));
  keys.push_back(number_or_word(
      "guards.max_lost_tablets", PLACE(policy.guards.max_lost_tablets), {1, 100'000, "auto"},
      "More tablets than these lost within the window: a refused port alone no longer counts.\n"
      "auto: half of those known, at least 2."));
  keys.push_back(duration("guards.window", PLACE(policy.guards.window),
                          {milliseconds{100}, hours{1}}, "The window of max_lost_tablets."));
  keys.push_back(
      number("guards.flaps", PLACE(policy.guards.flaps), {1, 1'000, ""},
             "How often a tablet may be lost within 10 minutes before its replicas come back more\n"
             "slowly each time."));
  keys.push_back(number_or_word(
      "guards.max_lost_entries", PLACE(policy.guards.max_lost_entries),
      {0, kManyEntries, "unlimited"},
      "Where the best replica that is there is known to lack more entries than these, those\n"
      "that hold them are waited for (election.wait_for_lost)."));
}

void add_rest(std::vector<Key>& keys) {
  keys.push_back(
      {.name = "hooks",
       .type = "list",
       .range = "[]",
       .doc = "Commands to run when something happens. This version runs none and refuses any, so\n"
              "that nobody waits for a hook that never runs.",
       .is_list = true,
       .set = [](Config&, std::string_view) -> Problem { return std::nullopt; },
       .get = [](const Config&) { return std::string{"[]"}; }});
  keys.push_back(text(
      "state_dir", PLACE(state_dir), "an absolute path", check_path,
      "Where failoverd keeps what is its own on this machine. Nothing there is needed to act."));
  keys.back().at_start = true;
  keys.push_back(choice("log.level", PLACE(log.level),
                        std::vector<std::pair<std::string, LogLevel>>{{"debug", LogLevel::kDebug},
                                                                      {"info", LogLevel::kInfo},
                                                                      {"warn", LogLevel::kWarn},
                                                                      {"error", LogLevel::kError}},
                        "The least important lines that are written."));
  keys.push_back(choice("log.format", PLACE(log.format),
                        std::vector<std::pair<std::string, LogFormat>>{{"text", LogFormat::kText},
                                                                       {"json", LogFormat::kJson}},
                        "Lines to read, or one JSON object a line."));
}
#undef PLACE

// How YAML wants the text of a value: with quotes where it would be misread without.
std::string in_yaml(const Key& key, const std::string& value) {
  const bool needs_quotes = value.empty() || value.find_first_of(":[]#,") != std::string::npos;
  return key.type == "text" && needs_quotes ? '"' + value + '"' : value;
}

std::vector<Key> make_keys() {
  std::vector<Key> keys;
  add_mode(keys);
  add_cluster(keys);
  add_switch(keys);
  add_listen(keys);
  add_detection(keys);
  add_election(keys);
  add_recovery(keys);
  add_handover_and_guards(keys);
  add_rest(keys);
  const Config defaults;
  for (Key& key : keys) {
    if (key.written.empty()) key.written = in_yaml(key, key.get(defaults));
    key.is_unused = std::find(kUnused.begin(), kUnused.end(), key.name) != kUnused.end();
  }
  return keys;
}

std::string_view section_of(std::string_view name) {
  const std::size_t dot = name.find('.');
  return dot == std::string_view::npos ? std::string_view{} : name.substr(0, dot);
}

std::string as_comment(std::string_view doc, std::string_view indent) {
  std::string out;
  for (std::size_t begin = 0; begin <= doc.size();) {
    const std::size_t end = std::min(doc.find('\n', begin), doc.size());
    out += std::string{indent} + "# " + std::string{doc.substr(begin, end - begin)} + "\n";
    begin = end + 1;
  }
  return out;
}

// Levenshtein's distance: how many letters must be put in, left out or changed.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row[b.size()];
}

}  // namespace

const std::vector<Key>& keys() {
  static const std::vector<Key> all = make_keys();
  return all;
}

std::string_view section_doc(std::string_view section) {
  for (const Section& known : kSections) {
    if (known.name == section) return known.doc;
  }
  return {};
}

std::string default_file() {
  std::string out =
      "# The configuration of failoverd. This file is the default configuration itself: a key "
      "that\n"
      "# is left out has the value that it has here, and an empty file is as good as this one "
      "(but\n"
      "# never touches the switch auto_failover).\n"
      "#\n"
      "# Durations are N(ms|s|m|h), such as 500ms; a number without a unit is refused. A change "
      "takes\n"
      "# effect when the file has been written and closed, or replaced, and has been quiet for 100 "
      "ms,\n"
      "# or on SIGHUP; keys marked \"at the next start\" need a restart. A file with a mistake "
      "changes\n"
      "# nothing: the log names line, key and what would be right, and so does, beforehand,\n"
      "# `failoverd --config FILE --check-config`.\n";
  std::string_view section;
  for (const Key& key : keys()) {
    const std::string_view own_section = section_of(key.name);
    if (own_section.empty() || own_section != section) out += "\n";
    if (!own_section.empty() && own_section != section) {
      out += as_comment(section_doc(own_section), "") + std::string{own_section} + ":\n";
    }
    section = own_section;
    const std::string_view indent = own_section.empty() ? "" : "  ";
    std::string name = key.name.substr(own_section.empty() ? 0 : own_section.size() + 1);
    out += as_comment(key.doc, indent);
    out += std::string{indent} + "# " + key.type + ": " + key.range + ". Default " + key.written +
           (key.at_start ? ". At the next start.\n" : ".\n");
    if (key.is_unused) out += as_comment("This version does not use it.", indent);
    out += std::string{indent} + name + ": " + key.written + "\n";
  }
  return out;
}

std::string nearest_key(std::string_view wrong) {
  const std::string_view last = wrong.substr(wrong.rfind('.') + 1);
  std::string best;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  const auto look_at = [&](std::string_view name) {
    const std::string_view own_last = name.substr(name.rfind('.') + 1);
    // The whole path may be mistyped, or the right word stand in the wrong section.
    const std::size_t far = std::min(2 * distance(wrong, name), 2 * distance(last, own_last) + 1);
    // A third of a word may be wrong; a word of three letters is another when two are.
    if (far >= best_distance || far > 2 * ((own_last.size() + 1) / 3) + 1) return;
    best = name;
    best_distance = far;
  };
  for (const Key& key : keys()) look_at(key.name);
  for (const Section& known : kSections) look_at(known.name);
  return best;
}

}  // namespace failoverd::config
