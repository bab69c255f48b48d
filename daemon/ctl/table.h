// Prints rows the way operators and their scripts know it: two blanks before every column, each as
// wide as its widest cell, the last one too, and a line of dashes below the header.
#pragma once

#include <string>
#include <vector>

namespace failoverd::ctl {

using Row = std::vector<std::string>;

// Every row has as many cells as the header, and each cell is printable().
std::string to_table(const Row& header, std::vector<Row> rows);

// What a terminal would obey, control characters and those that turn the direction of letters, is
// shown as '?': no name may move a cursor or look like another one.
std::string printable(const std::string& text);

}  // namespace failoverd::ctl
