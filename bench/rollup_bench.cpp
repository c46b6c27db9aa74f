// rollup_bench — trades into MySQL: the sidecar's Rollup beside the least that can do it.
//
// The Rollup reads crafted Blocks from the journal in a private Redis, as it does behind a backlog, and commits
// trades, stale Windows and positions. Beside it, in turns and into the same table with all its indexes, a loop of
// 1000-row INSERTs whose text, or whose values, are made beforehand; the faster of the two is the measure. Both
// commit once a round.
#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/system/stores.hpp"
#include "bench/system/verdicts.hpp"
#include "bench/system/workplace.hpp"
#include "shm/base/clock.hpp"
#include "sidecar/model/codec.hpp"
#include "sidecar/model/trades.hpp"
#include "sidecar/redis/journal.hpp"
#include "sidecar/rollup/rollup.hpp"
#include "sql/migrator.hpp"

namespace {

using namespace ddt::bench;
using ddt::monotonic_ns;
using ddt::model::Block;
using ddt::model::TradeEvent;

constexpr Gate kGates[] = {
    {"trades into MySQL, Rollup / bare INSERT loop", Gate::at_least, 0.7, "x"}};

constexpr std::size_t kRounds = 7;
constexpr std::uint32_t kLanes = 100;
constexpr std::size_t kTradesPerBlock = 10;
constexpr std::size_t kBlocksPerEntry = 10;
constexpr std::size_t kTradesPerRound = 20'000;
constexpr std::size_t kRowsPerInsert = 1'000;
constexpr std::uint64_t kLinesPerTrade = 4;

template <typename T>
T value_or_throw(ddt::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

// Trades with what bots say; `series` keeps their ids apart.
class Trades {
 public:
  explicit Trades(char series) : series_(series) {}

  TradeEvent next(std::int32_t profile_id, std::uint64_t position) {
    const std::int64_t now_ns = ddt::wall_ns();
    TradeEvent trade;
    trade.origin = {.profile_id = profile_id,
                    .script_name = "order_monitor",
                    .position = position,
                    .event_time_ns = now_ns,
                    .metadata = {}};
    const std::string number = series_ + std::to_string(number_++);
    trade.symbol = "SPY241218C00604000";
    trade.trade_type = "breakout";
    trade.side = "buy";
    trade.exit_reason = "profit_target";
    trade.direction = "upward";
    trade.trade_id = "t-" + number;
    trade.order_id = "o-" + number;
    trade.signal_id = "s-" + number;
    trade.quantity_e8 = ddt::e8_from_int(10);
    trade.multiplier_e8 = ddt::e8_from_int(100);
    trade.entry_price_e8 = ddt::e8_from_int(2);
    trade.exit_price_e8 =
        ddt::e8_from_int(2) + static_cast<std::int64_t>(number_ % 100) * 1'000'000;
    trade.reference_price_e8 = ddt::e8_from_int(2);
    trade.fees_e8 = ddt::e8_from_int(1);
    trade.bar_strength_e8 = ddt::e8_from_int(1);
    trade.candle_size_e8 = ddt::e8_from_int(1);
    trade.entry_time_ns = now_ns - 60'000'000'000;
    trade.exit_time_ns = now_ns;
    return trade;
  }

 private:
  char series_;
  std::uint64_t number_ = 0;
};

// ── the bare loop ────────────────────────────────────────────────────────────────────────────────────

constexpr std::string_view kBareHead =
    "INSERT INTO dd_trade_performance (profile_id, symbol, trade_type, side, entry_price, "
    "exit_price, "
    "reference_price, quantity, multiplier, fees, pnl, pnl_pct, slippage, entry_time, exit_time, "
    "duration_seconds, bar_strength, candle_size, direction, exit_reason, trade_id, order_id, "
    "signal_id, script_name, event_time, segment_id, lane, position) VALUES ";
constexpr std::size_t kBareColumns = 28;

std::vector<ddt::sql::Value> values_of(const TradeEvent& trade, const ddt::model::LaneName& lane) {
  const auto row = ddt::model::row_of(trade, lane.segment_id, lane.lane);
  const auto decimal = [](auto value_e8) { return ddt::decimal_string(value_e8, 8); };
  return {static_cast<std::int64_t>(trade.origin.profile_id),
          trade.symbol,
          trade.trade_type,
          trade.side,
          decimal(trade.entry_price_e8),
          decimal(trade.exit_price_e8),
          decimal(trade.reference_price_e8),
          decimal(trade.quantity_e8),
          decimal(trade.multiplier_e8),
          decimal(trade.fees_e8),
          decimal(*ddt::model::pnl_e8(row)),
          decimal(*ddt::model::pnl_pct_e8(row)),
          decimal(*ddt::model::slippage_e8(row)),
          ddt::model::mysql_datetime(trade.entry_time_ns),
          ddt::model::mysql_datetime(trade.exit_time_ns),
          ddt::decimal_string(*ddt::model::duration_us(row), 6),
          decimal(trade.bar_strength_e8),
          decimal(trade.candle_size_e8),
          trade.direction,
          trade.exit_reason,
          trade.trade_id,
          trade.order_id,
          trade.signal_id,
          trade.origin.script_name,
          ddt::model::mysql_datetime(trade.origin.event_time_ns),
          std::string(lane.segment_id.begin(), lane.segment_id.end()),
          static_cast<std::int64_t>(lane.lane),
          trade.origin.position};
}

std::string literal(const ddt::sql::Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return std::to_string(*number);
  return "'" + std::get<std::string>(value) + "'";
}

class BareLoop {
 public:
  BareLoop(ddt::sql::Connection mysql, bool is_prepared)
      : mysql_(std::move(mysql)),
        is_prepared_(is_prepared),
        trades_(is_prepared ? 'p' : 'q'),
        sql_(ddt::sql::multi_row(kBareHead, kBareColumns, kRowsPerInsert)) {
    lane_.segment_id.fill(is_prepared ? 'p' : 'q');
  }

  // Rows a second.
  double round() {
    std::vector<std::vector<ddt::sql::Value>> values;
    std::vector<std::string> texts;
    for (std::size_t made = 0; made < kTradesPerRound; made += kRowsPerInsert) {
      is_prepared_ ? values.push_back(next_values()) : texts.push_back(next_text());
    }
    const std::int64_t begin_ns = monotonic_ns();
    must(mysql_.begin());
    for (const auto& rows : values) value_or_throw(mysql_.execute(sql_, rows));
    for (const auto& text : texts) must(mysql_.run(text));
    must(mysql_.commit());
    return kTradesPerRound * 1e9 / static_cast<double>(monotonic_ns() - begin_ns);
  }

 private:
  static void must(const ddt::Status& status) { value_or_throw(status); }

  std::vector<ddt::sql::Value> next_row() {
    const auto profile_id = static_cast<std::int32_t>(position_ / kTradesPerBlock % kLanes) + 1;
    lane_.lane = static_cast<std::uint32_t>(profile_id - 1);
    return values_of(trades_.next(profile_id, position_++), lane_);
  }
  std::vector<ddt::sql::Value> next_values() {
    std::vector<ddt::sql::Value> values;
    for (std::size_t i = 0; i < kRowsPerInsert; ++i)
      std::ranges::move(next_row(), std::back_inserter(values));
    return values;
  }
  std::string next_text() {
    std::string text(kBareHead);
    for (std::size_t i = 0; i < kRowsPerInsert; ++i) {
      text += i == 0 ? "(" : ",(";
      bool is_first = true;
      for (const ddt::sql::Value& value : next_row()) {
        if (!std::exchange(is_first, false)) text += ',';
        text += literal(value);
      }
      text += ')';
    }
    return text;
  }

  ddt::sql::Connection mysql_;
  bool is_prepared_;
  Trades trades_;
  std::string sql_;
  ddt::model::LaneName lane_;
  std::uint64_t position_ = 0;
};

// ── the Rollup ───────────────────────────────────────────────────────────────────────────────────────

class RollupLoop {
 public:
  RollupLoop(const Workplace& workplace, const Stores& stores)
      : writer_(value_or_throw(ddt::redis::JournalWriter::connect(
            stores.redis_options(), ddt::redis::SidecarKeys(Stores::kSidecarId)))),
        rollup_({.redis = stores.redis_options(),
                 .mysql = stores.mysql_options(),
                 .sidecar_id = Stores::kSidecarId,
                 .directory = workplace.telemetry_directory()},
                exchange_),
        positions_(kLanes, 0),
        ordinals_(kLanes, 0) {
    value_or_throw(rollup_.connect_mysql());
  }

  double round() {
    for (std::size_t made = 0; made < kTradesPerRound; made += kTradesPerBlock * kBlocksPerEntry)
      append_entry();
    const std::uint64_t facts_before = rollup_.counters().facts;
    const std::uint64_t transactions_before = rollup_.counters().transactions;
    const std::int64_t begin_ns = monotonic_ns();
    while (rollup_.work(monotonic_ns()) > 0) {
    }
    const double wall_ns = static_cast<double>(monotonic_ns() - begin_ns);
    if (rollup_.counters().facts != facts_before + kTradesPerRound ||
        rollup_.counters().retries > 0)
      throw std::runtime_error("the Rollup did not store what it was given");
    transactions_ = rollup_.counters().transactions - transactions_before;
    return kTradesPerRound * 1e9 / wall_ns;
  }
  std::uint64_t transactions() const noexcept { return transactions_; }

 private:
  void append_entry() {
    std::vector<Block> blocks;
    std::vector<ddt::redis::LanePosition> moved;
    for (std::size_t i = 0; i < kBlocksPerEntry; ++i) {
      blocks.push_back(next_block(next_lane_++ % kLanes));
      moved.push_back({blocks.back().lane, blocks.back().to});
    }
    value_or_throw(writer_.append(ddt::model::encode_entry(blocks), moved, {}));
  }

  Block next_block(std::uint32_t lane) {
    Block block;
    block.lane.segment_id.fill('r');
    block.lane.lane = lane;
    block.segment_name = "seg-bench";
    block.profile_id = static_cast<std::int32_t>(lane) + 1;
    block.script_name = "order_monitor";
    block.from = positions_[lane];
    block.to = positions_[lane] += kTradesPerBlock * kLinesPerTrade;
    block.ordinal_from = ordinals_[lane];
    block.ordinal_to = ordinals_[lane] += kTradesPerBlock;
    block.facts = kTradesPerBlock;
    block.counts.produced = block.ordinal_to;
    for (std::size_t i = 0; i < kTradesPerBlock; ++i)
      block.fact_events.emplace_back(
          trades_.next(block.profile_id, block.from + i * kLinesPerTrade));
    return block;
  }

  ddt::redis::JournalWriter writer_;
  ddt::sidecar::Exchange exchange_;
  ddt::sidecar::Rollup rollup_;
  Trades trades_{'r'};
  std::vector<std::uint64_t> positions_, ordinals_;
  std::uint32_t next_lane_ = 0;
  std::uint64_t transactions_ = 0;
};

void measure(const Options& options, Report& report, Verdicts& verdicts) {
  report.heading("rollup", "20,000 trades a round, each with an id, into dd_trade_performance");
  const Workplace workplace(options);
  Stores stores(workplace);
  {
    auto mysql = stores.mysql();
    value_or_throw(ddt::sql::migrate(mysql));
  }
  BareLoop prepared(stores.mysql(), true), plain(stores.mysql(), false);
  RollupLoop rollup(workplace, stores);
  std::vector<double> prepared_rates, plain_rates, rollup_rates, ratios;
  for (std::size_t i = 0; i <= kRounds; ++i) {
    const double by_values = prepared.round(), by_text = plain.round(), by_rollup = rollup.round();
    if (i == 0) continue;  // a warm-up
    prepared_rates.push_back(by_values);
    plain_rates.push_back(by_text);
    rollup_rates.push_back(by_rollup);
    ratios.push_back(by_rollup / std::max(by_values, by_text));
  }
  report.figure("bare INSERT, values bound", median(prepared_rates) / 1e3, "k rows/s");
  report.figure("bare INSERT, as text", median(plain_rates) / 1e3, "k rows/s");
  report.figure("Rollup", median(rollup_rates) / 1e3, "k rows/s");
  report.figure("Rollup's transactions a round", static_cast<double>(rollup.transactions()), "");
  verdicts.say(kGates[0], median(ratios));
}

}  // namespace

int main(int argc, char** argv) { return run_with_gates(argc, argv, kGates, measure); }
