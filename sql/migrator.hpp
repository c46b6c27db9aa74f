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

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shm/base/result.hpp"
#include "sql/client.hpp"

namespace ddt::sql {

// Runs all migrations of this binary that are not applied yet. `connection` must be in no
// transaction; the work is done on a connection of its own with the same options but a timeout fit
// for large tables.
Status migrate(Connection& connection);

// The highest completely applied migration, 0 when there is none.
Result<std::uint32_t> schema_version(Connection& connection);

// The highest migration that this binary brings along.
std::uint32_t newest_schema_version();

}  // namespace ddt::sql
