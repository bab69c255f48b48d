#include "tests/chaos/result.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace failoverd::chaos {
namespace {

template <class... Values>
std::string line(const char* format, Values... values) {
  char text[160];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

std::string faults_of(const Result& result) {
  std::string text = line("%-32s %6s\n", "fault", "times");
  int all = 0;
  for (const auto& [kind, times] : result.faults) {
    text += line("%-32s %6d\n", to_text(kind), times);
    all += times;
  }
  return text + line("%-32s %6d\n", "all", all);
}

std::string rows_of(const Result& result) {
  std::string text = line("%-20s %12s %6s %9s\n", "rows of", "acknowledged", "lost", "explained");
  TableResult all;
  const auto add = [&](const std::string& name, const TableResult& table) {
    text += line("%-20s %12llu %6llu %9llu\n", name.c_str(),
                 static_cast<unsigned long long>(table.acknowledged),
                 static_cast<unsigned long long>(table.lost),
                 static_cast<unsigned long long>(table.explained));
  };
  for (const TableResult& table : result.tables) {
    add(table.name + ", " + std::to_string(table.replicas) + " replicas", table);
    all.acknowledged += table.acknowledged;
    all.lost += table.lost;
    all.explained += table.explained;
  }
  add("all", all);
  return text;
}

std::string gaps_of(const Result& result) {
  std::string text = "longest time without a leader, as the writers saw it, by partition (s)\n";
  Duration longest{};
  for (const TableResult& table : result.tables) {
    text += line("%-20s", table.name.c_str());
    for (const Duration gap : table.longest_gap) {
      text += line(" %5.1f", seconds(gap));
      longest = std::max(longest, gap);
    }
    text += "\n";
  }
  return text + line("%-20s %5.1f\n", "overall", seconds(longest));
}

std::string ops_of(const Result& result) {
  std::string text = line("%-32s %6s\n", "done by failoverd", "times");
  for (const auto& [type, times] : result.ops) text += line("%-32s %6d\n", type.c_str(), times);
  return text + line("%-32s %6d\n", "(processes started again)", result.starts);
}

std::string end_of(const Result& result) {
  std::string text;
  if (result.calm) {
    text = line("%.1f s after the last fault every partition was led and every row alive\n",
                seconds(*result.calm));
  }
  if (result.holds()) return text + "all holds\n";
  text += "\nDOES NOT HOLD:\n";
  for (const std::string& wrong : result.wrong) text += wrong + "\n";
  return text;
}

}  // namespace

std::string to_text(const Result& result) {
  return faults_of(result) + "\n" + rows_of(result) + "\n" + gaps_of(result) + "\n" +
         ops_of(result) + "\n" + end_of(result);
}

}  // namespace failoverd::chaos
