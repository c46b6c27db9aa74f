#include "bench/history/fill.hpp"

#include <algorithm>
#include <future>
#include <stdexcept>
#include <utility>
#include <vector>

#include "sidecar/figures/figures.hpp"
#include "sidecar/model/block.hpp"
#include "sidecar/model/time.hpp"
#include "sidecar/rollup/write_states.hpp"
#include "sql/migrator.hpp"

namespace ddt::bench {
namespace {

constexpr std::uint64_t kTradesPerOrder = 4;   // every fourth trade has an order chain of two rows
constexpr std::uint64_t kTradesPerSignal = 8;  // every eighth a signal that two scripts saw

void must(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message);
}

// The time of row n of the year: in its open hour, at a microsecond that only n decides.
std::string time_sql(const Year& year, const std::string& n, std::uint64_t rows) {
  const std::string hour =
      "(((" + n + ") - 1) * " + std::to_string(Year::kHours) + " DIV " + std::to_string(rows) + ")";
  const std::string day = "(" + hour + " DIV " + std::to_string(Year::kHoursADay) + ")";
  return "('" + model::mysql_datetime(year.begin_ns) + "' + INTERVAL (" + day + " DIV 5 * 7 + " +
         day + " MOD 5) DAY + INTERVAL (" + std::to_string(Year::kFirstHour) + " + " + hour +
         " MOD " + std::to_string(Year::kHoursADay) + ") HOUR + INTERVAL ((" + n +
         ") * 2654435761 MOD 3600000000) MICROSECOND)";
}

std::string numbers_to(std::uint64_t last) {
  return " FROM (SELECT seq AS n FROM seq_1_to_" + std::to_string(last) + ") s";
}

sql::Connection connect(const sql::ConnectOptions& options) {
  auto connection = sql::Connection::connect(options);
  if (!connection) throw std::runtime_error(connection.error().message);
  return std::move(connection).value();
}

// Into an empty table MariaDB then sorts the rows of one statement into its indexes, instead of looking for the place
// of each.
void insert_all(sql::Connection& mysql, const std::string& statement) {
  must(mysql.run("SET unique_checks = 0, foreign_key_checks = 0"));
  must(mysql.run(statement));
  must(mysql.run("SET unique_checks = 1, foreign_key_checks = 1"));
}

std::string trades_of(const Year& year) {
  const std::string profile = std::to_string(year.profile_id);
  return "INSERT INTO dd_trade_performance (profile_id, symbol, trade_type, side, entry_price, "
         "exit_price, reference_price, quantity, multiplier, fees, pnl, pnl_pct, slippage, "
         "entry_time, exit_time, duration_seconds, bar_strength, candle_size, direction, "
         "exit_reason, trade_id, order_id, signal_id, script_name, event_time, segment_id, lane, "
         "position) SELECT " +
         profile +
         ", symbol, trade_type, side, entry, entry + move, reference, quantity, multiplier, "
         "0.65, sign * move * quantity * multiplier - 0.65, (sign * move * quantity * multiplier "
         "- 0.65) / (entry * quantity * multiplier) * 100, sign * (entry - reference), "
         "exit_time - INTERVAL held SECOND, exit_time, held, 0.5, 1.25, 'upward', exit_reason, "
         "CONCAT('t', n), CONCAT('o', n), IF(n MOD 3 = 0, NULL, CONCAT('s', n DIV 8)), "
         "'profile_listener', exit_time, UNHEX(MD5(" +
         profile +
         ")), 1, n FROM (SELECT n, IF(n MOD 5 = 0, CONCAT('SPY241218C00', LPAD(n MOD 40, 2, "
         "'0'), '4000'), ELT(n MOD 4 + 1, 'SPY', 'QQQ', 'IWM', 'BTC/USD')) AS symbol, IF(n MOD 3 "
         "= 0, 'momentum', 'breakout') AS trade_type, IF(n MOD 7 < 4, 'buy', 'sell') AS side, "
         "IF(n MOD 7 < 4, 1, -1) AS sign, 100 + n MOD 977 / 10 AS entry, CAST(n * 48271 MOD 401 "
         "AS SIGNED) / 100 - 2 AS move, 100 + n MOD 977 / 10 - n MOD 3 / 100 AS reference, 1 + n "
         "MOD 9 AS quantity, IF(n MOD 5 = 0, 100, 1) AS multiplier, 30 + n * 69621 MOD 7200 AS "
         "held, ELT(n MOD 4 + 1, 'profit_target', 'stop_loss', 'time_based', 'reversal') AS "
         "exit_reason, " +
         time_sql(year, "n", year.trades) + " AS exit_time" + numbers_to(year.trades) + ") t";
}

std::string orders_of(const Year& year) {
  const std::uint64_t chains = year.trades / kTradesPerOrder;
  return "INSERT INTO dd_orders (profile_id, order_id, status, signal_id, symbol, order_type, "
         "side, quantity, filled_quantity, limit_price, filled_price, api_latency_ms, "
         "script_name, event_time, segment_id, lane, position) SELECT " +
         std::to_string(year.profile_id) +
         ", CONCAT('o', n), IF(k = 0, 'new', IF(n MOD 5 = 0, 'canceled', 'filled')), NULL, "
         "'SPY', "
         "'limit', 'buy', 5, IF(k = 0 OR n MOD 5 = 0, 0, 5), 100.5, IF(k = 0 OR n MOD 5 = 0, "
         "NULL, 100.25), 12.5 + n MOD 90, IF(k = 0, 'profile_listener', 'order_monitor'), t + "
         "INTERVAL k * (1 + n MOD 240) SECOND, UNHEX(MD5(CONCAT('o'," +
         std::to_string(year.profile_id) + "))), 1, n * 2 + k FROM (SELECT n, " +
         time_sql(year, "n", chains) + " AS t" + numbers_to(chains) +
         ") o, (SELECT 0 AS k UNION SELECT 1) legs";
}

std::string signals_of(const Year& year) {
  const std::uint64_t signals = year.trades / kTradesPerSignal;
  return "INSERT INTO dd_signals (profile_id, signal_id, fate, reason, script_name, symbol, "
         "event_time, segment_id, lane, position) SELECT " +
         std::to_string(year.profile_id) +
         ", CONCAT('s', n), IF(k = 0, 'detected', IF(n MOD 9 = 0, 'suppressed', 'traded')), "
         "IF(k = 1 AND n MOD 9 = 0, 'choppy_day', NULL), IF(k = 0, 'breakout_detector', "
         "'profile_listener'), 'SPY', t + INTERVAL k SECOND, UNHEX(MD5(CONCAT('s'," +
         std::to_string(year.profile_id) + "))), 1, n * 2 + k FROM (SELECT n, " +
         time_sql(year, "n", signals) + " AS t" + numbers_to(signals) +
         ") g, (SELECT 0 AS k UNION SELECT 1) seen";
}

// A walk that two years of the same profile take alike.
class Walk {
 public:
  std::int64_t step(std::int64_t range) {
    state_ = state_ * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
    return static_cast<std::int64_t>((state_ >> 33) % static_cast<std::uint64_t>(2 * range + 1)) -
           range;
  }

