// REST against a private MariaDB and a private Redis: rows go in by SQL and by Redis commands, replies come
// out over HTTP. Every expected figure is worked out by hand beside its rows.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "api/app.hpp"
#include "api/server.hpp"
#include "shm/base/decimal.hpp"
#include "sidecar/model/json.hpp"
#include "sidecar/model/summary.hpp"
#include "sidecar/model/time.hpp"
#include "sql/migrator.hpp"
#include "tests/support/private_mysql.hpp"
#include "tests/support/private_redis.hpp"
#include "tests/support/raw_http.hpp"

namespace ddt::api {
namespace {

using model::JsonValue;
using test::HttpReply;
using test::RawHttp;

// The API's clock stands still here.
const std::int64_t kNow = *model::parse_time("2026-03-20T15:30:00Z");

struct Stage {
  test::PrivateMysql mysql;
  test::PrivateRedis redis;
  std::unique_ptr<sql::Connection> sql;
  std::unique_ptr<App> app;
  std::unique_ptr<Server> server;

  Stage() {
    const auto options = mysql.options();
    if (auto made = sql::create_database_if_missing(options); !made)
      throw std::runtime_error(made.error().message);
    auto connection = sql::Connection::connect(options);
    if (!connection) throw std::runtime_error(connection.error().message);
    sql = std::make_unique<sql::Connection>(std::move(*connection));
    if (auto done = sql::migrate(*sql); !done) throw std::runtime_error(done.error().message);
    fill();
    start(redis.options(), options);
  }

  void start(redis::ConnectOptions redis_options, sql::ConnectOptions mysql_options) {
    server.reset();
    mysql_options.connect_timeout = std::chrono::milliseconds(1000);
    app = std::make_unique<App>(ApiOptions{.stores = {.redis = redis_options,
                                                      .mysql = mysql_options,
                                                      .live_keys = redis::LiveKeys()},
                                           .cors_origins = {"https://*.vercel.app"}},
                                [] { return kNow; });
    server = std::make_unique<Server>(
        ServerOptions{.port = 0}, [this](const Request& request) { return app->handle(request); });
    if (auto started = server->start(); !started) throw std::runtime_error(started.error().message);
  }

  void run(const std::string& statement) {
    if (auto done = sql->run(statement); !done) throw std::runtime_error(done.error().message);
  }

