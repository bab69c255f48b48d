// bench_failover: how long a failover takes, how long a recovery, and what watching costs, on a
// cluster of real processes and a real ZooKeeper; see run.sh. Says how it went; exits with 1 only
// when it could not measure.
#include <sys/statfs.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/measure.h"
#include "tests/bench/report.h"

namespace failoverd::bench {
namespace {

constexpr const char* kUsage =
    "bench_failover [--runs=N] [--only=NAME,...] [--idle-seconds=N] [--json=FILE|-]\n"
    "  --runs=N          failovers of each kind, each on a new cluster (9; slow ones a third of "
    "it)\n"
    "  --only=NAME,...   of kill-8, kill-8-writes, kill-300, kill-8-nameserver,\n"
    "                    kill-300-nameserver, stop-8, stop-8-short,\n"
    "                    kill-8-readers, kill-8-log-readers, return-8, return-8-missed,\n"
    "                    return-300, copy-8, big-reuse, big-copy, grow-1000,\n"
    "                    grow-5000, handovers, handovers-lagging, offline-300,\n"
    "                    offline-300-8, offline-300-led, offline-300-writes, idle-300\n"
    "  --idle-seconds=N  how long the idle daemon is watched (30)\n"
    "  --json=FILE       also writes all figures there; -: to standard output\n";

// ZooKeeper's tick in these clusters, and the session that it grants the tablets.
constexpr std::chrono::milliseconds kTick{200};
constexpr std::uint32_t kMany = 300;

struct Options {
  int runs = 9;
  int idle_seconds = 30;
  std::string only;  // ",kill-8,"; empty: all.
  std::string json;

