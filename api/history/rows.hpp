// api/history/rows.hpp — cells of MySQL rows as the model's types. NULL, and what does not fit, is the
// type's "not said".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/http/json.hpp"
#include "sql/client.hpp"

namespace ddt::api {

std::int64_t e8_of(const sql::Row& row, std::size_t column);       // kNullE8
std::int64_t time_ns_of(const sql::Row& row, std::size_t column);  // model::kNoTime
std::string text_of(const sql::Row& row, std::size_t column);      // ""

Json number_json(const sql::Row& row, std::size_t column);  // the column's digits, or null
// The same without trailing zeros: "3.00000000" is 3, as a count should be.
Json e8_json_of(const sql::Row& row, std::size_t column);
Json text_json(const sql::Row& row, std::size_t column);
Json time_json(const sql::Row& row, std::size_t column);      // RFC 3339
Json metadata_json(const sql::Row& row, std::size_t column);  // an object, empty for NULL

// A time as a parameter; rounded up to the microsecond, so that half-open ranges over DATETIME(6), which
// holds floors, stay half-open.
sql::Value time_value(std::int64_t time_ns);

// Ids asked for at once in an IN list; one size only, padded by repeating, so that one prepared statement serves all.
// Such a query names its index: the optimizer would guess how many rows each id has, and where most rows have no
// parent_order_id guess so many that it scans all of a profile's.
inline constexpr std::size_t kIdsPerQuery = 128;

}  // namespace ddt::api