  void fill() {
    // Profile 7. Exits on 2026-03-19, one an hour: +30 (buy 3·10), −8.5 (sell, fees 0.5), 0, a legacy row
    // without a side (stored pnl 12.34), an option × 100 that loses 100.
    run(R"(INSERT INTO dd_trade_performance (profile_id, symbol, trade_type, side, entry_price, exit_price,
      reference_price, quantity, multiplier, fees, pnl, slippage, entry_time, exit_time, trade_id, signal_id,
      script_name, metadata) VALUES
      (7,'SPY','breakout','buy',100,103,99.5,10,1,0,30,0.5,'2026-03-19 14:00:00','2026-03-19 14:30:00.000001','a','s1','profile_listener','{"k":1}'),
      (7,'SPY','breakout','sell',100,104,100.5,2,1,0.5,-8.5,0.5,'2026-03-19 14:00:00','2026-03-19 15:30:00','b','s2','profile_listener',NULL),
      (7,'BTC/USD','breakout','buy',5,5,NULL,0.5,1,0,0,NULL,'2026-03-19 15:00:00','2026-03-19 16:30:00','c','s3','profile_listener',NULL),
      (7,'IBM','equity_close',NULL,NULL,NULL,NULL,NULL,NULL,NULL,12.34,NULL,NULL,'2026-03-19 17:30:00','d',NULL,NULL,NULL),
      (7,'SPY261218C00604000','manual','buy',2,1,NULL,1,100,0,-100,NULL,NULL,'2026-03-19 18:30:00','e',NULL,'profile_listener',NULL),
      (8,'SPY','breakout','buy',1,2,NULL,1,1,0,1,NULL,NULL,'2026-03-19 14:30:00','a',NULL,NULL,NULL))");
    run(R"(INSERT INTO dd_signals (profile_id, signal_id, fate, script_name, symbol, event_time) VALUES
      (7,'s1','detected','breakout_detector','SPY','2026-03-19 13:00:00'),
      (7,'s1','traded','profile_listener','SPY','2026-03-19 13:00:01'),
      (7,'s2','detected','breakout_detector','SPY','2026-03-19 13:30:00'),
      (7,NULL,'detected','breakout_detector','SPY','2026-03-19 13:40:00'))");
    // Chains: o1 limit → o2 market, filled (converted); o3 limit filled; o4 canceled; o5 new before the
    // range, filled inside it.
    run(R"(INSERT INTO dd_orders (profile_id, order_id, status, parent_order_id, symbol, order_type, side,
      script_name, event_time) VALUES
      (7,'o1','new',NULL,'SPY','limit','buy','profile_listener','2026-03-19 14:00:00'),
      (7,'o1','converted',NULL,'SPY','limit','buy','order_monitor','2026-03-19 14:01:00'),
      (7,'o2','filled','o1','SPY','market','buy','order_monitor','2026-03-19 14:01:01'),
      (7,'o3','new',NULL,'SPY','limit','buy','profile_listener','2026-03-19 14:02:00'),
      (7,'o3','filled',NULL,'SPY','limit','buy','order_monitor','2026-03-19 14:03:00'),
      (7,'o4','new',NULL,'SPY','market','buy','profile_listener','2026-03-19 14:04:00'),
      (7,'o4','canceled',NULL,'SPY','market','buy','order_monitor','2026-03-19 14:05:00'),
      (7,'o5','new',NULL,'SPY','limit','buy','profile_listener','2026-03-18 14:00:00'),
      (7,'o5','filled',NULL,'SPY','limit','buy','order_monitor','2026-03-19 14:06:00'))");
    // Equity: 1000 the day before, then 900 at once (the opening level counts), 1100, 990.
    run(R"(INSERT INTO dd_equity_minute (profile_id, minute, open, high, low, close, open_time, high_time,
      low_time, close_time, mdd, mdd_pct, unrealized_pnl, realized_pnl, margin_used, margin_available,
      open_positions_count, readings) VALUES
      (7,'2026-03-18 20:00:00',1000,1000,1000,1000,'2026-03-18 20:00:05','2026-03-18 20:00:05','2026-03-18 20:00:05','2026-03-18 20:00:05',0,0,0,0,0,1000,0,1),
      (7,'2026-03-19 14:00:00',900,900,900,900,'2026-03-19 14:00:05','2026-03-19 14:00:05','2026-03-19 14:00:05','2026-03-19 14:00:05',0,0,-100,0,450,450,1,1),
      (7,'2026-03-19 15:00:00',1100,1100,1100,1100,'2026-03-19 15:00:05','2026-03-19 15:00:05','2026-03-19 15:00:05','2026-03-19 15:00:05',0,0,50,50,0,1100,0,1),
      (7,'2026-03-19 16:00:00',990,990,990,990,'2026-03-19 16:00:05','2026-03-19 16:00:05','2026-03-19 16:00:05','2026-03-19 16:00:05',0,0,-20,10,99,891,2,1))");
    run(R"(INSERT INTO dd_system_health (profile_id, script_name, metric_name, metric_value, status, timestamp,
      bucket, metadata) VALUES
      (7,'order_monitor','health',NULL,'degraded','2026-03-19 14:20:00','2026-03-19 14:00:00','{"expected_interval_s":60}'),
      (7,'order_monitor','error_count',3,'','2026-03-19 14:20:00','2026-03-19 14:00:00',NULL),
      (7,'order_monitor','rate_limit_remaining',150,'','2026-03-19 14:21:00','2026-03-19 14:00:00',NULL),
      (7,'order_monitor','error',NULL,'error','2026-03-19 14:22:00',NULL,'{"code":"E1","text":"lost"}'))");
    add_latency("order_monitor", "latency:orders", "2026-03-19 14:00:00", {10, 20, 30});
    add_latency("order_monitor", "latency:account", "2026-03-19 14:00:00", {40});
    run(R"(INSERT INTO dd_lane_positions (segment_id, lane, sidecar_id, segment_name, owner_uid, profile_id,
      script_name, position, ordinal, stored_samples, stored_states, stored_facts, dropped_samples, refused,
      rejected, lost, produced, updated_at) VALUES
      (REPEAT('a',16),0,'local','seg-a',0,7,'order_monitor',10,10,4,3,2,1,0,0,0,10,'2026-03-20 15:00:00'))");
    for (int minute = 0; minute < 3; ++minute) {
      run("INSERT INTO dd_telemetry_metrics (profile_id, metric_type, metric_name, metric_value, "
          "window_type, "
          "window_start, window_end, labels) VALUES (7,'breakout','success_rate',50,'hour',"
          "'2026-03-19 1" +
          std::to_string(4 + minute) + ":00:00','2026-03-19 1" + std::to_string(5 + minute) +
          ":00:00','')");
    }
  }

  void add_latency(const std::string& script, const std::string& name, const std::string& hour,
                   const std::vector<int>& ms) {
    model::LatencySummary summary;
    for (const int one : ms) summary.add(std::int64_t{one} * 1'000'000, 200);
    std::string bytes;
    model::ByteWriter writer(bytes);
    summary.encode(writer);
    const std::vector<sql::Value> params{script, name, hour, hour, bytes};
    const auto done = sql->execute(
        "INSERT INTO dd_window_state (profile_id, metric_type, script_name, name, window_type, "
        "window_start, "
        "window_end, state) VALUES (7,'system',?,?,'hour',?,? + INTERVAL 1 HOUR,?)",
        params);
    if (!done) throw std::runtime_error(done.error().message);
  }
};

