#include "daemon/ctl/table.h"

#include <algorithm>

#include "lib/base/utf8.h"

namespace failoverd::ctl {
namespace {

void append_line(const Row& row, const std::vector<std::size_t>& widths, std::string& out) {
  for (std::size_t i = 0; i < widths.size(); ++i) {
    out += "  " + row[i] + std::string(widths[i] - row[i].size(), ' ');
  }
  out += '\n';
}

}  // namespace

std::string printable(const std::string& text) { return shown_safely(text, '?'); }

std::string to_table(const Row& header, std::vector<Row> rows) {
  for (Row& row : rows) {
    for (std::string& cell : row) cell = printable(cell);
  }
  std::vector<std::size_t> widths;
  for (const std::string& column : header) widths.push_back(column.size());
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::size_t dashes = 2;
  for (const std::size_t width : widths) dashes += width + 2;

  std::string out;
  append_line(header, widths, out);
  out += std::string(dashes, '-') + '\n';
  for (const Row& row : rows) append_line(row, widths, out);
  return out;
}

}  // namespace failoverd::ctl
