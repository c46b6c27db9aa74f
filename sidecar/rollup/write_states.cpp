#include "sidecar/rollup/write_states.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "sidecar/model/codec.hpp"
#include "sidecar/model/json.hpp"
#include "sidecar/model/time.hpp"
#include "sidecar/model/window.hpp"
#include "sidecar/rollup/rows.hpp"

namespace ddt::sidecar {
namespace {

template <typename State>
std::string bytes_of(const State& state) {
  std::string bytes;
  model::ByteWriter writer(bytes);
  state.encode(writer);
  return bytes;
}

// What a row holds, or an empty state where there is none yet. Bytes that are no state are our own bug or a
// damaged row: an error that is never retried, so that the Block is set aside rather than merged into nothing.
template <typename State>
Result<State> state_of(const sql::Row& row, std::size_t column, const char* what) {
  if (row.is_null(column)) return State{};
  model::ByteReader reader(row.text(column));
  auto state = State::decode(reader);
  if (!state || !reader.ok())
    return Error{.message = std::string("mysql: undecodable state of ") + what};
  return *std::move(state);
}

// Makes a row where there is none, and locks it.
constexpr std::string_view kKeptTail = " ON DUPLICATE KEY UPDATE profile_id = VALUES(profile_id)";

// ── equity minutes ───────────────────────────────────────────────────────────────────────────────────

using EquityKey = std::pair<std::int32_t, std::int64_t>;
using EquityMap = std::map<EquityKey, model::EquityMinuteOf>;

EquityMap merged_minutes(std::span<const model::Block> blocks) {
  EquityMap minutes;
  for (const model::Block& block : blocks) {
    for (const model::EquityMinuteOf& minute : block.equity_minutes) {
      const auto [slot, is_new] = minutes.try_emplace({minute.profile_id, minute.minute}, minute);
      if (!is_new) slot->second.equity = model::merge(slot->second.equity, minute.equity);
    }
  }
  return minutes;
}

constexpr std::string_view kEquityHead =
    "INSERT INTO dd_equity_minute (profile_id, minute, open, high, low, close, open_time, "
    "high_time, low_time, close_time, "
    "mdd, mdd_pct, unrealized_pnl, realized_pnl, margin_used, margin_available, "
    "open_positions_count, cash_flow, readings, "
    "margin_pct_sum, margin_pct_max, margin_readings, metadata, script_name, state) VALUES ";
constexpr std::string_view kEquityTail =
    " ON DUPLICATE KEY UPDATE open = VALUES(open), high = VALUES(high), low = VALUES(low), close = "
    "VALUES(close), "
    "open_time = VALUES(open_time), high_time = VALUES(high_time), low_time = VALUES(low_time), "
    "close_time = VALUES(close_time), mdd = VALUES(mdd), mdd_pct = VALUES(mdd_pct), "
    "unrealized_pnl = VALUES(unrealized_pnl), realized_pnl = VALUES(realized_pnl), margin_used = "
    "VALUES(margin_used), "
    "margin_available = VALUES(margin_available), open_positions_count = "
    "VALUES(open_positions_count), "
    "cash_flow = VALUES(cash_flow), readings = VALUES(readings), margin_pct_sum = "
    "VALUES(margin_pct_sum), "
    "margin_pct_max = VALUES(margin_pct_max), margin_readings = VALUES(margin_readings), metadata "
    "= VALUES(metadata), "
    "script_name = VALUES(script_name), state = VALUES(state), revision = revision + 1";

sql::Value minute_value(std::int64_t minute) {
  return value_of_time(model::minute_start_ns(minute));
}

void push_minute(RowSet& rows, const model::EquityMinuteOf& of) {
  const model::EquityMinute& m = of.equity;
  const auto wide = [](int128 value) { return sql::Value{decimal_string(value, 8)}; };
  push(rows.values, value_of_id(of.profile_id), minute_value(of.minute), value_of_e8(m.open_e8),
       value_of_e8(m.high_e8), value_of_e8(m.low_e8), value_of_e8(m.close_e8),
       value_of_time(m.open_time_ns), value_of_time(m.high_time_ns), value_of_time(m.low_time_ns),
       value_of_time(m.close_time_ns), value_of_e8(m.mdd_e8), value_of_e8(m.mdd_pct_e8),
       value_of_e8(m.unrealized_pnl_e8), value_of_e8(m.realized_pnl_e8),
       value_of_e8(m.margin_used_e8), value_of_e8(m.margin_available_e8),
       m.open_positions_count < 0 ? sql::Value{sql::Null{}} : value_of_id(m.open_positions_count),
       m.has_cash_flow ? wide(m.cash_flow_e8) : sql::Value{sql::Null{}}, value_of_count(m.readings),
       wide(m.margin_pct_sum_e8), value_of_e8(m.margin_pct_max_e8),
       value_of_count(m.margin_readings), value_of_text(m.metadata), value_of_text(of.script_name),
       bytes_of(m));
}

// Merges what the rows of `unmet` hold, which are locked from then on; those that are not there stay in it.
Status merge_stored_minutes(sql::Connection& mysql, EquityMap& minutes,
                            std::set<EquityKey>& unmet) {
  RowSet keys{.columns = 2, .values = {}};
  for (const auto& [profile_id, minute] : unmet)
    push(keys.values, value_of_id(profile_id), minute_value(minute));
  const auto rows = select_rows(
      mysql, "SELECT profile_id, minute, state FROM dd_equity_minute WHERE (profile_id, minute) IN",
      keys, "FOR UPDATE");
  if (!rows) return rows.error();
  for (const sql::Row& row : *rows) {
    const auto start = model::parse_mysql_datetime(row.text(1));
    if (!start) return Error{.message = "mysql: unreadable minute"};
    const auto found =
        minutes.find({static_cast<std::int32_t>(row.integer(0)), model::unix_minute(*start)});
    if (found == minutes.end()) continue;
    auto stored = state_of<model::EquityMinute>(row, 2, "an equity minute");
    if (!stored) return stored.error();
    found->second.equity = model::merge(*stored, found->second.equity);
    unmet.erase(found->first);
  }
  return Done{};
}

// ── samples ──────────────────────────────────────────────────────────────────────────────────────────

// (profile, script, name, hour): the key of a Summary's row, in the table's key order. The row's name begins with
// what it is of; the key's, which refers to the Blocks, does not.
using SampleKey = std::tuple<std::int32_t, std::string_view, std::string_view, std::int64_t>;

constexpr std::size_t kStateNameBytesMax = 100;
constexpr std::string_view kLatencyPrefix = "latency:";
constexpr std::string_view kMetricPrefix = "metric:";

std::string_view name_of_state(std::string_view prefix, std::string_view name) {
  return name.substr(0, kStateNameBytesMax - prefix.size());
}

template <typename Summary>
using SampleMap = std::map<SampleKey, Summary>;

constexpr std::string_view kStateHead =
    "INSERT INTO dd_window_state (profile_id, metric_type, script_name, name, window_type, "
    "window_start, window_end, state) "
    "VALUES ";

sql::Value hour_value(std::int64_t hour) { return value_of_time(model::hour_start_ns(hour)); }

void push_state(RowSet& rows, std::string_view prefix, const SampleKey& key, sql::Value state) {
  const auto& [profile_id, script_name, name, hour] = key;
  push(rows.values, value_of_id(profile_id), std::string("system"), std::string(script_name),
       std::string(prefix).append(name), std::string("hour"), hour_value(hour),
       hour_value(hour + 1), std::move(state));
}

// Merges what the rows of `unmet` hold, which are locked from then on; those that are not there stay in it.
template <typename Summary>
Status merge_stored(sql::Connection& mysql, std::string_view prefix, SampleMap<Summary>& samples,
                    std::set<SampleKey>& unmet) {
  RowSet keys{.columns = 4, .values = {}};
  for (const auto& [profile_id, script_name, name, hour] : unmet)
    push(keys.values, value_of_id(profile_id), std::string(script_name),
         std::string(prefix).append(name), hour_value(hour));
  // Any other index finds all rows of a profile's hour, once for each of them.
  const auto rows = select_rows(
      mysql,
      "SELECT profile_id, script_name, name, window_start, state FROM dd_window_state FORCE INDEX "
      "(PRIMARY) WHERE metric_type = 'system' AND window_type = 'hour' AND "
      "(profile_id, script_name, name, window_start) IN",
      keys, "FOR UPDATE");
  if (!rows) return rows.error();
  for (const sql::Row& row : *rows) {
    const auto start = model::parse_mysql_datetime(row.text(3));
    if (!start) return Error{.message = "mysql: unreadable window_start"};
    const auto found = samples.find({static_cast<std::int32_t>(row.integer(0)), row.text(1),
                                     row.text(2).substr(prefix.size()), model::unix_hour(*start)});
    if (found == samples.end()) continue;
    auto stored = state_of<Summary>(row, 4, "samples");
    if (!stored) return stored.error();
    found->second.merge(*stored);
    unmet.erase(found->first);
  }
  return Done{};
}

template <typename Summary>
Status write_sample_map(sql::Connection& mysql, std::string_view prefix,
                        SampleMap<Summary>& samples) {
  if (samples.empty()) return Done{};
  std::set<SampleKey> unmet;
  for (const auto& [key, summary] : samples) unmet.insert(key);
  if (auto done = merge_stored(mysql, prefix, samples, unmet); !done) return done;
  if (!unmet.empty()) {  // made first: of two sidecars one then waits for what the other has merged
    RowSet empty{.columns = 8, .values = {}};
    for (const SampleKey& key : unmet) push_state(empty, prefix, key, sql::Null{});
    if (auto done = insert_rows(mysql, kStateHead, empty, kKeptTail); !done) return done;
    if (auto done = merge_stored(mysql, prefix, samples, unmet); !done) return done;
  }
  RowSet full{.columns = 8, .values = {}};
  for (const auto& [key, summary] : samples) push_state(full, prefix, key, bytes_of(summary));
  return insert_rows(mysql, kStateHead, full,
                     " ON DUPLICATE KEY UPDATE state = VALUES(state), revision = revision + 1");
}

}  // namespace

Status write_equity_minutes(sql::Connection& mysql, std::span<const model::Block> blocks,
                            DirtyHours& dirty) {
  EquityMap minutes = merged_minutes(blocks);
  if (minutes.empty()) return Done{};
  std::set<EquityKey> unmet;
  for (const auto& [key, minute] : minutes) {
    unmet.insert(key);
    mark(dirty, key.first, "equity", model::minute_start_ns(key.second));
  }
  if (auto done = merge_stored_minutes(mysql, minutes, unmet); !done) return done;
  if (!unmet.empty()) {  // as for samples
    RowSet empty{.columns = 6, .values = {}};
    const sql::Value zero{std::int64_t{0}};
    for (const auto& [profile_id, minute] : unmet)
      push(empty.values, value_of_id(profile_id), minute_value(minute), zero, zero, zero, zero);
    if (auto done = insert_rows(
            mysql,
            "INSERT INTO dd_equity_minute (profile_id, minute, open, high, low, close) VALUES ",
            empty, kKeptTail);
        !done) {
      return done;
    }
    if (auto done = merge_stored_minutes(mysql, minutes, unmet); !done) return done;
  }
  RowSet full{.columns = 25, .values = {}};
  for (const auto& [key, minute] : minutes) push_minute(full, minute);
  return insert_rows(mysql, kEquityHead, full, kEquityTail);
}

// ── hour states: health and rate limits ──────────────────────────────────────────────────────────────

namespace {

// The id is NULL for a row that is new. With it a row that is there is found at once; found by its key, the new row
// would first be written and taken back, which costs several times as much.
constexpr std::string_view kHealthHead =
    "INSERT INTO dd_system_health (id, profile_id, script_name, metric_name, bucket, metric_value, "
    "status, timestamp, metadata) "
    "VALUES ";
constexpr std::size_t kHealthColumns = 9;
// Readings only move forward in time; `timestamp` is compared by all before it moves itself.
constexpr std::string_view kHealthTail =
    " ON DUPLICATE KEY UPDATE metric_value = IF(VALUES(timestamp) >= timestamp, "
    "VALUES(metric_value), metric_value), "
    "status = IF(VALUES(timestamp) >= timestamp, VALUES(status), status), "
    "metadata = IF(VALUES(timestamp) >= timestamp, VALUES(metadata), metadata), "
    "timestamp = GREATEST(timestamp, VALUES(timestamp))";

// What a state says, one row of the table each. `said` gives nothing where the state does not say it.
template <typename State>
struct Reading {
  std::string_view metric_name;
  std::optional<sql::Value> (*said)(const State&);
};

std::optional<sql::Value> said_e8(std::int64_t value_e8) {
  return is_null(value_e8) ? std::nullopt : std::optional(value_of_e8(value_e8));
}
std::optional<sql::Value> said_count(std::int64_t count) {
  return count < 0 ? std::nullopt : std::optional(value_of_id(count));
}

constexpr std::string_view kHealthReading = "health";  // the only one with status and metadata

constexpr Reading<model::HealthEvent> kHealthReadings[] = {
    {kHealthReading,
     [](const model::HealthEvent&) { return std::optional<sql::Value>(sql::Null{}); }},
    {"error_count",
     [](const model::HealthEvent& health) {
       return std::optional(value_of_id(health.error_count));
     }},
    {"warning_count",
     [](const model::HealthEvent& health) {
       return std::optional(value_of_id(health.warning_count));
     }},
    {"cpu_usage_pct",
     [](const model::HealthEvent& health) { return said_e8(health.cpu_usage_pct_e8); }},
    {"memory_usage_mb",
     [](const model::HealthEvent& health) { return said_e8(health.memory_usage_mb_e8); }},
};
constexpr Reading<model::RateLimitEvent> kRateLimitReadings[] = {
    {"rate_limit_remaining",
     [](const model::RateLimitEvent& limit) { return said_count(limit.remaining); }},
    {"rate_limit_limit",
     [](const model::RateLimitEvent& limit) { return said_count(limit.limit); }},
};

// Of many readings of one row MySQL hears the newest: the others would be written over in the same breath.
class NewestReadings {
 public:
  void add(const model::HealthEvent& health) { keep<model::HealthEvent>(health, kHealthReadings); }
  void add(const model::RateLimitEvent& limit) {
    keep<model::RateLimitEvent>(limit, kRateLimitReadings);
  }