struct ApiRest : testing::Test {
  static void SetUpTestSuite() { stage = new Stage; }
  static void TearDownTestSuite() {
    delete stage;
    stage = nullptr;
  }
  HttpReply get(const std::string& target, const std::string& headers = "") {
    return RawHttp(stage->server->port()).get(target, headers);
  }
  JsonValue json(const std::string& target) {
    const HttpReply reply = get(target);
    EXPECT_EQ(reply.status, 200) << target << reply.body;
    auto value = JsonValue::parse(reply.body);
    EXPECT_TRUE(value) << reply.body;
    return value ? *value : JsonValue{};
  }
  static Stage* stage;
};
Stage* ApiRest::stage = nullptr;

// A member's number as written, "null", or "-" when it is not there.
std::string num(const JsonValue& json, std::string_view name) {
  const JsonValue* value = json.find(name);
  if (value == nullptr) return "-";
  if (value->is_null()) return "null";
  const auto e8 = value->as_e8();
  return e8 && value->as_number_text() ? e8_string(*e8) : "not a number";
}
std::string text(const JsonValue& json, std::string_view name) { return json.string_or(name, "-"); }
std::string reason(const JsonValue& json, std::string_view name) {
  const JsonValue* reasons = json.find("reasons");
  return reasons == nullptr ? "-" : text(*reasons, name);
}

const std::string kDay = "from=2026-03-19T00:00:00Z&to=2026-03-20T00:00:00Z";

TEST_F(ApiRest, BreakoutFiguresComeFromRawColumns) {
  const JsonValue body = json("/api/v1/metrics/breakout/7?" + kDay);
  EXPECT_EQ(num(body, "profile_id"), "7");
  EXPECT_EQ(num(body, "total_signals"), "3");
  EXPECT_EQ(num(body, "profitable_trades"), "1");
  EXPECT_EQ(num(body, "losing_trades"), "1");
  EXPECT_EQ(num(body, "flat_trades"), "1");
  EXPECT_EQ(num(body, "success_rate"), "33.33333333");
  EXPECT_EQ(num(body, "avg_profit_per_trade"), "7.16666667") << "(30 − 8.5 + 0)/3";
  EXPECT_EQ(num(body, "avg_slippage"), "0.5");
  EXPECT_EQ(text(*body.find("meta"), "source"), "history");
  EXPECT_EQ(text(*body.find("meta"), "as_of"), "2026-03-19T16:30:00.000000Z");
  EXPECT_EQ(text(*body.find("range"), "from"), "2026-03-19T00:00:00.000000Z");
}

TEST_F(ApiRest, PerformanceCountsEveryTradeAndFallsBackToStoredPnl) {
  const JsonValue body = json("/api/v1/trades/7/performance?" + kDay);
  EXPECT_EQ(num(body, "total_trades"), "5");
  EXPECT_EQ(num(body, "winning_trades"), "2");
  EXPECT_EQ(num(body, "losing_trades"), "2");
  EXPECT_EQ(num(body, "total_pnl"), "-66.16");
  EXPECT_EQ(num(body, "avg_pnl"), "-13.232");
  EXPECT_EQ(num(body, "win_rate"), "40");
  EXPECT_EQ(num(body, "avg_win"), "21.17");
  EXPECT_EQ(num(body, "avg_loss"), "-54.25");
}

