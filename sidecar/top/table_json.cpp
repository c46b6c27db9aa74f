#include <cmath>

#include "sidecar/model/json.hpp"
#include "sidecar/model/time.hpp"
#include "sidecar/top/table.hpp"

namespace ddt::top {
namespace {

using model::JsonWriter;

constexpr std::int64_t kSchema = 1;

void thousandths(JsonWriter& json, const std::optional<double>& value) {
  if (!value || !std::isfinite(*value)) return void(json.null());
  json.decimal(static_cast<int128>(std::llround(std::min(*value, 1e15) * 1e3)), 3);
}

void count(JsonWriter& json, const std::optional<std::uint64_t>& value) {
  if (!value) return void(json.null());
  json.unsigned_integer(*value);
}

void text_or_null(JsonWriter& json, const std::string& text) {
  if (text.empty()) return void(json.null());
  json.string(text);
}

void dropped(JsonWriter& json, const std::array<std::uint64_t, kRecordClasses>& counts) {
  json.key("dropped").begin_object();
  json.key("samples").unsigned_integer(counts[0]);
  json.key("states").unsigned_integer(counts[1]);
  json.key("facts").unsigned_integer(counts[2]).end_object();
}

void write_sidecar(JsonWriter& json, const View& view) {
  json.key("sidecar").begin_object();
  json.key("asked").boolean(view.asks_sidecar);
  text_or_null(json.key("id"), view.sidecar.id);
  text_or_null(json.key("problem"), view.sidecar.problem);
  thousandths(json.key("silent_s"), view.sidecar_silent_s);
  text_or_null(json.key("durability"), view.sidecar.durability);
  thousandths(json.key("redis_lag_s"), view.sidecar.redis_lag_s);
  thousandths(json.key("mysql_lag_s"), view.sidecar.mysql_lag_s);
  json.end_object();
}

void write_totals(JsonWriter& json, const View& view) {
  json.key("totals").begin_object();
  json.key("segments").unsigned_integer(view.segments);
  json.key("segments_left_off").unsigned_integer(view.segments_left_off);
  json.key("alive").unsigned_integer(view.alive).key("gone").unsigned_integer(view.gone);
  json.key("unreadable").unsigned_integer(view.unreadable);
  json.key("quarantined").unsigned_integer(view.quarantined);
  json.key("lanes").unsigned_integer(view.lanes);
  thousandths(json.key("records_per_s"), view.records_per_s);
  dropped(json, view.dropped);
  json.key("refused").unsigned_integer(view.refused);
  json.key("held_lines").unsigned_integer(view.held_lines);
  json.end_object();
}

void write_lane(JsonWriter& json, const Row& row) {
  json.begin_object();
  json.key("lane").unsigned_integer(*row.lane);
  json.key("position").unsigned_integer(row.position);
  json.key("released").unsigned_integer(row.released);
  json.key("held_lines").unsigned_integer(row.held_lines);
  json.key("limits").begin_object();
  json.key("samples").unsigned_integer(limit_of(RecordClass::sample, row.line_count));
  json.key("states").unsigned_integer(limit_of(RecordClass::state, row.line_count));
  json.key("facts").unsigned_integer(limit_of(RecordClass::fact, row.line_count));
  json.end_object();
  count(json.key("produced"), row.produced);
  thousandths(json.key("records_per_s"), row.records_per_s);
  dropped(json, row.dropped);
  json.key("refused").unsigned_integer(row.refused);
  json.key("metadata_left_off").unsigned_integer(row.metadata_left_off);
  json.key("reentrant").unsigned_integer(row.reentrant);
  count(json.key("drained"), row.drained);
  count(json.key("acknowledged"), row.acknowledged);
  count(json.key("committed"), row.committed);
  count(json.key("drain_lag_lines"), row.drain_lag);
  count(json.key("journal_lag_lines"), row.journal_lag);
  count(json.key("commit_lag_lines"), row.commit_lag);
  text_or_null(json.key("quarantine_reason"), row.quarantine_reason);
  json.end_object();
}

std::string_view owner_state(Owner owner) {
  return owner == Owner::alive ? "alive" : owner == Owner::gone ? "gone" : "unknown";
}

// The rows of one Segment, from `first` on; returns the first of the next one.
std::size_t write_segment(JsonWriter& json, const std::vector<Row>& rows, std::size_t first) {
  const Row& row = rows[first];
  const bool is_known = row.line_count != 0;
  json.begin_object();
  json.key("name").string(row.segment);
  text_or_null(json.key("problem"), row.problem);
  json.key("owner");
  if (is_known) {
    json.begin_object().key("state").string(owner_state(row.owner));
    json.key("uid").unsigned_integer(row.owner_uid);
    text_or_null(json.key("user"), row.owner_user);
    json.key("pid").unsigned_integer(row.owner_pid).end_object();
    json.key("profile_id").integer(row.profile_id);
    json.key("script_name").string(row.script_name);
    json.key("lane_lines").unsigned_integer(row.line_count);
  } else {
    json.null().key("profile_id").null().key("script_name").null().key("lane_lines").null();
  }
  // Of a Segment that the sidecar does not read at all.
  text_or_null(json.key("quarantine_reason"), row.lane ? std::string() : row.quarantine_reason);
  json.key("lanes").begin_array();
  std::size_t next = first;
  for (; next < rows.size() && rows[next].segment == row.segment; ++next) {
    if (rows[next].lane) write_lane(json, rows[next]);
  }
  json.end_array().end_object();
  return next;
}

}  // namespace

std::string to_json(const View& view) {
  JsonWriter json;
  json.begin_object();
  json.key("schema").integer(kSchema);
  json.key("timestamp").string(model::rfc3339(view.wall_ns));
  json.key("directory").string(view.directory);
  write_sidecar(json, view);
  write_totals(json, view);
  json.key("segments").begin_array();
  for (std::size_t i = 0; i < view.rows.size();) i = write_segment(json, view.rows, i);
  json.end_array().end_object();
  return std::move(json).take();
}

}  // namespace ddt::top
