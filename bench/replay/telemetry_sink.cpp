#include "bench/replay/telemetry_sink.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <type_traits>
#include <utility>

namespace ddt::replay {
namespace {

constexpr std::int64_t kSleepMaxNs = 50'000'000;  // a stop is noticed within this
constexpr auto kRoomPoll = std::chrono::microseconds(100);

static_assert(kUnsaidTime == kNoTime);

std::int64_t wall_now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

MetricType metric_type(std::string_view type) {
  if (type == "counter") return MetricType::counter;
  return type == "gauge" ? MetricType::gauge : MetricType::distribution;
}

Signal said(const SignalRecord& r, const Record& record) {
  return {.signal_id = r.signal_id,
          .symbol = r.symbol,
          .direction = std::string_view(r.direction),
          .bar_strength_e8 = r.bar_strength_e8,
          .close_price_e8 = r.close_price_e8,
          .candle_size_e8 = r.candle_size_e8,
          .volume_e8 = r.volume_e8,
          .fate = std::string_view(r.fate),
          .reason = r.reason,
          .event_time_ns = record.event_time_ns,
          .metadata = record.metadata};
}
Order said(const OrderRecord& r, const Record& record) {
  return {.order_id = r.order_id,
          .parent_order_id = r.parent_order_id,
          .signal_id = r.signal_id,
          .symbol = r.symbol,
          .order_type = std::string_view(r.order_type),
          .side = std::string_view(r.side),
          .status = std::string_view(r.status),
          .quantity_e8 = r.quantity_e8,
          .filled_quantity_e8 = r.filled_quantity_e8,
          .limit_price_e8 = r.limit_price_e8,
          .filled_price_e8 = r.filled_price_e8,
          .api_latency_ns = r.api_latency_ns,
          .event_time_ns = record.event_time_ns,
          .metadata = record.metadata};
}
Trade said(const TradeRecord& r, const Record& record) {
  return {.symbol = r.symbol,
          .trade_type = std::string_view(r.trade_type),
          .side = std::string_view(r.side),
          .quantity_e8 = r.quantity_e8,
          .multiplier_e8 = r.multiplier_e8,
          .entry_price_e8 = r.entry_price_e8,
          .exit_price_e8 = r.exit_price_e8,
          .reference_price_e8 = r.reference_price_e8,
          .fees_e8 = r.fees_e8,
          .entry_time_ns = r.entry_time_ns,
          .exit_time_ns = r.exit_time_ns,
          .exit_reason = std::string_view(r.exit_reason),
          .direction = std::string_view(r.direction),
          .bar_strength_e8 = r.bar_strength_e8,
          .candle_size_e8 = r.candle_size_e8,
          .trade_id = r.trade_id,
          .order_id = r.order_id,
          .signal_id = r.signal_id,
          .event_time_ns = record.event_time_ns,
          .metadata = record.metadata};
}
Equity said(const EquityRecord& r, const Record& record) {
  return {.account_equity_e8 = r.account_equity_e8,
          .unrealized_pnl_e8 = r.unrealized_pnl_e8,
          .realized_pnl_e8 = r.realized_pnl_e8,
          .margin_used_e8 = r.margin_used_e8,
          .margin_available_e8 = r.margin_available_e8,
          .cash_flow_e8 = r.cash_flow_e8,
          .open_positions_count = r.open_positions_count,
          .event_time_ns = record.event_time_ns,
          .metadata = record.metadata};
}
Position said(const PositionRecord& r, const Record& record) {
  return {.symbol = r.symbol,
          .side = std::string_view(r.side),
          .quantity_e8 = r.quantity_e8,
          .average_entry_e8 = r.average_entry_e8,
          .current_price_e8 = r.current_price_e8,
          .market_value_e8 = r.market_value_e8,
          .unrealized_pnl_e8 = r.unrealized_pnl_e8,
          .event_time_ns = record.event_time_ns,
          .metadata = record.metadata};
}
RateLimit said(const RateLimitRecord& r, const Record& record) {
  return {.remaining = r.remaining,
          .limit = r.limit,
          .reset_time_ns = r.reset_time_ns,
          .event_time_ns = record.event_time_ns,
          .metadata = record.metadata};
}
Health said(const HealthRecord& r, const Record& record) {
  return {.status = std::string_view(r.status),
          .error_count = r.error_count,
          .warning_count = r.warning_count,
          .cpu_usage_pct_e8 = r.cpu_usage_pct_e8,
          .memory_usage_mb_e8 = r.memory_usage_mb_e8,
          .expected_interval_s = r.expected_interval_s,
          .event_time_ns = record.event_time_ns,
          .metadata = record.metadata};
}
ErrorReport said(const ErrorRecord& r, const Record& record) {
  return {.severity = std::string_view(r.severity),
          .code = r.code,
          .text = r.text,
          .event_time_ns = record.event_time_ns,
          .metadata = record.metadata};
}

}  // namespace

TelemetrySink::TelemetrySink(const Telemetry& telemetry, Script script, OracleFile* oracle,
                             std::function<bool()> is_stopping)
    : telemetry_(telemetry),
      script_(script),
      oracle_(oracle),
      is_stopping_(std::move(is_stopping)) {}

void TelemetrySink::accept(const Record& record) {
  if (is_muted_ || record.script != script_) return;
  if (record.due_ns != 0) wait_until_due(record.due_ns);
  // Samples are refused in a half-full Lane, so that is where everything waits.
  if (record.due_ns == 0 || is_patient_) wait_for_room(room_for_samples());
  if (is_stopping()) return;
  if (publish(record) != Published::ok) {
    ++counts_.refused;
    return;
  }
  ++counts_.published[record.body.index()];
  if (oracle_ == nullptr) return;
  if (const Status status = oracle_->append(record); !status) oracle_error_ = status.error();
}

Status TelemetrySink::flush() {
  if (oracle_error_) return *oracle_error_;
  return oracle_ == nullptr ? Status(Done{}) : oracle_->flush();
}

void TelemetrySink::wait_until_due(std::int64_t due_ns) {
  std::int64_t wait_ns = due_ns - wall_now_ns();
  if (wait_ns > 0) flush_oracle();
  while (wait_ns > 0 && !is_stopping()) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(wait_ns, kSleepMaxNs)));
    wait_ns = due_ns - wall_now_ns();
  }
}