TEST_F(ApiRest, RangesAreHalfOpenToTheMicrosecond) {
  EXPECT_EQ(num(json("/api/v1/trades/7/"
                     "performance?from=2026-03-19T14:30:00.000001Z&to=2026-03-19T15:30:00Z"),
                "total_trades"),
            "1");
  EXPECT_EQ(num(json("/api/v1/trades/7/"
                     "performance?from=2026-03-19T14:30:00.0000011Z&to=2026-03-19T15:30:00Z"),
                "total_trades"),
            "0");
  EXPECT_EQ(num(json("/api/v1/trades/7/"
                     "performance?from=2026-03-19T14:00:00Z&to=2026-03-19T14:30:00.000001Z"),
                "total_trades"),
            "0");
}

TEST_F(ApiRest, WithoutTradesTheFourStayZeroAndSayWhy) {
  const JsonValue body = json("/api/v1/trades/9/performance");
  for (const char* name :
       {"total_trades", "win_rate", "avg_pnl", "avg_win", "avg_loss", "total_pnl"}) {
    EXPECT_EQ(num(body, name), "0") << name;
  }
  EXPECT_EQ(reason(body, "win_rate"), "no_trades");
  EXPECT_EQ(num(body, "profit_factor"), "null");
  EXPECT_EQ(reason(body, "profit_factor"), "no_trades");
  const JsonValue breakout = json("/api/v1/metrics/breakout/9");
  EXPECT_EQ(num(breakout, "success_rate"), "null");
  EXPECT_EQ(num(breakout, "total_signals"), "0");
}

TEST_F(ApiRest, WindowsHoldTheSameFigures) {
  const JsonValue body = json("/api/v1/trades/7/performance?window=hour&" + kDay);
  const auto& windows = body.find("windows")->items();
  ASSERT_EQ(windows.size(), 5U);
  EXPECT_EQ(text(windows[0], "window_start"), "2026-03-19T14:00:00.000000Z");
  EXPECT_EQ(num(windows[0], "total_pnl"), "30");
  EXPECT_EQ(num(windows[1], "total_pnl"), "-8.5");
  EXPECT_TRUE(windows[0].find("final")->as_bool());
  const JsonValue week = json("/api/v1/metrics/breakout/7?window=week&" + kDay);
  ASSERT_EQ(week.find("windows")->items().size(), 1U);
  EXPECT_EQ(text(week.find("windows")->items()[0], "window_start"), "2026-03-16T00:00:00.000000Z");
  EXPECT_FALSE(*week.find("windows")->items()[0].find("final")->as_bool());
  EXPECT_EQ(num(week.find("windows")->items()[0], "total_signals"), "3");
}

TEST_F(ApiRest, OrdersCountChains) {
  const JsonValue body = json("/api/v1/metrics/orders/7?" + kDay);
  EXPECT_EQ(num(body, "total_orders"), "3") << "o2 continues o1; o5 began before";
  EXPECT_EQ(num(body, "filled_orders"), "3") << "o1→o2, o3, o5";
  EXPECT_EQ(num(body, "canceled_orders"), "1");
  EXPECT_EQ(num(body, "conversion_rate"), "33.33333333") << "of o1, o3, o5";
  EXPECT_EQ(num(body, "avg_api_latency_ms"), "25");
  EXPECT_EQ(num(body, "api_calls"), "4");
  EXPECT_EQ(num(json("/api/v1/metrics/orders/7?script_name=nobody&" + kDay), "avg_api_latency_ms"),
            "null");
  const JsonValue windows = json("/api/v1/metrics/orders/7?window=day&" + kDay);
  ASSERT_EQ(windows.find("windows")->items().size(), 1U);
  EXPECT_EQ(num(windows.find("windows")->items()[0], "filled_orders"), "3");
}

