#include "api/routes/equity.hpp"

#include <map>

#include "api/history/equity.hpp"
#include "api/routes/windows.hpp"
#include "sidecar/model/equity.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

constexpr int kDrawdownDays = 30;

// Fields of the latest reading, as JSON calls them.
constexpr const char* kReadingFields[] = {
    "current_equity",   "account_equity",         "total_pnl",
    "unrealized_pnl",   "realized_pnl",           "margin_used",
    "margin_available", "margin_utilization_pct", "open_positions_count"};

struct Reading {
  std::int64_t time_ns = model::kNoTime;
  std::int64_t account_equity_e8 = kNullE8;
  std::int64_t unrealized_pnl_e8 = kNullE8, realized_pnl_e8 = kNullE8;
  std::int64_t margin_used_e8 = kNullE8, margin_available_e8 = kNullE8;
  std::int64_t open_positions_count = -1;
  Json metadata = Json::object();
};

Reading reading_of(const model::EquityMinute& minute) {
  Reading reading{.time_ns = minute.close_time_ns,
                  .account_equity_e8 = minute.close_e8,
                  .unrealized_pnl_e8 = minute.unrealized_pnl_e8,
                  .realized_pnl_e8 = minute.realized_pnl_e8,
                  .margin_used_e8 = minute.margin_used_e8,
                  .margin_available_e8 = minute.margin_available_e8,
                  .open_positions_count = minute.open_positions_count};
  if (model::is_json_object(minute.metadata)) reading.metadata = Json::raw(minute.metadata);
  return reading;
}

Reading reading_of(const redis::LiveValue& live) {
  const model::JsonValue& json = live.object;
  Reading reading{.time_ns = live.event_time_ns,
                  .account_equity_e8 = json.e8_or("account_equity"),
                  .unrealized_pnl_e8 = json.e8_or("unrealized_pnl"),
                  .realized_pnl_e8 = json.e8_or("realized_pnl"),
                  .margin_used_e8 = json.e8_or("margin_used"),
                  .margin_available_e8 = json.e8_or("margin_available"),
                  .open_positions_count = json.int_or("open_positions_count", -1)};
  if (const auto* metadata = json.find("metadata"); metadata && metadata->is_object()) {
    reading.metadata = Json::raw(metadata->to_json());
  }
  return reading;
}

// A figure that is null when the bot did not say it.
void set_said(Json& object, Json& reasons, const char* name, Json value, const char* reason) {
  if (value.is_null()) reasons.set(name, reason);
  object.set(name, std::move(value));
}

void set_reading(Json& object, Json& reasons, const Reading& reading) {
  const auto total = model::total_pnl_e8(reading.realized_pnl_e8, reading.unrealized_pnl_e8);
  const auto margin_pct =
      is_null(reading.account_equity_e8) || is_null(reading.margin_used_e8)
          ? std::nullopt
          : model::margin_utilization_pct_e8(reading.margin_used_e8, reading.account_equity_e8);
  const bool is_poor = !is_null(reading.account_equity_e8) && reading.account_equity_e8 <= 0;
  const auto said = [&](const char* name, std::int64_t value_e8) {
    set_said(object, reasons, name, e8_json(value_e8), "not_reported");
  };
  said("current_equity", reading.account_equity_e8);
  said("account_equity", reading.account_equity_e8);
  set_said(object, reasons, "total_pnl", e8_json(total), "not_reported");
  said("unrealized_pnl", reading.unrealized_pnl_e8);
  said("realized_pnl", reading.realized_pnl_e8);
  said("margin_used", reading.margin_used_e8);
  said("margin_available", reading.margin_available_e8);
  set_said(object, reasons, "margin_utilization_pct",
           margin_pct ? Json::decimal(*margin_pct, 8) : Json(),
           is_poor ? "no_equity" : "not_reported");
  set_said(object, reasons, "open_positions_count",
           reading.open_positions_count < 0 ? Json() : Json(reading.open_positions_count),
           "not_reported");
  object.set("timestamp", rfc3339_json(reading.time_ns));
  object.set("metadata", reading.metadata);
}

void set_no_reading(Json& object, Json& reasons, const char* reason) {
  for (const char* name : kReadingFields) set_said(object, reasons, name, Json(), reason);
  object.set("timestamp", Json()).set("metadata", Json::object());
}

