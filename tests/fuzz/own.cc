// What failoverd itself keeps and reads: its znodes, its configuration, small texts.
#include "lib/admin/access.h"
#include "lib/admin/active_daemon.h"
#include "lib/admin/cursor.h"
#include "lib/base/check.h"
#include "lib/base/percent_encoding.h"
#include "lib/base/utf8.h"
#include "lib/config/config.h"
#include "lib/fedb/wire/record_codec.h"
#include "lib/rpc/endpoint.h"
#include "tests/fuzz/targets.h"

namespace failoverd::fuzz {
namespace {

constexpr fedb::Clocks kClocks{Instant{std::chrono::hours{24}}, 1'700'000'000'000};

// What was read once and written comes back as it is.
template <class Read, class Write>
void comes_back(const std::string& bytes, Read read, Write write) {
  const auto first = read(bytes);
  if (!first) {
    CHECK(!first.error().text.empty());
    return;
  }
  const auto second = read(write(*first, bytes));
  CHECK(second);
  const auto third = read(write(*second, std::string{}));
  CHECK(third);
  CHECK(*second == *third);
}

}  // namespace

void records(std::string_view input) {
  const std::string bytes{input};
  comes_back(
      bytes, [](const std::string& b) { return fedb::record_from("7", b); },
      [](const core::ElectionRecord& r, const std::string& before) {
        return fedb::to_bytes(r, before);
      });
  comes_back(
      bytes, [](const std::string& b) { return fedb::begun_op_from(b, kClocks); },
      [](const core::BegunOp& op, const std::string& before) {
        return fedb::to_bytes(op, kClocks, before);
      });
  comes_back(
      bytes, [](const std::string& b) { return fedb::finished_ops_from(b, kClocks); },
      [](const core::FinishedOps& ops, const std::string& before) {
        return fedb::to_bytes(ops, kClocks, before);
      });
  comes_back(
      bytes, [](const std::string& b) { return fedb::operator_hold_from("7", b, kClocks); },
      [](const core::OperatorHold& hold, const std::string& before) {
        return fedb::to_bytes(hold, kClocks, before);
      });
  comes_back(
      bytes, [](const std::string& b) { return fedb::kept_table_from(b); },
      [](const fedb::TableLineages& kept, const std::string& before) {
        return fedb::to_bytes(kept, before);
      });
}

void configuration(std::string_view input) {
  const auto parsed = config::parse(input, "failoverd.yaml");
  if (parsed) return;
  CHECK(parsed.error().text.starts_with("failoverd.yaml"));
  CHECK(parsed.error().text.find('\n') == std::string::npos);
}

void texts(std::string_view input) {
  const std::string text{input};
  const std::string spelling = rpc::one_spelling(text);
  CHECK(rpc::one_spelling(spelling) == spelling);
  if (rpc::may_be_connected_to(text)) CHECK(rpc::may_be_connected_to(spelling));
  CHECK(is_utf8(valid_utf8(text)));
  CHECK(is_utf8(shortened(valid_utf8(text), 20)));
  CHECK(shortened(text, 20).size() <= 20 + 60);  // It says how long it was.
  CHECK(is_utf8(shown_safely(text, '?')));
  CHECK(percent_decoded(percent_encoded(text), false) == text);
  (void)percent_decoded(text, true);
  (void)admin::host_of(text);
  (void)admin::holder_from(text, "me:1");
  if (const auto key = admin::replica_key(text)) {
    const auto again = admin::replica_key(admin::to_cursor(*key));
    CHECK(again && !(*again < *key) && !(*key < *again));
  }
}

}  // namespace failoverd::fuzz
