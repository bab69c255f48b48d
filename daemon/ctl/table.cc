#include "daemon/ctl/table.h"

#include <algorithm>

namespace failoverd::ctl {
namespace {

void append_line(const Row& row, const std::vector<std::size_t>& widths, std::string& out) {
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const std::string cell = printable(row[i]);
    out += "  " + cell + std::string(widths[i] - cell.size(), ' ');
  }
  out += '\n';
}

}  // namespace

std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return text;
}

std::string to_table(const Row& header, const std::vector<Row>& rows) {
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
