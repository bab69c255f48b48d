// A partition as people edit it: what gettablepartition writes, and settablepartition reads.
#pragma once

#include <string>

#include "daemon/ctl/options.h"
#include "daemon/ctl/servers.h"
#include "lib/base/result.h"

namespace failoverd::ctl {

// gettablepartition: into the file that is named, or to standard output. Returns the exit status.
int get_table_partition(Servers& servers, const Options& options);

// The arguments of settablepartition as a JSON object, out of such a file. The Failure is one line
// that names the file and what is wrong with it.
Result<std::string> read_partition_file(const std::string& file);

// One such object as text with line breaks. The Failure: it is none.
Result<std::string> partition_text(const std::string& json);

}  // namespace failoverd::ctl