 private:
  std::uint64_t state_ = 1;
};

class OpenHours {
 public:
  OpenHours(sql::Connection& mysql, const Year& year) : mysql_(mysql), year_(year) {}

  void fill_day(std::int64_t day) {
    model::Block block;
    sidecar::DirtyHours dirty;
    for (std::int64_t i = 0; i < Year::kHoursADay; ++i) {
      const std::int64_t hour_ns = year_.hour_ns(day * Year::kHoursADay + i);
      add_equity(hour_ns, block);
      add_system(hour_ns, block);
      for (const char* type : {"equity", "breakout", "order"})
        sidecar::mark(dirty, year_.profile_id, type, hour_ns);
    }
    const std::span<const model::Block> blocks(&block, 1);
    must(mysql_.begin());
    must(sidecar::write_equity_minutes(mysql_, blocks, dirty));
    sidecar::ReadingIds reading_ids;
    must(sidecar::write_hour_states(mysql_, blocks, reading_ids, dirty));
    must(sidecar::write_samples(mysql_, blocks, dirty));
    must(sidecar::write_dirty(mysql_, dirty));
    must(mysql_.commit());
  }

 private:
  void add_equity(std::int64_t hour_ns, model::Block& block) {
    for (std::int64_t m = 0; m < 60; ++m) {
      model::EquityMinuteOf minute;
      minute.profile_id = year_.profile_id;
      minute.minute = model::unix_minute(hour_ns) + m;
      minute.script_name = "equity_monitor";
      for (std::int64_t second : {5, 35}) {
        equity_e8_ += walk_.step(90) * kE8;
        minute.equity.add(
            {.time_ns = hour_ns + m * model::kNsPerMinute + second * model::kNsPerSecond,
             .account_equity_e8 = equity_e8_,
             .unrealized_pnl_e8 = walk_.step(500) * kE8,
             .realized_pnl_e8 = walk_.step(500) * kE8,
             .margin_used_e8 = 25'000 * kE8,
             .margin_available_e8 = 75'000 * kE8,
             .open_positions_count = 3,
             .metadata = {}});
      }
      block.equity_minutes.push_back(std::move(minute));
    }
  }

