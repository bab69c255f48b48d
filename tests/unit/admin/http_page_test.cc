// docs/http.md has a row for every route, and for no other. That a daemon answers what stands there
// is shown in tests/e2e/http_page_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>

#include "lib/admin/api.h"

namespace failoverd::admin {
namespace {

constexpr std::string_view kCommand = "POST /api/v1/commands/";

// Of rows "| `GET /a`, `GET /a/NAME` | ... |"; whatever command it is, it stands for NAME.
std::set<std::string> documented() {
  std::ifstream page{std::string{FAILOVERD_SOURCE_DIR} + "/docs/http.md"};
  std::set<std::string> all;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| `GET ") && !line.starts_with("| `POST ")) continue;
    const std::string cell = line.substr(0, line.find('|', 1));
    for (auto at = cell.find('`'); at != std::string::npos; at = cell.find('`', at)) {
      const auto end = cell.find('`', at + 1);
      std::string route = cell.substr(at + 1, end - at - 1);
      if (route.starts_with(kCommand)) route = std::string{kCommand} + "NAME";
      all.insert(std::move(route));
      at = end + 1;
    }
  }
  return all;
}

TEST(HttpPage, DescribesTheRoutes) {
  const auto routes = Api::routes();
  EXPECT_GT(routes.size(), 10U);
  EXPECT_THAT(documented(), testing::UnorderedElementsAreArray(routes));
}

}  // namespace
}  // namespace failoverd::admin
