// Prints rows the way operators and their scripts know it: two blanks before every column, each as
// wide as its widest cell, the last one too, and a line of dashes below the header.
#pragma once

#include <string>
#include <vector>

namespace failoverd::ctl {

using Row = std::vector<std::string>;

// Every row has as many cells as the header. Control characters are shown as '?', so that no name
// can move the cursor of a terminal.
std::string to_table(const Row& header, const std::vector<Row>& rows);

// The text without control characters.
std::string printable(std::string text);

}  // namespace failoverd::ctl
