#include "tests/minitablet/generation.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <memory>

#include "lib/base/check.h"
#include "proto/openmldb.pb.h"
#include "proto/tablet.pb.h"

namespace failoverd::minitablet {

namespace pb = google::protobuf;
using std::chrono::milliseconds;

namespace {

// What the text has too much is not logged.
class Quiet : public pb::io::ErrorCollector {
 public:
  void AddError(int, pb::io::ColumnNumber, const std::string&) override {}
};

// Text has names where bytes have numbers.
void copy_by_name(const pb::Message& from, pb::Message& to) {
  pb::TextFormat::Printer printer;
  printer.SetHideUnknownFields(true);
  std::string text;
  CHECK(printer.PrintToString(from, &text));
  Quiet quiet;
  pb::TextFormat::Parser parser;
  parser.RecordErrorsTo(&quiet);
  parser.AllowUnknownField(true);
  parser.AllowPartialMessage(true);
  CHECK(parser.ParseFromString(text, &to));
}

// An empty message with the generation's numbers; null if `message` is what it has on the wire.
std::unique_ptr<pb::Message> numbered_otherwise(const pb::Message& message,
                                                const Generation& generation) {
  const pb::Descriptor* own = message.GetDescriptor();
  const pb::Descriptor* type = generation.messages()->FindMessageTypeByName(own->name());
  if (!type || type == own) return nullptr;
  return std::unique_ptr<pb::Message>{
      pb::MessageFactory::generated_factory()->GetPrototype(type)->New()};
}

}  // namespace

const Generation& rtidb() {
  static const Generation generation{
      .name = "rtidb",
      .golden = "rtidb-1.4.1",
      .messages = [] { return fedb::TableMeta::descriptor()->file(); },
      .service = "rtidb.api.TabletServer",
      .no_table = "table is not exist",
      .column_desc = {},
      .column_key = {},
      .columns_of_table_info = "",
      .more_znodes = {},
      .status_tells_ttl = true,
      .term_pair_without_table = "ok",
      .no_follower = 0,
      .no_follower_words = "ok",
      .has_real_endpoint_map = false,
      .tells_offset_always = false,
      .task_ids_count = false,
      .takes_gaps = false,
      .appends_after_check = false,
      .changes_role_when_normal_only = true,
      .loads_without_directory = false,
      .needs_columns = false,
      .has_tables_on_disk = false,
      .sends_to_remote_tid = false,
      .request_timeout = milliseconds{12000},
      .retry_send_file_wait = milliseconds{3000},
  };
  return generation;
}

const Generation& openmldb() {
  using namespace std::string_literals;
  static const Generation generation{
      .name = "openmldb",
      .golden = "openmldb-0.9.3",
      .messages = [] { return openmldb::TableMeta::descriptor()->file(); },
      .service = "openmldb.api.TabletServer",
      .no_table = "table does not exist",
      // k string, v bigint, and an index of k: as in the captured znode of `flow`.
      .column_desc = {"\n\x01k\x10\x0e"s, "\n\x01v\x10\x04"s},
      .column_key = {"\n\x01k\x12\x01k*\x04\x08\x01\x10\x00"s},
      .columns_of_table_info =
          "J\x05\n\x01k\x10\x0eJ\x05\n\x01v\x10\x04R\x0c\n\x01k\x12\x01k*\x04\x08\x01\x10\x00"s,
      .more_znodes = {{"data/function", ""},
                      {"db", ""},
                      {"notify/global_variable", "1"},
                      {"table/db_table_data", ""}},
      .status_tells_ttl = false,
      .term_pair_without_table = "table does not exist",
      .no_follower = 134,
      .no_follower_words = "has no follower",
      .has_real_endpoint_map = true,
      .tells_offset_always = true,
      .task_ids_count = true,
      .takes_gaps = true,
      .appends_after_check = true,
      .changes_role_when_normal_only = false,
      .loads_without_directory = true,
      .needs_columns = true,
      .has_tables_on_disk = true,
      .sends_to_remote_tid = true,
      .request_timeout = milliseconds{20000},
      .retry_send_file_wait = milliseconds{4000},
  };
  return generation;
}

const Generation& openmldb_0_8_4() {
  static const Generation generation = [] {
    Generation of = openmldb();
    of.name = "openmldb-0.8.4";
    of.needs_columns = false;
    return of;
  }();
  return generation;
}

const Generation* generation_named(std::string_view name) {
  for (const Generation* generation : {&rtidb(), &openmldb(), &openmldb_0_8_4()}) {
    if (name == generation->name) return generation;
  }
  return nullptr;
}

std::string serialize(const pb::Message& message, const Generation& generation) {
  const auto on_the_wire = numbered_otherwise(message, generation);
  if (!on_the_wire) return message.SerializeAsString();
  copy_by_name(message, *on_the_wire);
  return on_the_wire->SerializeAsString();
}

bool parse_partial(const std::string& bytes, const Generation& generation, pb::Message& message) {
  const auto on_the_wire = numbered_otherwise(message, generation);
  if (!on_the_wire) return message.ParsePartialFromString(bytes);
  message.Clear();
  if (!on_the_wire->ParsePartialFromString(bytes)) return false;
  copy_by_name(*on_the_wire, message);
  return true;
}

}  // namespace failoverd::minitablet
