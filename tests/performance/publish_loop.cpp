// publish_loop KIND N — publishes N Records of one kind, for test_instructions.py to count under callgrind.
// "none" publishes nothing: what is left is the program's own cost.
//
// Every Record brings its time: which clock there is otherwise depends on the machine.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ddt/telemetry.hpp>
#include <filesystem>
#include <string>
#include <string_view>

namespace {

using namespace ddt;

constexpr std::int64_t kTime = 1'700'000'000'000'000'000;

template <typename Make>
[[gnu::noinline]] bool say(const Telemetry& telemetry, long n, Make make) {
  bool is_ok = true;
  for (long i = 0; i < n; ++i) is_ok = telemetry.publish(make(i)) == Published::ok && is_ok;
  return is_ok;
}

bool run(const Telemetry& telemetry, std::string_view kind, long n) {
  if (kind == "none") return true;
  if (kind == "latency")
    return say(telemetry, n,
               [](long i) { return Latency{.duration_ns = i, .outcome = 200, .stamp_ticks = 1}; });
  if (kind == "metric")
    return say(telemetry, n, [](long i) { return Metric{.value_e8 = i, .stamp_ticks = 1}; });
  if (kind == "equity")
    return say(telemetry, n,
               [](long i) { return Equity{.account_equity_e8 = i, .event_time_ns = kTime}; });
  if (kind == "position")
    return say(telemetry, n, [](long i) {
      return Position{.symbol = "SPY", .side = "buy", .quantity_e8 = i, .event_time_ns = kTime};
    });
  if (kind == "rate_limit")
    return say(telemetry, n, [](long i) {
      return RateLimit{.remaining = i, .limit = 200, .event_time_ns = kTime};
    });
  if (kind == "health")
    return say(telemetry, n, [](long i) {
      return Health{.status = "healthy", .error_count = i, .event_time_ns = kTime};
    });
  if (kind == "signal")
    return say(telemetry, n, [](long i) {
      return Signal{.signal_id = "s-1",
                    .symbol = "SPY",
                    .direction = "upward",
                    .close_price_e8 = i,
                    .event_time_ns = kTime};
    });
  if (kind == "order")
    return say(telemetry, n, [](long i) {
      return Order{.order_id = "o-1",
                   .symbol = "SPY",
                   .order_type = "limit",
                   .side = "buy",
                   .status = "new",
                   .quantity_e8 = i,
                   .event_time_ns = kTime};
    });
  if (kind == "trade")
    return say(telemetry, n, [](long i) {
      return Trade{.symbol = "SPY",
                   .trade_type = "breakout",
                   .side = "buy",
                   .quantity_e8 = i,
                   .entry_price_e8 = i,
                   .exit_price_e8 = i,
                   .exit_reason = "profit_target",
                   .event_time_ns = kTime};
    });
  if (kind == "error")
    return say(telemetry, n, [](long) {
      return ErrorReport{.code = "timeout", .text = "no answer", .event_time_ns = kTime};
    });
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string directory =
      (std::filesystem::temp_directory_path() / ("ddt-loop-" + std::to_string(::getpid())))
          .string();
  // Never destroyed: valgrind 3.19 cannot unmap a shared mapping.
  const auto& telemetry =
      *new Telemetry({.profile_id = 7, .script_name = "loop", .directory = directory});
  const bool is_ok =
      telemetry.is_attached() && run(telemetry, argv[1], std::strtol(argv[2], nullptr, 10));
  if (!is_ok) std::fprintf(stderr, "publish_loop: %s\n", telemetry.status_text().c_str());
  std::filesystem::remove_all(directory);
  ::_exit(is_ok ? 0 : 1);
}
