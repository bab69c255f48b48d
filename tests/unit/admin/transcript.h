// The captured transcript of the original's client, and its tables read back into rows: the made-up
// daemon shows what the real cluster held, and failoverctl must print the same bytes.
#pragma once

#include <cmath>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "lib/admin/status_types.h"

namespace failoverd::admin {

// One command as it was typed, and all that was printed.
struct Typed {
  std::vector<std::string> words;
  std::string printed;
};

inline std::vector<std::string> split_words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

inline std::vector<Typed> read_transcript() {
  std::ifstream in(std::string(FAILOVERD_GOLDEN) + "/rtidb-1.4.1/transcript.txt");
  std::vector<Typed> all;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("# ") || line.starts_with("== ")) continue;
    if (line.starts_with("$ ")) {
      all.push_back({split_words(line.substr(2)), ""});
    } else if (!all.empty()) {
      all.back().printed += line + "\n";
    }
  }
  return all;
}

// A printed table's rows, by column. A cell ends where the next column begins.
using Cells = std::map<std::string, std::string>;

inline std::vector<Cells> read_table(const std::string& printed) {
  std::istringstream in(printed);
  std::string header;
  std::string line;
  std::getline(in, header);
  std::getline(in, line);
  std::vector<std::pair<std::string, std::size_t>> columns;
  for (std::size_t at = header.find_first_not_of(' '); at != std::string::npos;) {
    const auto end = std::min(header.find(' ', at), header.size());
    columns.emplace_back(header.substr(at, end - at), at);
    at = header.find_first_not_of(' ', end);
  }
  std::vector<Cells> rows;
  while (std::getline(in, line)) {
    Cells cells;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const auto end = i + 1 < columns.size() ? columns[i + 1].second : line.size();
      std::string cell = line.substr(columns[i].second, end - columns[i].second);
      while (!cell.empty() && cell.back() == ' ') cell.pop_back();
      cells[columns[i].first] = cell;
    }
    rows.push_back(cells);
  }
  return rows;
}

inline std::uint64_t to_number(const std::string& text) {
  return std::strtoull(text.c_str(), nullptr, 10);
}

// "2s", "1m".
inline std::int64_t to_ms(const std::string& duration) {
  const std::map<char, std::int64_t> units = {{'s', 1000}, {'m', 60'000}, {'h', 3'600'000}};
  return static_cast<std::int64_t>(to_number(duration)) * units.at(duration.back());
}

// "702.000", "1.135 K".
inline std::uint64_t to_bytes(const std::string& size) {
  const double unit = size.back() == 'K' ? 1024 : 1;
  return static_cast<std::uint64_t>(std::llround(std::strtod(size.c_str(), nullptr) * unit));
}

// yyyymmddHHMMSS as UTC.
inline std::int64_t to_unix_ms(const std::string& time) {
  std::tm parts{};
  ::strptime(time.c_str(), "%Y%m%d%H%M%S", &parts);
  return static_cast<std::int64_t>(::timegm(&parts)) * 1000;
}

inline TabletRow to_tablet(Cells cells) {
  TabletRow row;
  row.endpoint = cells["endpoint"];
  row.shown = cells["state"];
  row.age_ms = static_cast<std::uint64_t>(to_ms(cells["age"]));
  return row;
}

inline ReplicaRow to_replica(Cells cells) {
  ReplicaRow row;
  row.name = cells["name"];
  row.tid = static_cast<std::uint32_t>(to_number(cells["tid"]));
  row.pid = static_cast<std::uint32_t>(to_number(cells["pid"]));
  row.endpoint = cells["endpoint"];
  row.is_leader = cells["role"] == "leader";
  row.is_alive = cells["is_alive"] == "yes";
  row.ttl = to_number(cells["ttl"]);
  row.ttl_type = "kAbsoluteTime";
  row.compress_type = cells["compress_type"];
  row.offset = to_number(cells["offset"]);
  row.record_cnt = to_number(cells["record_cnt"]);
  row.memused = to_bytes(cells["memused"]);
  return row;
}

inline OpRow to_op(Cells cells) {
  OpRow row;
  row.op_id = to_number(cells["op_id"]);
  row.op_type = cells["op_type"];
  row.name = cells["name"];
  row.pid = static_cast<std::uint32_t>(to_number(cells["pid"]));
  row.status = cells["status"];
  row.start_ms = to_unix_ms(cells["start_time"]);
  row.end_ms = to_unix_ms(cells["end_time"]);
  row.cur_task = cells["cur_task"] == "-" ? "" : cells["cur_task"];
  return row;
}

template <class Row, class ToRow>
std::vector<Row> to_rows(const std::string& printed, ToRow to_row) {
  std::vector<Row> rows;
  for (const Cells& cells : read_table(printed)) rows.push_back(to_row(cells));
  return rows;
}

}  // namespace failoverd::admin