TEST_F(ApiRest, EquityOfARangeIsItsLastReadingAndItsDrawdown) {
  const JsonValue body = json("/api/v1/metrics/equity/7?" + kDay);
  EXPECT_EQ(num(body, "current_equity"), "990");
  EXPECT_EQ(num(body, "total_pnl"), "-10");
  EXPECT_EQ(num(body, "margin_utilization_pct"), "10");
  EXPECT_EQ(num(body, "open_positions_count"), "2");
  EXPECT_EQ(num(body, "max_drawdown"), "110") << "1100 → 990, more than 1000 → 900";
  EXPECT_EQ(num(body, "max_drawdown_pct"), "10");
  EXPECT_EQ(reason(body, "max_drawdown"), "unadjusted");
  EXPECT_EQ(text(body, "timestamp"), "2026-03-19T16:00:05.000000Z");
  const JsonValue first =
      json("/api/v1/metrics/equity/7?from=2026-03-19T14:00:00Z&to=2026-03-19T14:00:30Z");
  EXPECT_EQ(num(first, "max_drawdown"), "100") << "the level before the range counts";
  EXPECT_EQ(text(*first.find("range"), "to"), "2026-03-19T14:01:00.000000Z");
  const JsonValue none =
      json("/api/v1/metrics/equity/7?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z");
  EXPECT_EQ(num(none, "current_equity"), "null");
  EXPECT_EQ(reason(none, "current_equity"), "no_readings");
  const JsonValue hours = json("/api/v1/metrics/equity/7?window=hour&" + kDay);
  const auto& windows = hours.find("windows")->items();
  ASSERT_EQ(windows.size(), 3U);
  EXPECT_EQ(num(windows[0], "max_drawdown"), "100");
  EXPECT_EQ(num(windows[1], "max_drawdown"), "0");
  EXPECT_EQ(num(windows[2], "max_drawdown"), "110");
}

TEST_F(ApiRest, EquityIsLiveWhereItCanBe) {
  auto redis = stage->redis.client();
  ASSERT_TRUE(redis.run(
      {"SET", "telemetry:equity:7:latest",
       R"({"event_time_ns":"1774020540000000000","timestamp":"2026-03-20T15:29:00.000000Z",)"
       R"("account_equity":"1234.5","unrealized_pnl":"-1","realized_pnl":null,)"
       R"("margin_used":"123.45","margin_available":null,"open_positions_count":1,)"
       R"("metadata":{"a":1}})"}));
  const JsonValue live = json("/api/v1/metrics/equity/7");
  EXPECT_EQ(num(live, "current_equity"), "1234.5");
  EXPECT_EQ(num(live, "total_pnl"), "null");
  EXPECT_EQ(reason(live, "total_pnl"), "not_reported");
  EXPECT_EQ(num(live, "margin_utilization_pct"), "10");
  EXPECT_EQ(num(live, "max_drawdown"), "110");
  EXPECT_EQ(text(*live.find("meta"), "source"), "both");
  EXPECT_EQ(num(*live.find("meta"), "stale_s"), "60");
  EXPECT_EQ(num(*live.find("metadata"), "a"), "1");
  ASSERT_TRUE(redis.run({"DEL", "telemetry:equity:7:latest"}));
  const JsonValue expired = json("/api/v1/metrics/equity/7");
  EXPECT_EQ(num(expired, "current_equity"), "990");
  EXPECT_EQ(text(*expired.find("meta"), "source"), "history");
  EXPECT_EQ(text(*expired.find("meta"), "as_of"), "2026-03-19T16:00:05.000000Z");
}

TEST_F(ApiRest, SystemOfARangeComesFromHours) {
  const HttpReply reply = get("/api/v1/metrics/system/7?" + kDay);
  const auto list = JsonValue::parse(reply.body);
  ASSERT_TRUE(list && list->items().size() == 1U) << reply.body;
  const JsonValue& entry = list->items()[0];
  EXPECT_EQ(text(entry, "script_name"), "order_monitor");
  EXPECT_EQ(text(entry, "status"), "degraded");
  EXPECT_EQ(num(entry, "api_latency_avg_ms"), "25");
  EXPECT_EQ(num(entry, "api_latency_max_ms"), "40");
  EXPECT_EQ(num(entry, "rate_limit_remaining"), "150");
  EXPECT_EQ(num(entry, "error_count"), "3");
  EXPECT_EQ(reply.headers.at("x-source"), "history");
  EXPECT_EQ(reply.headers.at("x-as-of"), "2026-03-19T14:21:00.000000Z");
}

