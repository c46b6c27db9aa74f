#include "bench/system/generator.hpp"

#include <sys/prctl.h>

#include <array>
#include <chrono>
#include <ddt/telemetry.hpp>
#include <memory>
#include <random>

namespace ddt::bench {
namespace {

constexpr std::int64_t kTickNs = 10'000'000;
constexpr std::uint64_t kRecordsPerTurn = 10;
constexpr std::array<std::string_view, 3> kScripts{"profile_listener", "order_monitor",
                                                   "equity_monitor"};
constexpr std::array<std::string_view, 4> kSymbols{"SPY241218C00604000", "SPY241218P00596000",
                                                   "QQQ241218C00520000", "IWM241218C00230000"};

class Bot {
 public:
  Bot(const std::string& directory, std::int32_t profile_id, std::size_t script)
      : telemetry_({.profile_id = profile_id,
                    .script_name = kScripts[script % kScripts.size()],
                    .directory = directory}),
        submit_(telemetry_.name("POST /v2/orders")),
        look_(telemetry_.name("GET /v2/positions")),
        loop_(telemetry_.name("loop_ms")),
        random_(static_cast<std::uint32_t>(profile_id * 8) + static_cast<std::uint32_t>(script)),
        name_(std::to_string(profile_id) + "-" + std::to_string(script) + "-") {}

  // kRecordsPerTurn Records; returns how many were not taken.
  std::uint64_t take_turn() {
    refused_ = 0;
    for (int i = 0; i < 6; ++i)
      say(Latency{.endpoint = i % 2 == 0 ? submit_ : look_,
                  .duration_ns = 2'000'000 + static_cast<std::int64_t>(random_() % 40'000'000),
                  .outcome = 200});
    say(Metric{.name = loop_, .value_e8 = e8_from_int(static_cast<std::int64_t>(random_() % 50))});
    say_states();
    say_fact();
    ++turns_;
    return refused_;
  }

 private:
  template <typename Said>
  void say(const Said& said) {
    if (telemetry_.publish(said) != Published::ok) ++refused_;
  }

  void say_states() {
    const auto equity_e8 = e8_from_int(100'000 + static_cast<std::int64_t>(random_() % 1'000));
    if (turns_ % 2 == 0) {
      say(Equity{.account_equity_e8 = equity_e8,
                 .unrealized_pnl_e8 = e8_from_int(250),
                 .realized_pnl_e8 = e8_from_int(100),
                 .margin_used_e8 = e8_from_int(20'000),
                 .margin_available_e8 = e8_from_int(80'000),
                 .open_positions_count = 2});
      say(Health{.status = "healthy", .expected_interval_s = 60});
    } else {
      say(Position{.symbol = symbol(),
                   .side = "buy",
                   .quantity_e8 = e8_from_int(10),
                   .average_entry_e8 = e8_from_int(2),
                   .current_price_e8 = price_e8(),
                   .market_value_e8 = e8_from_int(2'100),
                   .unrealized_pnl_e8 = e8_from_int(100)});
      say(RateLimit{.remaining = static_cast<std::int64_t>(random_() % 200), .limit = 200});
    }
  }

  // A signal, its order as it is sent and as it is filled, the trade that closes it.
  void say_fact() {
    const std::string id = name_ + std::to_string(turns_ / 4);
    switch (turns_ % 4) {
      case 0:
        return say(Signal{.signal_id = id,
                          .symbol = "SPY",
                          .direction = "upward",
                          .bar_strength_e8 = e8_from_int(1),
                          .close_price_e8 = e8_from_int(604),
                          .fate = "traded"});
      case 1:
      case 2:
        return say(Order{.order_id = id,
                         .signal_id = id,
                         .symbol = symbol(),
                         .order_type = "limit",
                         .side = "buy",
                         .status = turns_ % 4 == 1 ? "new" : "filled",
                         .quantity_e8 = e8_from_int(10),
                         .filled_quantity_e8 = e8_from_int(turns_ % 4 == 1 ? 0 : 10),
                         .limit_price_e8 = e8_from_int(2)});
      default:
        return say(Trade{.symbol = symbol(),
                         .trade_type = "breakout",
                         .side = "buy",
                         .quantity_e8 = e8_from_int(10),
                         .entry_price_e8 = e8_from_int(2),
                         .exit_price_e8 = price_e8(),
                         .reference_price_e8 = e8_from_int(2),
                         .exit_reason = "profit_target",
                         .order_id = id,
                         .signal_id = id});
    }
  }

  std::string_view symbol() const { return kSymbols[turns_ / 4 % kSymbols.size()]; }
  std::int64_t price_e8() {
    return *e8_from_string("1.50") + static_cast<std::int64_t>(random_() % 100) * 1'000'000;
  }

  Telemetry telemetry_;
  NameId submit_, look_, loop_;
  std::minstd_rand random_;
  std::string name_;
  std::uint64_t turns_ = 0, refused_ = 0;
};

}  // namespace

Generator::Generator(GeneratorOptions options) : options_(std::move(options)) {
  for (std::uint32_t thread = 0; thread < options_.threads; ++thread)
    threads_.emplace_back([this, thread] { run(thread); });
  while (ready_ < options_.threads) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

Generator::~Generator() {
  stops_ = may_end_ = true;
  for (std::thread& thread : threads_) thread.join();
}

void Generator::stop() {
  stops_ = true;
  while (ready_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void Generator::run(std::uint32_t thread) {
  ::prctl(PR_SET_TIMERSLACK, 1'000UL, 0UL, 0UL, 0UL);
  std::vector<std::unique_ptr<Bot>> bots;
  const std::int32_t segments = options_.profiles * options_.segments_per_profile;
  for (auto i = static_cast<std::int32_t>(thread); i < segments;
       i += static_cast<std::int32_t>(options_.threads)) {
    bots.push_back(
        std::make_unique<Bot>(options_.directory, i / options_.segments_per_profile + 1,
                              static_cast<std::size_t>(i % options_.segments_per_profile)));
  }
  ++ready_;
  const double turns_per_tick = options_.records_per_second / options_.threads / kRecordsPerTurn *
                                static_cast<double>(kTickNs) / 1e9;
  double owed = 0;
  std::size_t next = 0;
  for (std::int64_t due_ns = monotonic_ns(); !stops_; due_ns += kTickNs) {
    const std::int64_t wait_ns = due_ns - monotonic_ns();
    if (wait_ns > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(wait_ns));
    for (owed += turns_per_tick; owed >= 1; owed -= 1) {
      const std::uint64_t refused = bots[next++ % bots.size()]->take_turn();
      published_ += kRecordsPerTurn;
      refused_ += refused;
    }
  }
  --ready_;
  while (!may_end_) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

}  // namespace ddt::bench
