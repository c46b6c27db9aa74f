// sql/migration.hpp — what a migration file says. Pure: text in, steps out; migrator.hpp runs them.
//
// A file sql/migrations/NNNN_name.sql is a list of steps. A step is one DDL statement and the conditions
// under which it has been done already (all of them hold):
//
//   -- binary: 0.1.0                     the oldest binary that can work with the schema after this file
//
//   -- step: symbols of options have 21 characters
//   -- unless: column dd_trade_performance.symbol is varchar(32) utf8mb4_bin not null
//   ALTER TABLE dd_trade_performance MODIFY symbol VARCHAR(32) … NOT NULL;
//
// Conditions: `table T exists`, `column T.c exists`, `column T.c is <type> [<collation>] null|not null`,
// `column T.c updates itself`, `index T.i exists`. They must hold after the step, too: this is checked.
// Other comment lines are free text. Merged files are never edited: their checksum is recorded.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shm/base/result.hpp"

namespace ddt::sql {

struct MigrationText {
  std::string_view name;  // "0001_original_tables"
  std::string_view text;
};

enum class ConditionKind : std::uint8_t {
  table_exists,
  column_exists,
  column_is,
  column_updates_itself,
  index_exists
};

struct Condition {
  ConditionKind kind = ConditionKind::table_exists;
  std::string table;
  std::string part;      // column or index, empty for a table
  std::string expected;  // of column_is: "varchar(32) utf8mb4_bin not null"
};

struct Step {
  std::string what;
  std::vector<Condition> done_when;  // never empty
  std::string statement;             // without the semicolon
};

struct Migration {
  std::uint32_t version = 0;
  std::string name;        // "0001_original_tables"
  std::string checksum;    // SHA-256 of the file, hexadecimal
  std::string min_binary;  // "0.1.0"
  std::vector<Step> steps;
};

Result<Migration> parse_migration(std::string_view name, std::string_view text);

// "0.10.0" is newer than "0.9.3"; what is no such version counts as newer than everything.
bool is_newer_version(std::string_view left, std::string_view right) noexcept;

// How information_schema's column_type is written in conditions: no display widths, which MySQL 8 leaves
// off and MariaDB shows: "int(10) unsigned" is "int unsigned".
std::string plain_type(std::string_view column_type);

// Compiled in from sql/migrations/, in the order of their names; the binary's own version.
std::span<const MigrationText> embedded_migrations() noexcept;
std::string_view binary_version() noexcept;

}  // namespace ddt::sql