TEST_F(ApiRest, SystemIsLiveAndJudgesScripts) {
  auto redis = stage->redis.client();
  const auto script = [&](const std::string& name, const std::string& state,
                          const std::string& seen) {
    const std::int64_t ns = *model::parse_time(seen);
    ASSERT_TRUE(
        redis.run({"HSET", "telemetry:scripts:7", name,
                   R"({"last_seen":")" + seen + R"(","last_seen_ns":")" + std::to_string(ns) +
                       R"(","state":")" + state + R"(","segment":"s"})"}));
  };
  script("equity_monitor", "offline", "2026-03-20T15:29:00.000000Z");
  script("order_monitor", "online", "2026-03-20T15:29:00.000000Z");
  ASSERT_TRUE(
      redis.run({"SET", "telemetry:health:7:order_monitor:latest",
                 R"({"event_time_ns":"1774020540000000000","status":"healthy","error_count":4,)"
                 R"("warning_count":2,"cpu_usage_pct":"12.5","memory_usage_mb":"80",)"
                 R"("expected_interval_s":60,"metadata":{}})"}));
  const auto list = JsonValue::parse(get("/api/v1/metrics/system/7").body);
  ASSERT_TRUE(list && list->items().size() == 2U);
  EXPECT_EQ(text(list->items()[0], "status"), "offline");
  EXPECT_EQ(text(list->items()[1], "status"), "healthy");
  EXPECT_EQ(num(list->items()[1], "error_count"), "4");
  EXPECT_EQ(num(list->items()[1], "cpu_usage_pct"), "12.5");
  EXPECT_EQ(num(list->items()[1], "rate_limit_remaining"), "150")
      << "the stored one: the live one expired";
  EXPECT_EQ(text(*list->items()[1].find("meta"), "source"), "both");
  const JsonValue health = json("/api/v1/health/7");
  EXPECT_EQ(text(health, "status"), "offline");
  EXPECT_EQ(health.find("scripts")->items().size(), 2U);
  EXPECT_EQ(num(health.find("scripts")->items()[1], "heartbeat_age_s"), "60");
  ASSERT_TRUE(redis.run({"DEL", "telemetry:scripts:7", "telemetry:health:7:order_monitor:latest"}));
  EXPECT_EQ(text(json("/api/v1/health/7"), "status"), "offline") << "known from history alone";
  EXPECT_EQ(text(json("/api/v1/health/12345"), "status"), "unknown");
}

TEST_F(ApiRest, TradesComeNewestFirstWithEveryColumn) {
  const HttpReply reply = get("/api/v1/trades/7?" + kDay);
  const auto list = JsonValue::parse(reply.body);
  ASSERT_TRUE(list && list->items().size() == 5U) << reply.body;
  EXPECT_EQ(text(list->items()[0], "symbol"), "SPY261218C00604000");
  const JsonValue& first = list->items()[4];
  EXPECT_EQ(num(first, "entry_price"), "100");
  EXPECT_EQ(text(first, "exit_time"), "2026-03-19T14:30:00.000001Z");
  EXPECT_EQ(num(*first.find("metadata"), "k"), "1");
  EXPECT_TRUE(list->items()[3].find("metadata")->is_object());
  EXPECT_NE(reply.body.find("\"entry_price\":100.00000000"), std::string::npos) << "exact digits";
  EXPECT_EQ(reply.headers.at("x-as-of"), "2026-03-19T18:30:00.000000Z");
  EXPECT_EQ(reply.headers.count("link"), 0U);
  const auto only = JsonValue::parse(get("/api/v1/trades/7?symbol=BTC%2FUSD&" + kDay).body);
  ASSERT_EQ(only->items().size(), 1U);
}

TEST_F(ApiRest, PagesFollowTheirLinks) {
  std::vector<std::string> ids;
  std::string target = "/api/v1/trades/7?days=30&limit=2";
  for (int page = 0; page < 4 && !target.empty(); ++page) {
    const HttpReply reply = get(target);
    ASSERT_EQ(reply.status, 200) << reply.body;
    const auto list = JsonValue::parse(reply.body);
    for (const auto& item : list->items()) ids.push_back(text(item, "trade_id"));
    const auto link = reply.headers.find("link");
    target = link == reply.headers.end() ? "" : link->second.substr(1, link->second.find('>') - 1);
    if (page == 0) {  // a row inserted meanwhile disturbs nothing
      stage->run(
          "INSERT INTO dd_trade_performance (profile_id, symbol, trade_type, exit_time, trade_id) "
          "VALUES "
          "(7,'SPY','manual','2026-03-19 19:00:00','late')");
    }
  }
  stage->run("DELETE FROM dd_trade_performance WHERE trade_id = 'late'");
  EXPECT_EQ(ids, (std::vector<std::string>{"e", "d", "c", "b", "a"}));
}