  // Looks up which of the rows that nothing is known about are there.
  static constexpr std::size_t kIdsMax = 100'000;
  Status learn_ids(sql::Connection& mysql, ReadingIds& ids) const {
    if (ids.size() > kIdsMax) ids.clear();  // of hours long past, most of them
    RowSet keys{.columns = 4, .values = {}};
    for (const auto& [key, newest] : newest_) {
      if (ids.contains(key)) continue;
      const auto& [profile_id, script_name, metric_name, hour_ns] = key;
      push(keys.values, value_of_id(profile_id), script_name, metric_name, value_of_time(hour_ns));
    }
    if (keys.values.empty()) return Done{};
    const auto rows = select_rows(
        mysql,
        "SELECT id, profile_id, script_name, metric_name, bucket FROM dd_system_health WHERE "
        "(profile_id, script_name, metric_name, bucket) IN",
        keys, "");
    if (!rows) return rows.error();
    for (const sql::Row& row : *rows) {
      const auto hour_ns = model::parse_mysql_datetime(row.text(4));
      if (!hour_ns) return Error{.message = "mysql: unreadable bucket"};
      ids.insert_or_assign({static_cast<std::int32_t>(row.integer(1)), std::string(row.text(2)),
                            std::string(row.text(3)), *hour_ns},
                           row.integer(0));
    }
    return Done{};
  }