  void add_system(std::int64_t hour_ns, model::Block& block) {
    for (const char* script : {"order_monitor", "equity_monitor", "profile_listener"}) {
      for (const char* endpoint : {"GET /v2/orders", "GET /v2/account"}) {
        model::LatencyMinute minute;
        minute.profile_id = year_.profile_id;
        minute.script_name = script;
        minute.endpoint = endpoint;
        minute.minute = model::unix_minute(hour_ns);
        for (int i = 0; i < 200; ++i)
          minute.summary.add(20'000'000 + walk_.step(19'000'000), i % 50 == 0 ? 429 : 200);
        block.latency_minutes.push_back(std::move(minute));
      }
      model::HealthEvent health;
      health.origin.profile_id = year_.profile_id;
      health.origin.script_name = script;
      health.origin.event_time_ns = hour_ns + 1'800 * model::kNsPerSecond;
      health.status = "healthy";
      health.cpu_usage_pct_e8 = 3 * kE8;
      health.memory_usage_mb_e8 = 80 * kE8;
      block.hour_states.emplace_back(health);
      model::RateLimitEvent limit;
      limit.origin = health.origin;
      limit.remaining = 150;
      limit.limit = 200;
      block.hour_states.emplace_back(limit);
    }
  }

  sql::Connection& mysql_;
  const Year& year_;
  Walk walk_;
  std::int64_t equity_e8_ = 1'000'000 * kE8;
};

}  // namespace

std::int64_t Year::hour_ns(std::int64_t open_hour) const {
  const std::int64_t day = open_hour / kHoursADay;
  return begin_ns + (day / 5 * 7 + day % 5) * model::kNsPerDay +
         (kFirstHour + open_hour % kHoursADay) * model::kNsPerHour;
}

std::int64_t Year::end_ns() const { return begin_ns + kWeeks * 7 * model::kNsPerDay; }

Year last_year(std::int32_t profile_id, std::uint64_t trades, std::int64_t now_ns) {
  const auto week = model::window_containing(model::WindowType::week, now_ns);
  return {.profile_id = profile_id,
          .begin_ns = week.start_ns - Year::kWeeks * 7 * model::kNsPerDay,
          .trades = trades};
}

void prepare(sql::Connection& mysql) {
  must(sql::migrate(mysql));
  must(mysql.run("SET GLOBAL innodb_buffer_pool_size = 1073741824"));
  must(mysql.run("SET GLOBAL innodb_flush_log_at_trx_commit = 0"));
  must(mysql.run("SET GLOBAL innodb_log_file_size = 1073741824"));
}

void fill(const sql::ConnectOptions& options, const std::vector<Year>& years,
          const Progress& progress) {
  auto trades = std::async(std::launch::async, [&] {
    auto mysql = connect(options);
    for (const Year& year : years) insert_all(mysql, trades_of(year));
  });
  auto mysql = connect(options);
  for (const Year& year : years) {
    progress("order chains");
    insert_all(mysql, orders_of(year));
    progress("signals");
    insert_all(mysql, signals_of(year));
  }
  constexpr std::int64_t kDays = Year::kHours / Year::kHoursADay;
  for (const Year& year : years) {
    OpenHours hours(mysql, year);
    for (std::int64_t day = 0; day < kDays; ++day) {
      hours.fill_day(day);
      progress(std::to_string(day + 1) + " of " + std::to_string(kDays) + " days of equity");
    }
  }
  progress("trades");
  trades.get();
}

void compute_figures(const sql::ConnectOptions& options, std::int64_t now_ns,
                     const Progress& progress) {
  sidecar::Figures figures({.mysql = options, .interval_ms = 0});
  must(figures.connect());
  figures.hurry();
  std::uint64_t done = 0;
  for (std::int64_t tick = 1; !figures.is_settled(); ++tick) {
    done += figures.work(tick, now_ns);
    if (figures.counters().failed > 0) throw std::runtime_error("figures could not be computed");
    progress(std::to_string(done) + " Windows' figures");
  }
}

void leave_news(sql::Connection& mysql, const Year& year) {
  const std::int64_t last_hour_ns = year.hour_ns(Year::kHours - 1);
  sidecar::DirtyHours dirty;
  for (const char* type : {"equity", "breakout", "order", "system"})
    sidecar::mark(dirty, year.profile_id, type, last_hour_ns);
  must(sidecar::write_dirty(mysql, dirty));
}

}  // namespace ddt::bench
