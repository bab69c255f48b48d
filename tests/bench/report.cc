#include "tests/bench/report.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <functional>

namespace failoverd::bench {
namespace {

namespace json = boost::json;

// SAFETY 15: a refused port counts when it refuses again so long after.
constexpr double kSecondRefusalMs = 20;
constexpr double kGrowthGoal = 6;
constexpr double kOfflineGoalMs = 5'000;
constexpr double kBackGoalMs = 1'000;
constexpr double kIdleCpuGoal = 2;
constexpr double kMemoryGoalMib = 50;

template <class Run>
Series series(const std::vector<Run>& runs, const std::function<double(const Run&)>& of) {
  Series all;
  for (const Run& run : runs) all.add(of(run));
  return all;
}

Series phase(const FailoverResult& r, double Phases::*member) {
  return series<Phases>(r.runs, [member](const Phases& p) { return p.*member; });
}

Series above_waits(const FailoverResult& r) {
  return series<Phases>(r.runs, [&](const Phases& p) { return p.total - r.waits_ms; });
}

Series limit_part(const FailoverResult& r, double Limit::*member) {
  return series<Limit>(r.limits, [member](const Limit& l) { return l.*member; });
}

Series limit_total(const FailoverResult& r) {
  return series<Limit>(r.limits, [](const Limit& l) { return l.total(); });
}

double ratio(const FailoverResult& r, double without_ms) {
  return (phase(r, &Phases::total).median() - without_ms) / limit_total(r).median();
}

template <class... Values>
std::string line(const char* format, Values... values) {
  char text[256];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

const char* verdict(bool met) { return met ? "met" : "MISSED"; }

// Without a goal of its own it is twice the bare limit.
bool goal_met(const FailoverResult& r) {
  if (r.goal_ms > 0) return above_waits(r).median() < r.goal_ms;
  return !r.limits.empty() && ratio(r, 0) < 2;
}

std::string failover_table(const Report& report) {
  std::string text = line("%-44s %4s %8s %8s %8s  %-14s\n", "From the signal, ms", "runs", "min",
                          "median", "max", "goal");
  for (const FailoverResult& r : report.failovers) {
    const Series above = above_waits(r);
    const std::string what =
        r.words + (r.waits_ms > 0 ? line(", above %.0f ms", r.waits_ms) : std::string{});
    text +=
        line("%-44s %4zu %8.1f %8.1f %8.1f  %-14s\n", what.c_str(), r.runs.size(), above.min(),
             above.median(), above.max(),
             ((r.goal_ms > 0 ? line("< %.0f ", r.goal_ms) : "< 2x bare ") + verdict(goal_met(r)))
                 .c_str());
  }
  text += line("\n%-44s %8s %8s %8s %8s\n", "Where it goes (medians), ms", "sign", "detect",
               "elect", "publish");
  for (const FailoverResult& r : report.failovers) {
    text += line("%-44s %8.1f %8.1f %8.1f %8.1f\n", r.words.c_str(),
                 phase(r, &Phases::sign).median(), phase(r, &Phases::detect).median(),
                 phase(r, &Phases::elect).median(), phase(r, &Phases::publish).median());
  }
  return text;
}

std::string limit_table(const Report& report) {
  std::string text;
  for (const FailoverResult& r : report.failovers) {
    if (r.limits.empty()) continue;
    if (text.empty()) {
      text = line("\n%-44s %8s %8s %8s %8s %8s %10s\n", "The bare limit (medians), ms", "probes",
                  "roles", "multi", "sum", "ours/sum", "less 20 ms");
    }
    text += line("%-44s %8.1f %8.1f %8.1f %8.1f %8.1f %10.1f\n", r.words.c_str(),
                 limit_part(r, &Limit::probes).median(), limit_part(r, &Limit::roles).median(),
                 limit_part(r, &Limit::multi).median(), limit_total(r).median(), ratio(r, 0),
                 ratio(r, kSecondRefusalMs));
  }
  return text;
}

Series series(const std::vector<double>& values) {
  Series all;
  for (const double value : values) all.add(value);
  return all;
}

// The daemon's share: what the median is above the floor's.
double above_floor(const RecoveryResult& r) {
  return series(r.runs).median() - series(r.floors).median();
}

bool goal_met(const RecoveryResult& r) {
  return (r.above_floor ? above_floor(r) : series(r.runs).median()) < r.goal_ms;
}

std::string recovery_table(const Report& report) {
  std::string text =
      line("\n%-44s %4s %8s %8s %8s %8s %8s  %-20s\n", "From registration to all rows alive, ms",
           "runs", "min", "median", "max", "floor", "above", "goal");
  for (const RecoveryResult& r : report.recoveries) {
    const Series runs = series(r.runs);
    const std::string goal = r.goal_ms == 0 ? "-"
                                            : line("%s< %.0f %s", r.above_floor ? "above " : "",
                                                   r.goal_ms, verdict(goal_met(r)));
    text += line("%-44s %4zu %8.1f %8.1f %8.1f %8.1f %8.1f  %-20s\n", r.words.c_str(),
                 r.runs.size(), runs.min(), runs.median(), runs.max(), series(r.floors).median(),
                 above_floor(r), goal.c_str());
  }
  return text;
}

Series part(const GrowthResult& r, double Growth::*member) {
  return series<Growth>(r.runs, [member](const Growth& g) { return g.*member; });
}

// Five times as many partitions cost at most six times as long.
double growth(const Report& report, double Growth::*member) {
  return part(report.growths.back(), member).median() /
         part(report.growths.front(), member).median();
}

std::string growth_table(const Report& report) {
  std::string text =
      line("\n%-44s %4s %10s %10s\n", "One of 4 tablets killed, and back (medians), ms", "runs",
           "leaders", "all alive");
  for (const GrowthResult& r : report.growths) {
    text +=
        line("%-44s %4zu %10.0f %10.0f\n", (std::to_string(r.partitions) + " x 3").c_str(),
             r.runs.size(), part(r, &Growth::leaders).median(), part(r, &Growth::alive).median());
  }
  if (report.growths.size() < 2) return text;
  const double leaders = growth(report, &Growth::leaders);
  const double alive = growth(report, &Growth::alive);
  return text + line("%-49s %10.1f %10.1f  < %.0f %s\n", "the last by the first", leaders, alive,
                     kGrowthGoal, verdict(std::max(leaders, alive) < kGrowthGoal));
}

std::string handover_table(const Report& report) {
  std::string text =
      line("\n%-44s %6s %8s %8s %8s %8s %10s %5s\n", "Without a leader, as clients see it, ms",
           "times", "median", "p99", "max", "in vain", "rows", "lost");
  for (const HandoverResult& r : report.handovers) {
    const double p99 = r.taken.pauses.quantile(0.99);
    const std::string goal =
        r.goal_ms == 0 ? "-" : line("p99 < %.0f %s", r.goal_ms, verdict(p99 < r.goal_ms));
    text += line("%-44s %6zu %8.1f %8.1f %8.1f %8llu %10llu %5llu  %s\n", r.words.c_str(),
                 r.taken.pauses.values().size(), r.taken.pauses.median(), p99, r.taken.pauses.max(),
                 static_cast<unsigned long long>(r.taken.taken_back),
                 static_cast<unsigned long long>(r.taken.acked),
                 static_cast<unsigned long long>(r.taken.lost), goal.c_str());
  }
  return text;
}

Series part(const PlannedResult& r, double Planned::*member) {
  return series<Planned>(r.runs, [member](const Planned& p) { return p.*member; });
}

std::string planned_table(const Report& report) {
  std::string text =
      line("\n%-44s %4s %10s %10s %10s\n", "A tablet goes offline and back (medians), ms", "runs",
           "leaders", "rows dead", "all alive");
  for (const PlannedResult& r : report.planned) {
    const double dead = part(r, &Planned::dead).median();
    const double alive = part(r, &Planned::alive).median();
    text += line("%-44s %4zu %10.0f %10.0f %10.0f  < %.0f %s, < %.0f %s\n", r.words.c_str(),
                 r.runs.size(), part(r, &Planned::leaders).median(), dead, alive, kOfflineGoalMs,
                 verdict(dead < kOfflineGoalMs), kBackGoalMs, verdict(alive < kBackGoalMs));
  }
  return text;
}

json::array to_array(const Series& series) {
  return json::array(series.values().begin(), series.values().end());
}

json::object summary(const Series& series) {
  return {{"min", series.min()},
          {"median", series.median()},
          {"max", series.max()},
          {"runs", to_array(series)}};
}

json::object to_object(const FailoverResult& r) {
  const Series above = above_waits(r);
  json::object object{{"name", r.name},
                      {"what", r.words},
                      {"waits_ms", r.waits_ms},
                      {"goal_ms", r.goal_ms},
                      {"goal_met", goal_met(r)},
                      {"above_waits_ms", summary(above)},
                      {"total_ms", summary(phase(r, &Phases::total))},
                      {"sign_ms", summary(phase(r, &Phases::sign))},
                      {"detect_ms", summary(phase(r, &Phases::detect))},
                      {"elect_ms", summary(phase(r, &Phases::elect))},
                      {"publish_ms", summary(phase(r, &Phases::publish))}};
  if (r.limits.empty()) return object;
  object["limit"] = json::object{{"probes_ms", summary(limit_part(r, &Limit::probes))},
                                 {"roles_ms", summary(limit_part(r, &Limit::roles))},
                                 {"multi_ms", summary(limit_part(r, &Limit::multi))},
                                 {"sum_ms", summary(limit_total(r))},
                                 {"ratio", ratio(r, 0)},
                                 {"ratio_less_20_ms", ratio(r, kSecondRefusalMs)}};
  return object;
}

json::object to_object(const HandoverResult& r) {
  return {{"name", r.name},
          {"what", r.words},
          {"pause_ms", summary(r.taken.pauses)},
          {"p99_ms", r.taken.pauses.quantile(0.99)},
          {"taken_back", r.taken.taken_back},
          {"rows", r.taken.acked},
          {"lost", r.taken.lost}};
}

json::object to_object(const PlannedResult& r) {
  return {{"name", r.name},
          {"what", r.words},
          {"leaders_ms", summary(part(r, &Planned::leaders))},
          {"dead_ms", summary(part(r, &Planned::dead))},
          {"alive_ms", summary(part(r, &Planned::alive))}};
}

json::object to_object(const RecoveryResult& r) {
  json::object object{{"name", r.name},
                      {"what", r.words},
                      {"total_ms", summary(series(r.runs))},
                      {"floor_ms", summary(series(r.floors))},
                      {"above_floor_ms", above_floor(r)}};
  if (r.goal_ms == 0) return object;
  object["goal_ms"] = r.goal_ms;
  object["goal_is_above_floor"] = r.above_floor;
  object["goal_met"] = goal_met(r);
  return object;
}

}  // namespace

std::string to_table(const Report& report) {
  std::string text = line("%u cores, load %.1f before and %.1f after\n\n", report.cores,
                          report.load_before, report.load_after);
  if (!report.failovers.empty()) text += failover_table(report) + limit_table(report);
  if (!report.recoveries.empty()) text += recovery_table(report);
  if (!report.growths.empty()) text += growth_table(report);
  if (!report.handovers.empty()) text += handover_table(report);
  if (!report.planned.empty()) text += planned_table(report);
  if (report.idle) {
    const Idle& idle = report.idle->idle;
    text += line(
        "\n%s: %.2f %% of a core (goal < %.0f %%: %s), %.1f MiB resident, %.1f MiB at most"
        " (goal < %.0f MiB: %s)\n",
        report.idle->words.c_str(), idle.cpu_percent, kIdleCpuGoal,
        verdict(idle.cpu_percent < kIdleCpuGoal), idle.resident_mib, idle.peak_mib, kMemoryGoalMib,
        verdict(idle.peak_mib < kMemoryGoalMib));
  }
  return text;
}

std::string to_json(const Report& report) {
  json::object object{{"cores", report.cores},
                      {"load_before", report.load_before},
                      {"load_after", report.load_after}};
  json::array failovers;
  for (const FailoverResult& r : report.failovers) failovers.push_back(to_object(r));
  object["failovers"] = std::move(failovers);
  json::array recoveries;
  for (const RecoveryResult& r : report.recoveries) recoveries.push_back(to_object(r));
  object["recoveries"] = std::move(recoveries);
  json::array growths;
  for (const GrowthResult& r : report.growths) {
    growths.push_back(json::object{{"name", r.name},
                                   {"partitions", r.partitions},
                                   {"leaders_ms", summary(part(r, &Growth::leaders))},
                                   {"alive_ms", summary(part(r, &Growth::alive))}});
  }
  object["growth"] = std::move(growths);
  json::array handovers;
  for (const HandoverResult& r : report.handovers) handovers.push_back(to_object(r));
  object["handovers"] = std::move(handovers);
  json::array planned;
  for (const PlannedResult& r : report.planned) planned.push_back(to_object(r));
  object["planned"] = std::move(planned);
  if (report.idle) {
    const Idle& idle = report.idle->idle;
    object["idle"] = json::object{{"what", report.idle->words},
                                  {"cpu_percent", idle.cpu_percent},
                                  {"resident_mib", idle.resident_mib},
                                  {"peak_mib", idle.peak_mib}};
  }
  return json::serialize(object) + "\n";
}

}  // namespace failoverd::bench
