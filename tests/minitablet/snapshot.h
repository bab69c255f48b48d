// The files of a partition that are not its binlog: table_meta.txt, and below snapshot/ the
// MANIFEST and the file it names. Knows where they lie and how they read, and nothing of roles or
// states.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "lib/base/result.h"
#include "proto/tablet.pb.h"
#include "tests/minitablet/disk.h"
#include "tests/minitablet/table_meta.pb.h"

namespace failoverd::minitablet {

inline constexpr const char* kTableMetaFile = "table_meta.txt";
inline constexpr const char* kManifestFile = "MANIFEST";

// <root>/<tid>_<pid>.
std::filesystem::path partition_path(const std::filesystem::path& root, std::uint32_t tid,
                                     std::uint32_t pid);
// Where a sent file belongs: table_meta.txt in the partition's directory, all others in snapshot/.
std::filesystem::path sent_file_path(const std::filesystem::path& partition,
                                     const std::string& file_name);

// Nothing if there is no MANIFEST; a Failure if it does not parse.
Result<std::optional<fedb::Manifest>> read_manifest(const std::filesystem::path& partition);
bool write_manifest(const Disk& disk, const std::filesystem::path& partition,
                    const fedb::Manifest& manifest);

// The bytes in hexadecimal (every field survives), and the fields for people behind it.
bool write_table_meta(const Disk& disk, const std::filesystem::path& partition,
                      const TableMeta& meta);
// A Failure if it is there and does not parse; nothing if it is not there.
Result<std::optional<TableMeta>> read_table_meta(const std::filesystem::path& partition);

}  // namespace failoverd::minitablet