  void mark_hours(DirtyHours& dirty) const {
    for (const auto& [key, newest] : newest_)
      mark(dirty, std::get<0>(key), "system", std::get<3>(key));
  }

  RowSet rows(const ReadingIds& ids) const {
    RowSet rows{.columns = kHealthColumns, .values = {}};
    for (const auto& [key, newest] : newest_) {
      const auto& [profile_id, script_name, metric_name, hour_ns] = key;
      const auto id = ids.find(key);
      const model::HealthEvent* health = metric_name == kHealthReading ? newest.health : nullptr;
      push(rows.values, id == ids.end() ? sql::Value{sql::Null{}} : sql::Value{id->second},
           value_of_id(profile_id), script_name, metric_name, value_of_time(hour_ns), newest.value,
           health == nullptr ? sql::Value{sql::Null{}} : value_of_text(health->status),
           value_of_time(newest.time_ns),
           health == nullptr ? sql::Value{sql::Null{}} : sql::Value{metadata_of(*health)});
    }
    return rows;
  }

 private:
  struct Newest {
    std::int64_t time_ns = model::kNoTime;
    const model::HealthEvent* health = nullptr;  // nullptr: of a rate limit
    sql::Value value;
  };

  template <typename State>
  void keep(const State& state, std::span<const Reading<State>> readings) {
    const model::Origin& origin = state.origin;
    const std::int64_t hour_ns = model::hour_start_ns(model::unix_hour(origin.event_time_ns));
    for (const Reading<State>& reading : readings) {
      auto value = reading.said(state);
      if (!value) continue;
      Newest& newest = newest_[{origin.profile_id, origin.script_name,
                                std::string(reading.metric_name), hour_ns}];
      // As MySQL sees time; of equal ones the later wins, as there.
      if (newest.time_ns != model::kNoTime &&
          model::floor_to_us(origin.event_time_ns) < model::floor_to_us(newest.time_ns))
        continue;
      newest = {.time_ns = origin.event_time_ns, .health = nullptr, .value = *std::move(value)};
      if constexpr (std::is_same_v<State, model::HealthEvent>) newest.health = &state;
    }
  }