void TelemetrySink::wait_until_drained() {
  wait_for_room(telemetry_.lane_lines() - telemetry_.lane_lines() / 8);
}

void TelemetrySink::wait_for_room(std::uint32_t lines) {
  if (telemetry_.lines_free() > lines) return;
  flush_oracle();
  while (telemetry_.lines_free() <= lines && telemetry_.is_attached() && !is_stopping())
    std::this_thread::sleep_for(kRoomPoll);
}

void TelemetrySink::flush_oracle() {
  if (oracle_ == nullptr || oracle_error_) return;
  if (const Status status = oracle_->flush(); !status) oracle_error_ = status.error();
}

Published TelemetrySink::publish(const Record& record) {
  return std::visit(
      [&](const auto& body) {
        using Body = std::remove_cvref_t<decltype(body)>;
        if constexpr (std::is_same_v<Body, LatencyRecord>) {
          return telemetry_.publish(Latency{.endpoint = name_id(body.endpoint),
                                            .duration_ns = body.duration_ns,
                                            .outcome = body.outcome,
                                            .event_time_ns = record.event_time_ns});
        } else if constexpr (std::is_same_v<Body, MetricRecord>) {
          return telemetry_.publish(Metric{.name = name_id(body.name),
                                           .type = metric_type(body.type),
                                           .value_e8 = body.value_e8,
                                           .event_time_ns = record.event_time_ns});
        } else {
          return telemetry_.publish(said(body, record));
        }
      },
      record.body);
}

NameId TelemetrySink::name_id(const std::string& name) {
  const auto found = names_.find(name);
  if (found != names_.end()) return found->second;
  return names_.emplace(name, telemetry_.name(name)).first->second;
}

}  // namespace ddt::replay
