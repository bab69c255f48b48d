// A request, as a caller sends it: Beast's parser, who may do what, the routes.
#include <boost/asio/buffer.hpp>
#include <boost/json.hpp>
#include <utility>

#include "lib/admin/http_messages.part.h"
#include "lib/base/check.h"
#include "tests/fuzz/targets.h"

namespace failoverd::fuzz {
namespace {

// A daemon with nothing in it.
class NoSource : public admin::Source {
 public:
  admin::StatusView status() override { return {}; }
  admin::ListPage<admin::TabletRow> tablets(const std::string&, std::size_t) override { return {}; }
  void tables(const admin::TablesAsked&, std::function<void(ReadTables)> done) override {
    done([] { return admin::ListPage<admin::ReplicaRow>{}; });
  }
  std::string why_unreadable(const std::string&) override { return ""; }
  bool cluster_is_openmldb() override { return false; }
  std::optional<admin::TableBytes> table_info(const std::string&, const std::string&) override {
    return {};
  }
  std::optional<admin::ListPage<admin::WrittenPartition>> partitions(
      const admin::PartitionsAsked& asked) override {
    admin::ListPage<admin::WrittenPartition> page;
    page.rows.push_back({asked.name, asked.db, asked.pid.value_or(0), "0", "{}"});
    return page;
  }
  std::string nameserver() override { return ""; }
  admin::ListPage<admin::OpRow> ops(const admin::OpsAsked&) override { return {}; }
  std::vector<admin::ConfRow> conf() override { return {}; }
  admin::LoggedEvents events(std::uint64_t, std::size_t) override { return {}; }
  admin::Subscription subscribe(std::function<void(const admin::EventRow&)>) override { return {}; }
  admin::Readiness readiness() override {
    admin::Readiness ready;
    ready.ready = ready.active = true;
    return ready;
  }
  std::string metrics() override { return "nothing 1\n"; }
  void command(admin::CommandRequest, std::function<void(admin::CommandResult)> done) override {
    done({});
  }
};

void answer(const admin::Api& api, const admin::HttpRequest& request) {
  (void)api.is_quick(request);
  if (const auto refused = api.refuse(request)) {
    CHECK(refused->status >= 400);
    return;
  }
  const admin::Action action = api.route(request);
  if (const auto* shown = std::get_if<admin::ShowTables>(&action)) {
    CHECK(api.to_response(*shown, {}).status < 600);
  } else if (const auto* response = std::get_if<admin::HttpResponse>(&action)) {
    CHECK(response->status >= 200 && response->status < 600);
    for (const admin::Field& field : response->headers) {
      CHECK(field.value.find_first_of("\r\n") == std::string::npos);
    }
    if (response->status >= 400 && response->content_type == "application/json") {
      (void)boost::json::parse(response->body);  // Throws where it is none.
    }
  }
}

}  // namespace

void http(std::string_view input) {
  const admin::HttpOptions options;
  admin::Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(options.max_header));
  parser.body_limit(options.max_body);
  parser.eager(true);
  boost::system::error_code error;
  while (!input.empty() && !parser.is_done()) {
    const std::size_t taken = parser.put(boost::asio::buffer(input.data(), input.size()), error);
    if (error || taken == 0) break;
    input.remove_prefix(taken);
  }
  if (error && error != admin::http::error::need_more) {
    (void)admin::answer_to(error, options);
    return;
  }
  if (!parser.is_header_done()) return;
  NoSource source;
  for (const bool local : {true, false}) {
    const admin::HttpRequest request = admin::to_request(parser, {"127.0.0.1:5000", local});
    answer(admin::Api{source, {}}, request);
    answer(admin::Api{source, {"secret", {"db1"}}}, request);
  }
}

}  // namespace failoverd::fuzz