  static std::string metadata_of(const model::HealthEvent& health) {
    model::JsonWriter json;
    json.begin_object();
    if (health.expected_interval_s >= 0)
      json.key("expected_interval_s").integer(health.expected_interval_s);
    if (!health.origin.metadata.empty()) json.key("metadata").raw(health.origin.metadata);
    json.end_object();
    return std::move(json).take();
  }

  std::map<ReadingKey, Newest> newest_;  // refers to the Events
};

}  // namespace

Status write_hour_states(sql::Connection& mysql, std::span<const model::Block> blocks,
                         ReadingIds& ids, DirtyHours& dirty) {
  NewestReadings readings;
  for (const model::Block& block : blocks) {
    for (const model::Event& event : block.hour_states) {
      if (const auto* health = std::get_if<model::HealthEvent>(&event)) readings.add(*health);
      if (const auto* limit = std::get_if<model::RateLimitEvent>(&event)) readings.add(*limit);
    }
  }
  readings.mark_hours(dirty);
  if (auto done = readings.learn_ids(mysql, ids); !done) return done;
  return insert_rows(mysql, kHealthHead, readings.rows(ids), kHealthTail);
}

Status write_samples(sql::Connection& mysql, std::span<const model::Block> blocks,
                     DirtyHours& dirty) {
  SampleMap<model::LatencySummary> latencies;
  SampleMap<model::MetricSummary> metrics;
  for (const model::Block& block : blocks) {
    for (const model::LatencyMinute& minute : block.latency_minutes) {
      const std::int64_t hour = model::unix_hour(model::minute_start_ns(minute.minute));
      const std::string_view name = name_of_state(kLatencyPrefix, minute.endpoint);
      latencies[{minute.profile_id, minute.script_name, name, hour}].merge(minute.summary);
    }
    for (const model::MetricHour& hour : block.metric_hours) {
      const std::string_view name = name_of_state(kMetricPrefix, hour.name);
      metrics[{hour.profile_id, hour.script_name, name, hour.hour}].merge(hour.summary);
    }
  }
  for (const auto& [key, summary] : latencies) {
    mark(dirty, std::get<0>(key), "system", model::hour_start_ns(std::get<3>(key)));
    mark(dirty, std::get<0>(key), "order", model::hour_start_ns(std::get<3>(key)));
  }
  for (const auto& [key, summary] : metrics)
    mark(dirty, std::get<0>(key), "system", model::hour_start_ns(std::get<3>(key)));
  if (auto done = write_sample_map(mysql, kLatencyPrefix, latencies); !done) return done;
  return write_sample_map(mysql, kMetricPrefix, metrics);
}

// ── stale Windows ────────────────────────────────────────────────────────────────────────────────────

Status write_dirty(sql::Connection& mysql, const DirtyHours& dirty) {
  // (profile, metric type, window type, start): in key order, each once.
  std::map<std::tuple<std::int32_t, std::string_view, std::string_view, std::int64_t>, std::int64_t>
      windows;
  for (const auto& [profile_id, metric_type, hour_ns] : dirty) {
    for (const model::WindowType type : model::kWindowTypes) {
      const model::Window window = model::window_containing(type, hour_ns);
      windows[{profile_id, metric_type, model::name_of(type), window.start_ns}] = window.end_ns;
    }
  }
  RowSet rows{.columns = 8, .values = {}};
  for (const auto& [key, end_ns] : windows) {
    const auto& [profile_id, metric_type, window_type, start_ns] = key;
    push(rows.values, value_of_id(profile_id), std::string(metric_type), std::string(),
         std::string(), std::string(window_type), value_of_time(start_ns), value_of_time(end_ns),
         sql::Value{std::int64_t{1}});
  }
  return insert_rows(mysql,
                     "INSERT INTO dd_window_state (profile_id, metric_type, script_name, name, "
                     "window_type, window_start, "
                     "window_end, dirty) VALUES ",
                     rows, " ON DUPLICATE KEY UPDATE dirty = 1, revision = revision + 1");
}

}  // namespace ddt::sidecar
