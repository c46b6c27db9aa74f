#include "bench/replay/oracle.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

#include "bench/replay/calendar.hpp"

namespace ddt::replay {
namespace {

constexpr std::size_t kWriteBytes = 64 * 1024;

void append_quoted(std::string& out, std::string_view text) {
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", static_cast<unsigned>(c));
      out += escaped.data();
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

class JsonLine {
 public:
  JsonLine& text(std::string_view name, std::string_view value) {
    key(name);
    if (value.empty())
      out_ += "null";
    else
      append_quoted(out_, value);
    return *this;
  }
  JsonLine& decimal(std::string_view name, std::int64_t value_e8) {
    return text(name, is_null(value_e8) ? std::string() : e8_string(value_e8));
  }
  JsonLine& time(std::string_view name, std::int64_t time_ns) {
    return text(name, time_ns == kUnsaidTime ? std::string() : rfc3339_micros(time_ns));
  }
  JsonLine& milliseconds(std::string_view name, std::int64_t duration_ns) {
    return text(name, duration_ns == kUnsaidTime ? std::string() : decimal_string(duration_ns, 6));
  }
  // Negative: not said.
  JsonLine& integer(std::string_view name, std::int64_t value) {
    return json(name, value < 0 ? std::string("null") : std::to_string(value));
  }
  JsonLine& json(std::string_view name, std::string_view value) {
    key(name);
    out_ += value.empty() ? std::string_view("null") : value;
    return *this;
  }
  std::string finish() {
    out_.push_back('}');
    return std::move(out_);
  }

 private:
  void key(std::string_view name) {
    out_.push_back(out_.empty() ? '{' : ',');
    append_quoted(out_, name);
    out_.push_back(':');
  }
  std::string out_;
};

void add_fields(JsonLine& line, const SignalRecord& r) {
  line.text("signal_id", r.signal_id).text("symbol", r.symbol).text("direction", r.direction);
  line.text("fate", r.fate).text("reason", r.reason).decimal("bar_strength", r.bar_strength_e8);
  line.decimal("close_price", r.close_price_e8).decimal("candle_size", r.candle_size_e8);
  line.decimal("volume", r.volume_e8);
}
void add_fields(JsonLine& line, const OrderRecord& r) {
  line.text("order_id", r.order_id)
      .text("parent_order_id", r.parent_order_id)
      .text("signal_id", r.signal_id);
  line.text("symbol", r.symbol)
      .text("order_type", r.order_type)
      .text("side", r.side)
      .text("status", r.status);
  line.decimal("quantity", r.quantity_e8).decimal("filled_quantity", r.filled_quantity_e8);
  line.decimal("limit_price", r.limit_price_e8).decimal("filled_price", r.filled_price_e8);
  line.milliseconds("api_latency_ms", r.api_latency_ns);
}
void add_fields(JsonLine& line, const TradeRecord& r) {
  line.text("symbol", r.symbol).text("trade_type", r.trade_type).text("side", r.side);
  line.decimal("quantity", r.quantity_e8).decimal("multiplier", r.multiplier_e8);
  line.decimal("entry_price", r.entry_price_e8).decimal("exit_price", r.exit_price_e8);
  line.decimal("reference_price", r.reference_price_e8).decimal("fees", r.fees_e8);
  line.time("entry_time", r.entry_time_ns).time("exit_time", r.exit_time_ns);
  line.text("exit_reason", r.exit_reason).text("direction", r.direction);
  line.decimal("bar_strength", r.bar_strength_e8).decimal("candle_size", r.candle_size_e8);
  line.text("trade_id", r.trade_id).text("order_id", r.order_id).text("signal_id", r.signal_id);
}
void add_fields(JsonLine& line, const EquityRecord& r) {
  line.decimal("account_equity", r.account_equity_e8)
      .decimal("unrealized_pnl", r.unrealized_pnl_e8);
  line.decimal("realized_pnl", r.realized_pnl_e8).decimal("margin_used", r.margin_used_e8);
  line.decimal("margin_available", r.margin_available_e8).decimal("cash_flow", r.cash_flow_e8);
  line.integer("open_positions_count", r.open_positions_count);
}
void add_fields(JsonLine& line, const PositionRecord& r) {
  line.text("symbol", r.symbol).text("side", r.side).decimal("quantity", r.quantity_e8);
  line.decimal("average_entry", r.average_entry_e8).decimal("current_price", r.current_price_e8);
  line.decimal("market_value", r.market_value_e8).decimal("unrealized_pnl", r.unrealized_pnl_e8);
}
void add_fields(JsonLine& line, const LatencyRecord& r) {
  line.text("endpoint", r.endpoint)
      .milliseconds("latency_ms", r.duration_ns)
      .integer("outcome", r.outcome);
}
void add_fields(JsonLine& line, const RateLimitRecord& r) {
  line.integer("remaining", r.remaining)
      .integer("limit", r.limit)
      .time("reset_time", r.reset_time_ns);
}
void add_fields(JsonLine& line, const HealthRecord& r) {
  line.text("status", r.status)
      .integer("error_count", r.error_count)
      .integer("warning_count", r.warning_count);
  line.decimal("cpu_usage_pct", r.cpu_usage_pct_e8)
      .decimal("memory_usage_mb", r.memory_usage_mb_e8);
  line.integer("expected_interval_s", r.expected_interval_s);
}
void add_fields(JsonLine& line, const ErrorRecord& r) {
  line.text("severity", r.severity).text("code", r.code).text("text", r.text);
}
void add_fields(JsonLine& line, const MetricRecord& r) {
  line.text("metric_name", r.name).text("metric_kind", r.type).decimal("metric_value", r.value_e8);
}

Error error_of(const std::string& tried, int code) {
  return {.message = tried + ": " + std::strerror(code), .code = code};
}

}  // namespace

std::string oracle_line(const Record& record) {
  JsonLine line;
  line.text("kind", kKindNames[record.body.index()]).integer("profile_id", record.profile_id);
  line.text("script_name", name_of(record.script)).time("event_time", record.event_time_ns);
  std::visit([&](const auto& body) { add_fields(line, body); }, record.body);
  line.json("metadata", record.metadata);
  return line.finish();
}

Result<OracleFile> OracleFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return error_of("oracle: open " + path, errno);
  return OracleFile(path, fd);
}

OracleFile::OracleFile(OracleFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      lines_(std::move(other.lines_)) {}

OracleFile::~OracleFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status OracleFile::append(const Record& record) {
  lines_ += oracle_line(record);
  lines_.push_back('\n');
  return lines_.size() >= kWriteBytes ? flush() : Status(Done{});
}

Status OracleFile::flush() {
  if (lines_.empty()) return Done{};
  ssize_t written = 0;
  do written = ::write(fd_, lines_.data(), lines_.size());
  while (written < 0 && errno == EINTR);
  if (written < 0) return error_of("oracle: write " + path_, errno);
  // A second write for the rest could land behind another bot's lines: the file is not to be trusted.
  if (static_cast<std::size_t>(written) != lines_.size())
    return Error{.message = "oracle: " + path_ + " took " + std::to_string(written) + " of " +
                            std::to_string(lines_.size()) + " bytes"};
  lines_.clear();
  return Done{};
}

}  // namespace ddt::replay