TEST_F(ApiRest, GivesCsv) {
  const HttpReply reply = get("/api/v1/trades/7?symbol=IBM&format=csv&" + kDay);
  EXPECT_EQ(reply.headers.at("content-type").substr(0, 8), "text/csv");
  EXPECT_EQ(reply.body.substr(0, 21), "id,profile_id,symbol,");
  EXPECT_NE(reply.body.find(",12.34000000,"), std::string::npos);
}

TEST_F(ApiRest, AnswersNotModified) {
  const std::string target = "/api/v1/trades/7/performance?days=7";
  const HttpReply first = get(target);
  const std::string etag = first.headers.at("etag");
  const HttpReply again = get(target, "If-None-Match: " + etag + "\r\n");
  EXPECT_EQ(again.status, 304);
  EXPECT_TRUE(again.body.empty());
  EXPECT_EQ(get(target, "If-None-Match: W/\"0\"\r\n").status, 200);
}

TEST_F(ApiRest, MetricRowsArePagedToo) {
  const HttpReply reply = get("/api/v1/metrics/7?metric_type=breakout&window=hour&limit=2&" + kDay);
  const auto list = JsonValue::parse(reply.body);
  ASSERT_EQ(list->items().size(), 2U);
  EXPECT_EQ(text(list->items()[0], "window_start"), "2026-03-19T16:00:00.000000Z");
  EXPECT_EQ(num(list->items()[0], "metric_value"), "50");
  ASSERT_EQ(reply.headers.count("link"), 1U);
  const std::string link = reply.headers.at("link");
  const auto rest = JsonValue::parse(get(link.substr(1, link.find('>') - 1)).body);
  EXPECT_EQ(rest->items().size(), 1U);
  EXPECT_EQ(get("/api/v1/metrics/7?metric_type=nonsense").status, 400);
}

TEST_F(ApiRest, SystemHealthShowsTheLedger) {
  const JsonValue body = json("/api/v1/health/system");
  EXPECT_EQ(text(body, "status"), "degraded") << "no sidecar speaks";
  const JsonValue* ledger = body.find("ledger");
  EXPECT_EQ(num(*ledger, "produced"), "10");
  EXPECT_EQ(num(*ledger, "stored"), "9");
  EXPECT_EQ(num(*ledger, "dropped"), "1");
  EXPECT_EQ(num(*ledger, "in_flight"), "null");
  EXPECT_EQ(num(body, "schema_version"), std::to_string(sql::newest_schema_version()));
  auto redis = stage->redis.client();
  ASSERT_TRUE(redis.run({"SADD", "ddt:sidecars", "local"}));
  ASSERT_TRUE(redis.run(
      {"SET", "ddt:{local}:status",
       R"({"event_time_ns":"1774020599000000000","durability":"mysql","lag_s":0.5,)"
       R"("redis":{"lag_s":0.01},"mysql":{"lag_s":0.49},"ledger":{"produced":12,"stored":9,)"
       R"("dropped":1,"rejected":0,"lost":0,"in_flight":2,"residual":0}})"}));
  const JsonValue spoken = json("/api/v1/health/system");
  EXPECT_EQ(text(spoken, "status"), "healthy");
  EXPECT_EQ(text(spoken, "durability"), "mysql");
  EXPECT_EQ(num(*spoken.find("ledger"), "in_flight"), "2");
  EXPECT_EQ(num(*spoken.find("mysql"), "lag_s"), "0.49");
  ASSERT_TRUE(redis.run({"DEL", "ddt:sidecars", "ddt:{local}:status"}));
}