  bool wants(const std::string& name) const {
    return only.empty() || only.find("," + name + ",") != std::string::npos;
  }
};

struct Case {
  std::string name;
  std::string words;
  double goal_ms = 0;
  FailoverCase what;
  bool slow = false;
  std::string twice = "";  // The goal is twice the median of this case instead.
};

const std::vector<Case>& cases() {
  using std::chrono::milliseconds;
  static const std::vector<Case> all = {
      {"kill-8", "SIGKILL, 8 partitions x 3", 100, {.partitions = 8}},
      {"kill-8-writes",
       "the same, 50 puts/s to each",
       100,
       {.partitions = 8, .writes_per_second = 50}},
      {"kill-300", "SIGKILL, 300 partitions x 3, 100 led", 300, {.partitions = kMany}},
      {"kill-8-nameserver",
       "SIGKILL, 8 x 3, through a nameserver",
       0,
       {.partitions = 8, .nameserver = true}},
      {"kill-300-nameserver",
       "SIGKILL, 300 x 3, 100 led, through a nameserver",
       0,
       {.partitions = kMany, .nameserver = true}},
      {"stop-8", "SIGSTOP, 8 x 3", 500, {.partitions = 8, .stop = true}, true},
      {"stop-8-short",
       "SIGSTOP, 8 x 3, silence 1 s",
       500,
       {.partitions = 8, .stop = true, .silence = milliseconds{1000}},
       true},
      {"kill-8-readers",
       "SIGKILL, 8 x 3, 200 HTTP clients",
       0,
       {.partitions = 8, .readers = 200},
       false,
       "kill-8"},
      {"kill-8-log-readers",
       "SIGKILL, 8 x 3, 200 read a long event log",
       0,
       {.partitions = 8, .readers = 200, .they_read_the_log = true},
       true,
       "kill-8"},
  };
  return all;
}

struct Return {
  std::string name;
  std::string words;
  double goal_ms = 0;  // 0: none.
  RecoveryCase what;
  bool slow = false;
};

const std::vector<Return>& returns() {
  // 50 MB, in the leader's snapshot; the replica has them in its binlog.
  static const RecoveryCase big{
      .partitions = 1, .rows = 50'000, .value_bytes = 1'000, .snapshots = true, .missed = 1'000};
  static const std::vector<Return> all = [] {
    RecoveryCase copied = big;
    copied.reuse_binlog = false;
    copied.copies = true;
    return std::vector<Return>{
        {"return-8", "8 replicas, nothing missed", 1'000, {.partitions = 8}},
        {"return-8-missed",
         "8 replicas, 1,000 rows missed by each",
         1'000,
         {.partitions = 8, .missed = 1'000}},
        {"return-300", "300 replicas, nothing missed", 10'000, {.partitions = kMany}, true},
        {"copy-8",
         "8 empty replicas, disk wiped: full copy",
         1'000,
         {.partitions = 8, .rows = 0, .wiped = true, .copies = true},
         true},
        {"big-reuse", "1 of 50 MB, 1,000 missed, reuse_binlog", 0, big, true},
        {"big-copy", "the same, reuse_binlog: false", 0, copied, true},
    };
  }();
  return all;
}

struct Handing {
  std::string name;
  std::string words;
  double goal_ms = 0;  // 0: none.
  HandoverCase what;
};

const std::vector<Handing>& handings() {
  static const std::vector<Handing> all = {
      {"handovers", "1,000 handovers, 8 at once, 200 puts/s to each", 100, {}},
      {"handovers-lagging", "the same, binlog_notify_on_put off", 0, {.notify_on_put = false}},
  };
  return all;
}

struct Offline {
  std::string name;
  std::string words;
  PlannedCase what;
};

const std::vector<Offline>& offlines() {
  static const std::vector<Offline> all = {
      {"offline-300", "300 partitions x 3, 100 led", {}},
      {"offline-300-8", "the same, concurrency 8", {.concurrency = 8}},
      {"offline-300-led", "300 x 3, all led", {.leads_all = true}},
      {"offline-300-writes", "300 x 3, 100 led, 5 puts/s to each", {.writes_per_second = 5}},
  };
  return all;
}

double load() {
  double average = 0;
  return getloadavg(&average, 1) == 1 ? average : 0;
}

void say(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

// ZooKeeper's data lies there.
void look_at_the_disk() {
  const char* directory = std::getenv("TMPDIR");
  struct statfs found {};
  constexpr long kTmpfs = 0x01021994;
  if (statfs(directory && *directory ? directory : "/tmp", &found) == 0 && found.f_type == kTmpfs) {
    say("note: the temporary directory is in memory, where syncing costs nothing; set TMPDIR to "
        "one on a disk\n");
  }
}

FailoverResult measure(const Case& c, int runs) {
  FailoverResult result;
  result.name = c.name;
  result.words = c.words;
  result.goal_ms = c.goal_ms;
  if (c.what.stop) {
    const auto waits = std::max(c.what.tablet_session + kTick, c.what.silence);
    result.waits_ms = milliseconds(waits);
  }
  if (c.slow) runs = (runs + 2) / 3;
  say(c.words + ":");
  for (int i = 0; i < runs; ++i) {
    result.runs.push_back(measure_failover(c.what));
    char text[32];
    std::snprintf(text, sizeof text, " %.1f", result.runs.back().total);
    say(text);
    const bool bare = !c.what.stop && c.what.writes_per_second == 0 && c.what.readers == 0;
    if (bare) result.limits.push_back(measure_limit(c.what.partitions, c.what.nameserver));
  }
  say(" ms\n");
  return result;
}

double median_of(const FailoverResult& result) {
  Series totals;
  for (const Phases& run : result.runs) totals.add(run.total);
  return totals.median();
}

RecoveryResult measure(const Return& r, int runs) {
  RecoveryResult result{r.name, r.words, r.goal_ms, r.what.copies, {}, {}};
  if (r.slow) runs = (runs + 2) / 3;
  say(r.words + ":");
  for (int i = 0; i < runs; ++i) {
    result.runs.push_back(measure_recovery(r.what));
    result.floors.push_back(measure_recovery_floor(r.what));
    char text[48];
    std::snprintf(text, sizeof text, " %.1f (%.1f)", result.runs.back(), result.floors.back());
    say(text);
  }
  say(" ms (floor)\n");
  return result;
}

GrowthResult grow(const std::string& name, std::uint32_t partitions, int runs) {
  GrowthResult result{name, partitions, {}};
  say(std::to_string(partitions) + " partitions x 3 on 4 tablets:");
  for (int i = 0; i < (runs + 2) / 3; ++i) {
    result.runs.push_back(measure_growth(partitions));
    char text[48];
    std::snprintf(text, sizeof text, " %.0f %.0f", result.runs.back().leaders,
                  result.runs.back().alive);
    say(text);
  }
  say(" ms (leaders, all alive)\n");
  return result;
}

HandoverResult measure(const Handing& h) {
  say(h.words + ":");
  HandoverResult result{h.name, h.words, h.goal_ms, measure_handovers(h.what)};
  char text[48];
  std::snprintf(text, sizeof text, " %.1f ms (p99)\n", result.taken.pauses.quantile(0.99));
  say(text);
  return result;
}

PlannedResult measure(const Offline& o, int runs) {
  PlannedResult result{o.name, o.words, {}};
  say(o.words + ":");
  for (int i = 0; i < (runs + 2) / 3; ++i) {
    result.runs.push_back(measure_planned(o.what));
    char text[64];
    std::snprintf(text, sizeof text, " %.0f %.0f %.0f", result.runs.back().leaders,
                  result.runs.back().dead, result.runs.back().alive);
    say(text);
  }
  say(" ms (leaders, rows dead, all alive)\n");
  return result;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (name == "--runs") {
      options.runs = std::stoi(value);
    } else if (name == "--idle-seconds") {
      options.idle_seconds = std::stoi(value);
    } else if (name == "--only") {
      options.only = "," + value + ",";
    } else if (name == "--json") {
      options.json = value;
    } else {
      throw std::invalid_argument(word + " is not known");
    }
  }
  if (options.runs < 1 || options.idle_seconds < 1) throw std::invalid_argument("below 1");
  return options;
}

int run(const Options& options) {
  Report report;
  report.cores = std::thread::hardware_concurrency();
  report.load_before = load();
  look_at_the_disk();
  for (const Case& c : cases()) {
    if (!options.wants(c.name)) continue;
    report.failovers.push_back(measure(c, options.runs));
    for (const FailoverResult& other : report.failovers) {
      if (other.name == c.twice) report.failovers.back().goal_ms = 2 * median_of(other);
    }
  }
  for (const Return& r : returns()) {
    if (options.wants(r.name)) report.recoveries.push_back(measure(r, options.runs));
  }
  for (const std::uint32_t partitions : {1'000U, 5'000U}) {
    const std::string name = "grow-" + std::to_string(partitions);
    if (options.wants(name)) report.growths.push_back(grow(name, partitions, options.runs));
  }
  for (const Handing& h : handings()) {
    if (options.wants(h.name)) report.handovers.push_back(measure(h));
  }
  for (const Offline& o : offlines()) {
    if (options.wants(o.name)) report.planned.push_back(measure(o, options.runs));
  }
  if (options.wants("idle-300")) {
    const std::string words = "Idle, 300 partitions x 3";
    say(words + "\n");
    report.idle = {words, measure_idle(kMany, std::chrono::seconds{options.idle_seconds})};
  }
  report.load_after = load();
  std::fputs(("\n" + to_table(report)).c_str(), stdout);
  if (options.json == "-") {
    std::fputs(to_json(report).c_str(), stdout);
  } else if (!options.json.empty()) {
    std::ofstream file{options.json};
    if (!(file << to_json(report))) throw std::runtime_error(options.json + ": cannot be written");
  }
  return 0;
}

}  // namespace
}  // namespace failoverd::bench

int main(int argc, char** argv) {
  using namespace failoverd::bench;
  Options options;
  try {
    options = parse(argc, argv);
  } catch (const std::exception& wrong) {
    std::fprintf(stderr, "bench_failover: %s\n\n%s", wrong.what(), kUsage);
    return 2;
  }
  try {
    return run(options);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "bench_failover: %s\n", failure.what());
    return 1;
  }
}