void set_drawdown(Json& object, Json& reasons, const std::optional<model::Drawdown>& drawdown,
                  const char* reason_without) {
  if (!drawdown) {
    for (const char* name :
         {"max_drawdown", "max_drawdown_pct", "drawdown_current", "longest_underwater"}) {
      set_said(object, reasons, name, Json(), reason_without);
    }
    return;
  }
  object.set("max_drawdown", Json::decimal(drawdown->max_drawdown_e8, 8));
  object.set("max_drawdown_pct", Json::decimal(drawdown->max_drawdown_pct_e8, 8));
  object.set("drawdown_current", Json::decimal(drawdown->drawdown_current_e8, 8));
  object.set("longest_underwater", Json::decimal(drawdown->longest_underwater_ns, 9));
  object.set("drawdown_peak_time", rfc3339_json(drawdown->peak_time_ns));
  object.set("drawdown_trough_time", rfc3339_json(drawdown->trough_time_ns));
  const char* note = drawdown->overflow     ? "overflow"
                     : drawdown->unadjusted ? "unadjusted"
                                            : nullptr;
  if (note != nullptr) reasons.set("max_drawdown", note).set("max_drawdown_pct", note);
}

Json windows_json(const std::map<model::Window, model::EquitySpan>& windows, std::int64_t now_ns) {
  Json list = Json::array();
  for (const auto& [window, span] : windows) {
    Json json = window_head(window, now_ns);
    Json reasons = Json::object();
    set_reading(json, reasons, reading_of(span.last()));
    set_drawdown(json, reasons, span.drawdown(), "no_readings");
    json.set("equity_close", e8_json(span.last().close_e8)).set("reasons", std::move(reasons));
    list.push_back(std::move(json));
  }
  return list;
}

// The live reading, or the last stored one when it has expired: never as if it were new.
struct Latest {
  std::optional<Reading> reading = {};
  std::string_view source = "live";
  const char* reason = "no_readings";
};

Latest latest_reading(const Context& context, std::int32_t profile_id, std::int64_t now_ns) {
  Stores& stores = context.stores.of_this_thread();
  const auto live = stores.live().equity(profile_id);
  if (!live) return {.reason = "redis_down"};
  if (*live) return {.reading = reading_of(**live)};
  const auto stored = last_equity_minute_before(stores, profile_id, now_ns + model::kNsPerDay);
  if (!stored) return {.reason = "mysql_down"};
  if (!*stored) return {.source = "history"};
  return {.reading = reading_of(**stored), .source = "history"};
}

// What equity() says of the range.
struct OfRange {
  std::optional<model::Drawdown> drawdown = {};
  std::optional<Reading> last = {};
  std::map<model::Window, model::EquitySpan> windows = {};
};

// nullopt: history cannot be read.
std::optional<OfRange> read_range(const Context& context, std::int32_t profile_id,
                                  const Range& range,
                                  const std::optional<model::WindowType>& window) {
  const bool is_of_now = !range.is_explicit && !window;
  if (is_of_now) {
    if (auto recent = context.drawdowns.find(profile_id)) return OfRange{.drawdown = *recent};
  }
  auto history = equity_history(context.stores.of_this_thread(), profile_id, range, window);
  if (!history) return std::nullopt;
  OfRange of_range{.drawdown = history->range.drawdown(), .windows = std::move(history->windows)};
  if (!history->range.is_empty()) of_range.last = reading_of(history->range.last());
  if (is_of_now) context.drawdowns.put(profile_id, of_range.drawdown);
  return of_range;
}

Response equity(const Context& context, const Request& request, const PathValues& values) {
  Parameters parameters(request);
  const std::int64_t now_ns = context.now_ns();
  const std::int32_t profile_id = parameters.profile_id(values);
  const Range range = snapped(parameters.range(kDrawdownDays, now_ns), model::kNsPerMinute);
  const auto window = parameters.window();
  if (auto bad = parameters.problems()) return *bad;

  const auto history = read_range(context, profile_id, range, window);
  if (!history && range.is_explicit) return store_down("mysql");
  Latest latest;
  if (!range.is_explicit) {
    latest = latest_reading(context, profile_id, now_ns);
    if (!history && !latest.reading && latest.source == "live") return store_down("redis");
  } else {
    latest.source = "history";
    latest.reading = history->last;
  }

  ObjectAnswer answer(profile_id);
  Provenance provenance{latest.source};
  if (latest.reading) {
    set_reading(answer.body(), answer.reasons(), *latest.reading);
    provenance.as_of_ns = latest.reading->time_ns;
  } else {
    set_no_reading(answer.body(), answer.reasons(), latest.reason);
    provenance.source = "history";
  }
  if (history) {
    set_drawdown(answer.body(), answer.reasons(), history->drawdown, "no_readings");
    if (latest.source == "live" && latest.reading) provenance.source = "both";
    if (window) answer.set("windows", windows_json(history->windows, now_ns));
  } else {
    set_drawdown(answer.body(), answer.reasons(), std::nullopt, "mysql_down");
  }
  return std::move(answer).finish(parameters, request, range, provenance, now_ns);
}

}  // namespace

void add_equity_routes(Router& router, const Context& context) {
  router.add("/api/v1/metrics/equity/{profile_id}", bound(equity, context));
}

}  // namespace ddt::api
