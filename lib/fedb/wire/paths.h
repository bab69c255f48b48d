// The znodes below a cluster's root (FEDB.md 1, and our own below failoverd/).
#pragma once

#include <string>

namespace failoverd::fedb {

struct Paths {
  std::string root;                    // "/rtidb_cluster"
  std::string own_name = "failoverd";  // Of what is ours; mode: shadow has another.

  std::string at(const std::string& relative) const { return root + "/" + relative; }
  std::string nodes() const { return at("nodes"); }
  std::string nameservers() const { return at("leader"); }
  // With use_name: where the servers write their addresses.
  std::string names() const { return at("map/names"); }
  // Tables outside a database, by name; and those with one, by tid.
  static constexpr const char* kTables = "table/table_data";
  static constexpr const char* kDbTables = "table/db_table_data";
  std::string term() const { return at("table/term"); }
  std::string notify() const { return at("table/notify"); }
  // OpenMLDB: who watches this reads INFORMATION_SCHEMA.GLOBAL_VARIABLES again when it changes.
  std::string global_variable() const { return at("notify/global_variable"); }

  // Ours.
  std::string own() const { return at(own_name); }
  std::string lock() const { return at(own_name + "/leader"); }
  std::string epoch() const { return at(own_name + "/epoch"); }
  std::string auto_failover() const { return at(own_name + "/auto_failover"); }
  std::string op_index() const { return at(own_name + "/op_index"); }
  std::string term_index() const { return at(own_name + "/term_index"); }
  std::string elections() const { return at(own_name + "/elections"); }
  std::string ops() const { return at(own_name + "/ops"); }
  std::string replicas() const { return at(own_name + "/replicas"); }
  std::string holds() const { return at(own_name + "/holds"); }
  std::string nameserver_switch() const { return at(own_name + "/nameserver_switch"); }
  std::string daemons() const { return at(own_name + "/daemons"); }
};

}  // namespace failoverd::fedb
