#include "tests/minitablet/snapshot.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <boost/algorithm/hex.hpp>
#include <iterator>

namespace failoverd::minitablet {

namespace fs = std::filesystem;
using google::protobuf::TextFormat;

namespace {

// What does not parse is answered, not logged.
class Quiet : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, google::protobuf::io::ColumnNumber, const std::string&) override {}
};

}  // namespace

fs::path partition_path(const fs::path& root, std::uint32_t tid, std::uint32_t pid) {
  return root / (std::to_string(tid) + "_" + std::to_string(pid));
}

fs::path sent_file_path(const fs::path& partition, const std::string& file_name) {
  return file_name == kTableMetaFile ? partition / file_name : partition / "snapshot" / file_name;
}

Result<std::optional<fedb::Manifest>> read_manifest(const fs::path& partition) {
  const fs::path path = sent_file_path(partition, kManifestFile);
  std::string text;
  if (!read_file(path, text)) return std::optional<fedb::Manifest>{};
  fedb::Manifest manifest;
  Quiet quiet;
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&quiet);
  if (!parser.ParseFromString(text, &manifest)) {
    return Failure{path.string() + ": does not parse"};
  }
  return std::optional<fedb::Manifest>{manifest};
}

bool write_manifest(const Disk& disk, const fs::path& partition, const fedb::Manifest& manifest) {
  std::string text;
  TextFormat::PrintToString(manifest, &text);
  return disk.write_file(sent_file_path(partition, kManifestFile), text);
}

bool write_table_meta(const Disk& disk, const fs::path& partition, const TableMeta& meta) {
  std::string text;
  boost::algorithm::hex(meta.SerializeAsString(), std::back_inserter(text));
  std::string readable;
  TextFormat::PrintToString(meta, &readable);
  return disk.write_file(partition / kTableMetaFile, text + "\n" + readable);
}

Result<std::optional<TableMeta>> read_table_meta(const fs::path& partition) {
  const fs::path path = partition / kTableMetaFile;
  std::string text;
  if (!read_file(path, text)) return std::optional<TableMeta>{};
  std::string bytes;
  TableMeta meta;
  try {
    boost::algorithm::unhex(text.substr(0, text.find('\n')), std::back_inserter(bytes));
  } catch (const boost::algorithm::hex_decode_error&) {
    return Failure{path.string() + ": does not begin with hexadecimal digits"};
  }
  if (!meta.ParseFromString(bytes)) return Failure{path.string() + ": does not parse"};
  return std::optional<TableMeta>{meta};
}

}  // namespace failoverd::minitablet
