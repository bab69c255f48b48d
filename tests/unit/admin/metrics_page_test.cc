// docs/metrics.md names every metric that is scraped, with its type and labels, and no other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "lib/admin/metrics.h"

namespace failoverd::admin {
namespace {

struct Described {
  std::string type;
  std::set<std::string> labels;
  bool operator==(const Described&) const = default;
};

void PrintTo(const Described& d, std::ostream* out) {
  *out << d.type;
  for (const std::string& label : d.labels) *out << " " << label;
}

using Metric = std::map<std::string, Described>;

// The names of NAME{a="x",b="y"} VALUE, without a histogram's own.
std::set<std::string> labels_of(const std::string& sample) {
  std::set<std::string> labels;
  const auto end = sample.rfind('}');
  for (auto at = sample.find('{'); at != std::string::npos && at < end;) {
    const auto equals = sample.find("=\"", at);
    if (equals == std::string::npos || equals > end) break;
    labels.insert(sample.substr(at + 1, equals - at - 1));
    at = sample.find('"', equals + 2) + 1;  // No value in this test has a quote.
  }
  labels.erase("le");
  return labels;
}

Metric scraped() {
  OpRow op;
  op.op_id = 1'000'000'001;
  op.op_type = "kReAddReplicaOP";
  op.name = "flow";
  op.status = "kDoing";
  op.progress = 0.5;
  MetricsInput now;
  now.auto_failover_enabled = true;
  now.running = {op};
  now.stands_back = {"nameserver"};
  Metrics metrics{"1", {"kChangeLeaderOP"}};
  std::istringstream page{metrics.text(now)};
  Metric all;
  std::string name;
  for (std::string line; std::getline(page, line);) {
    std::istringstream words{line};
    std::string hash;
    std::string kind;
    std::string type;
    if (line.starts_with("# TYPE ") && words >> hash >> kind >> name >> type)
      all[name] = {type, {}};
    if (!line.starts_with('#')) all[name].labels.merge(labels_of(line));
  }
  return all;
}

// Rows "| `name` | type | `label`, `label` | ...".
Metric documented() {
  std::ifstream page{std::string{FAILOVERD_SOURCE_DIR} + "/docs/metrics.md"};
  Metric all;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| `")) continue;
    std::istringstream cells{line.substr(2)};
    std::string name;
    std::string type;
    std::string labels;
    std::getline(cells, name, '|');
    std::getline(cells, type, '|');
    std::getline(cells, labels, '|');
    Described& metric = all[name.substr(1, name.rfind('`') - 1)];
    metric.type = type.substr(1, type.size() - 2);
    for (auto at = labels.find('`'); at != std::string::npos; at = labels.find('`', at)) {
      const auto end = labels.find('`', at + 1);
      metric.labels.insert(labels.substr(at + 1, end - at - 1));
      at = end + 1;
    }
  }
  return all;
}

TEST(MetricsPage, DescribesWhatIsScraped) {
  const Metric wanted = scraped();
  const Metric found = documented();
  EXPECT_GT(wanted.size(), 20U);
  for (const auto& [name, metric] : wanted) {
    ASSERT_TRUE(found.contains(name)) << "docs/metrics.md has no row for " << name;
    EXPECT_EQ(found.at(name), metric) << name;
  }
  for (const auto& [name, metric] : found) {
    EXPECT_TRUE(wanted.contains(name)) << "docs/metrics.md describes what is not there: " << name;
  }
}

}  // namespace
}  // namespace failoverd::admin
