// sql/migrator.hpp — brings a database forward to this binary's schema, from whatever is there.
//
// Start     An empty database, the original design's tables, or those the Python service made and
// filled;
//           beside other tables. Rows are kept; a value only ever changes by exact widening.
// Crash     DDL commits by itself, so every migration is a list of steps, one DDL each, and every
// step is
//           checked in information_schema before it runs: killed anywhere, the next start goes on.
// Races     GET_LOCK: of several migrators one works, the others wait and then find nothing to do.
// Errors    Retryable: the database is away or another migrator is still at it. Not retryable: an
// applied
//           migration's text has changed, or the schema needs a newer binary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "shm/base/result.hpp"
#include "sql/client.hpp"
#include "sql/migration.hpp"

namespace ddt::sql {

// Runs all migrations of this binary that are not applied yet. `connection` must be in no transaction; the
// work is done on a connection of its own with the same options but a timeout fit for large tables.
Status migrate(Connection& connection);

// The highest completely applied migration, 0 when there is none.
Result<std::uint32_t> schema_version(Connection& connection);

// The highest migration that this binary brings along.
std::uint32_t newest_schema_version();

// What migrate() is made of, with the migrations and the binary's version given. Stops with a retryable
// error before the step after `steps_max`, as if it had been killed there.
Result<std::vector<Migration>> parse_migrations(std::span<const MigrationText> texts);
Status apply_migrations(Connection& connection, std::span<const Migration> migrations,
                        std::string_view binary,
                        std::size_t steps_max = std::numeric_limits<std::size_t>::max());

}  // namespace ddt::sql
