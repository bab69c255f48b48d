// The nameserver's protocol (FEDB.md 3.3) as plain values: what a call asks for, and what its
// answer looks like as bytes. Every answer has a code and its words; where they stand, and whether
// lists come before or behind them, is the method's. Pure: no sockets, no Source; protobuf stays in
// the .cc file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "lib/admin/status_types.h"

namespace failoverd::admin {

// How the caller's package says things.
struct NameserverDialect {
  bool openmldb_numbers = false;  // Of TableInfo; else the numbers of RTIDB and FEDB up to 2.2.
  // OpenMLDB's: states are kHealthy and kOffline, else kTabletHealthy and kTabletOffline; an op has
  // all its fields, also those that say nothing.
  bool is_openmldb = false;
};

// By the service's name as it was sent; nothing: it is no nameserver's. Where the name does not
// tell the numbers, and it does not for package fedb, the cluster's own are taken.
std::optional<NameserverDialect> dialect_of(std::string_view service, bool cluster_is_openmldb);

namespace nameserver_calls {

struct ShowTablets {
  std::string after;  // Those behind this endpoint.
};
struct ShowTables {
  TableFilter filter;
};
struct ShowOps {
  OpsAsked asked;
  std::optional<std::uint64_t> op_id;  // Only this one.
};
struct ShowConf {};
struct ShowPartition {
  std::string name;
  std::string db;
  std::uint32_t pid = 0;
};
// A method that is the nameserver's own.
struct NotServed {};

}  // namespace nameserver_calls

// What changes something is a command, under the names and keys that HTTP has, too.
using NameserverCall =
    std::variant<nameserver_calls::ShowTablets, nameserver_calls::ShowTables,
                 nameserver_calls::ShowOps, nameserver_calls::ShowConf,
                 nameserver_calls::ShowPartition, nameserver_calls::NotServed, CommandRequest>;

// Nothing: the payload is not this method's request.
std::optional<NameserverCall> parse_nameserver_call(const std::string& method,
                                                    const std::string& payload);
// Without looking at its payload: who calls it wants something changed.
bool nameserver_call_changes(const std::string& method);
// The original refuses it while auto_failover is on (301), before it looks at the arguments.
bool nameserver_call_is_manual(const std::string& method);
// Its answer is a list, which may be long.
bool nameserver_call_lists(const std::string& method);

// A whole answer without anything listed.
std::string nameserver_answer(const std::string& method, int code, std::string_view msg);
// A whole answer: ok, and the pieces that the functions below made for this method.
std::string nameserver_list(const std::string& method, const std::string& pieces);

std::string nameserver_piece(const TabletRow& row, const NameserverDialect& dialect);
std::string nameserver_piece(const OpRow& row, const NameserverDialect& dialect);
std::string nameserver_piece(const ConfRow& row);
// A table as its znode has it, with what its tablets told of its rows. Empty: it does not parse.
std::string nameserver_piece(const TableBytes& table, std::span<const ReplicaRow> rows,
                             const NameserverDialect& dialect);
// The partition as the znode has it; empty: there is none of this pid.
std::string nameserver_partition(const TableBytes& table, std::uint32_t pid);

}  // namespace failoverd::admin