TEST_F(ApiRest, ListsProfilesAndItsOwnSurroundings) {
  const JsonValue body = json("/api/v1/profiles");
  ASSERT_EQ(body.find("profiles")->items().size(), 1U);
  EXPECT_EQ(num(body.find("profiles")->items()[0], "profile_id"), "7");
  EXPECT_EQ(text(json("/api/v1/config"), "ws_url"), "ws://127.0.0.1:8001/ws/metrics/{profile_id}");
  EXPECT_EQ(text(json("/ready"), "status"), "ready");
  EXPECT_EQ(get("/health").body, R"({"status":"healthy","service":"deltadyno-telemetry"})");
  EXPECT_NE(get("/", "Accept: text/html,application/json;q=0.9\r\n").body.find("<h1>"),
            std::string::npos);
  EXPECT_EQ(text(json("/"), "service"), "deltadyno-telemetry");
}

TEST_F(ApiRest, HeadOptionsCorsAndIgnoredParameters) {
  RawHttp client(stage->server->port());
  const HttpReply head = client.ask("HEAD", "/api/v1/trades/7?days=30");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(std::to_string(client.get("/api/v1/trades/7?days=30").body.size()),
            head.headers.at("content-length"));
  const HttpReply options =
      client.ask("OPTIONS", "/api/v1/trades/7",
                 "Origin: https://app.vercel.app\r\nAccess-Control-Request-Method: GET\r\n");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.headers.at("access-control-allow-origin"), "https://app.vercel.app");
  EXPECT_EQ(client.ask("PUT", "/api/v1/trades/7").headers.at("allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(client.get("/api/v1/trades/7?colour=red").headers.at("x-ignored-parameters"), "colour");
  const HttpReply bad = client.get("/api/v1/trades/0?limit=0&days=9999");
  EXPECT_EQ(bad.status, 400);
  for (const char* name : {"profile_id", "limit", "days"}) {
    EXPECT_NE(bad.body.find(name), std::string::npos);
  }
}

// Last: it takes the stores away.
TEST_F(ApiRest, WithoutOneStoreTheOtherStillAnswers) {
  auto redis = stage->redis.client();
  ASSERT_TRUE(redis.run({"SET", "telemetry:equity:7:latest",
                         R"({"event_time_ns":"1774020540000000000","account_equity":"1234.5"})"}));
  stage->redis.kill();
  EXPECT_EQ(num(json("/api/v1/trades/7/performance?" + kDay), "total_trades"), "5");
  const JsonValue without_redis = json("/api/v1/metrics/equity/7");
  EXPECT_EQ(num(without_redis, "current_equity"), "null");
  EXPECT_EQ(reason(without_redis, "current_equity"), "redis_down");
  EXPECT_EQ(num(without_redis, "max_drawdown"), "110");
  const auto system = JsonValue::parse(get("/api/v1/metrics/system/7").body);
  ASSERT_EQ(system->items().size(), 1U);
  EXPECT_EQ(text(system->items()[0], "status"), "unknown");
  EXPECT_EQ(reason(system->items()[0], "error_count"), "redis_down");
  EXPECT_EQ(get("/ready").status, 503);

  stage->redis.start();
  stage->mysql.kill();
  auto again = stage->redis.client();
  ASSERT_TRUE(again.run({"SET", "telemetry:equity:7:latest",
                         R"({"event_time_ns":"1774020540000000000","account_equity":"1234.5"})"}));
  std::this_thread::sleep_for(
      std::chrono::milliseconds(700));  // the reader's pause after a failure
  const JsonValue without_mysql = json("/api/v1/metrics/equity/7");
  EXPECT_EQ(num(without_mysql, "current_equity"), "1234.5");
  EXPECT_EQ(reason(without_mysql, "max_drawdown"), "mysql_down");
  const HttpReply down = get("/api/v1/trades/7");
  EXPECT_EQ(down.status, 503);
  EXPECT_EQ(down.headers.at("content-type"), "application/problem+json");
  EXPECT_EQ(down.headers.count("retry-after"), 1U);
  EXPECT_EQ(down.body.find("dd_trade"), std::string::npos);
  EXPECT_EQ(get("/health").status, 200);
  EXPECT_EQ(get("/api/v1/health/system").status, 200);

  stage->mysql.start();
  std::this_thread::sleep_for(std::chrono::milliseconds(2'100));  // the backoff's longest wait
  EXPECT_EQ(get("/api/v1/trades/7").status, 200);
}

}  // namespace
}  // namespace ddt::api
