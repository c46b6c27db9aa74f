#include "api/history/rows.hpp"

#include "sidecar/model/event.hpp"
#include "sidecar/model/json.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {

std::int64_t e8_of(const sql::Row& row, std::size_t column) {
  if (row.is_null(column)) return kNullE8;
  return e8_from_string(row.text(column)).value_or(kNullE8);
}

std::int64_t time_ns_of(const sql::Row& row, std::size_t column) {
  if (row.is_null(column)) return model::kNoTime;
  return model::parse_mysql_datetime(row.text(column)).value_or(model::kNoTime);
}

std::string text_of(const sql::Row& row, std::size_t column) {
  return row.is_null(column) ? std::string() : std::string(row.text(column));
}

Json number_json(const sql::Row& row, std::size_t column) {
  return row.is_null(column) ? Json() : Json::raw(row.text(column));
}

Json e8_json_of(const sql::Row& row, std::size_t column) {
  const std::int64_t value_e8 = e8_of(row, column);
  return ddt::is_null(value_e8) ? number_json(row, column) : Json::decimal(value_e8, 8);
}

Json text_json(const sql::Row& row, std::size_t column) {
  return row.is_null(column) ? Json() : Json(row.text(column));
}

Json time_json(const sql::Row& row, std::size_t column) {
  const std::int64_t time_ns = time_ns_of(row, column);
  return time_ns == model::kNoTime ? Json() : Json(model::rfc3339(time_ns));
}

Json metadata_json(const sql::Row& row, std::size_t column) {
  if (row.is_null(column) || !model::is_json_object(row.text(column))) return Json::object();
  return Json::raw(row.text(column));
}

sql::Value time_value(std::int64_t time_ns) {
  return model::mysql_datetime(time_ns + (model::kNsPerUs - 1));
}

}  // namespace ddt::api
