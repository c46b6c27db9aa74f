// range_bench — how long any range over a year of history takes, through the real ddt-api.
//
// A private MariaDB with a year of one profile (1 million trades, --samples where that is less; bench/history/fill.hpp),
// without --gates also of another with a tenth of the trades; the last hour has news, as the running one has while bots
// trade. Then one client asks every endpoint of metrics and trades about random ranges from an hour to a year, one
// question at a time. The gate is the slowest endpoint's p99. Without --gates also what no state tells apart: the
// performance of one symbol, which is read from its trades as groups are.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <random>
#include <stdexcept>

#include "bench/harness/report.hpp"
#include "bench/harness/timing.hpp"
#include "bench/history/fill.hpp"
#include "bench/http/load.hpp"
#include "bench/system/stores.hpp"
#include "bench/system/verdicts.hpp"
#include "bench/system/workplace.hpp"
#include "sidecar/model/time.hpp"

namespace {

using namespace ddt::bench;
namespace model = ddt::model;

constexpr std::uint64_t kTradesOfGate = 1'000'000;
constexpr std::int32_t kProfile = 1, kSmallProfile = 2;
constexpr std::uint64_t kSmaller = 10;
constexpr int kRanges = 400;  // of fewer the p99 is one hiccup of the machine
constexpr int kRangesOfSmall = 50;

constexpr Gate kGates[] = {
    {"any range over a year of history, slowest endpoint's p99", Gate::at_most, 20, "ms"},
};

struct Endpoint {
  const char* name;
  const char* path;  // {} is the profile
  const char* more;
};
constexpr Endpoint kEndpoints[] = {
    {"breakout", "/api/v1/metrics/breakout/{}", ""},
    {"performance", "/api/v1/trades/{}/performance", ""},
    {"equity", "/api/v1/metrics/equity/{}", ""},
    {"orders", "/api/v1/metrics/orders/{}", ""},
    {"orders of one script", "/api/v1/metrics/orders/{}", "&script_name=order_monitor"},
    {"system", "/api/v1/metrics/system/{}", ""},
    {"trades", "/api/v1/trades/{}", ""},
    {"trades of one symbol", "/api/v1/trades/{}", "&symbol=SPY241218C00354000"},
    {"metrics", "/api/v1/metrics/{}", ""},
    {"metrics, one by day", "/api/v1/metrics/{}",
     "&metric_type=equity&metric_name=win_rate&window=day"},
    {"breakout by month", "/api/v1/metrics/breakout/{}", "&window=month"},
    {"equity by month", "/api/v1/metrics/equity/{}", "&window=month"},
};

constexpr Endpoint kFromTrades[] = {
    {"performance of one symbol", "/api/v1/trades/{}/performance", "&symbol=SPY241218C00354000"},
    {"performance of the symbol with most trades", "/api/v1/trades/{}/performance", "&symbol=SPY"},
};

struct Range {
  std::int64_t from_ns, to_ns;
};

// Lengths from an hour to a year, each order of magnitude as often; anywhere in the year, to the microsecond.
std::vector<Range> random_ranges(const Year& year, int count) {
  std::mt19937_64 dice(42);
  const double hour = static_cast<double>(model::kNsPerHour);
  const double longest = static_cast<double>(year.end_ns() - year.begin_ns);
  std::uniform_real_distribution<double> magnitude(0, std::log(longest / hour));
  std::vector<Range> ranges;
  for (int i = 0; i < count; ++i) {
    const auto length = static_cast<std::int64_t>(hour * std::exp(magnitude(dice)));
    std::uniform_int_distribution<std::int64_t> begin(year.begin_ns, year.end_ns() - length);
    const std::int64_t from_ns = begin(dice);
    ranges.push_back({from_ns, from_ns + length});
  }
  return ranges;
}

std::string target_of(const Endpoint& endpoint, std::int32_t profile_id, const Range& range) {
  std::string target = endpoint.path;
  target.replace(target.find("{}"), 2, std::to_string(profile_id));
  return target + "?from=" + model::rfc3339(range.from_ns) + "&to=" + model::rfc3339(range.to_ns) +
         endpoint.more;
}

// Sorted.
std::vector<double> times_ms(Client& client, const Endpoint& endpoint, std::int32_t profile_id,
                             const std::vector<Range>& ranges) {
  std::vector<double> times;
  for (const Range& range : ranges) {
    const std::string target = target_of(endpoint, profile_id, range);
    const std::int64_t begin_ns = ddt::monotonic_ns();
    client.get(target);
    times.push_back(static_cast<double>(ddt::monotonic_ns() - begin_ns) / 1e6);
  }
  std::ranges::sort(times);
  return times;
}

double percentile(const std::vector<double>& sorted, double percent) {
  return sorted[static_cast<std::size_t>(static_cast<double>(sorted.size() - 1) * percent / 100)];
}

double mean_of(const std::vector<double>& times) {
  return std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(times.size());
}

// To a terminal only, at most ten times a second.
class ProgressLine {
 public:
  ~ProgressLine() {
    if (is_shown_) std::fprintf(stderr, "\r\033[K");
  }
  void operator()(const std::string& what) {
    const std::int64_t now_ns = ddt::monotonic_ns();
    if (!is_terminal_ || now_ns - shown_ns_ < 100'000'000) return;
    shown_ns_ = now_ns;
    is_shown_ = true;
    std::fprintf(stderr, "\r\033[K%s", what.c_str());
  }

 private:
  const bool is_terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool is_shown_ = false;
  std::int64_t shown_ns_ = 0;
};

void fill_all(const Stores& stores, const std::vector<Year>& years, Report& report) {
  ProgressLine line;
  const auto progress = [&line](const std::string& what) { line(what); };
  auto patient = stores.mysql_options();
  patient.io_timeout = std::chrono::minutes(5);
  auto connection = ddt::sql::Connection::connect(patient);
  if (!connection) throw std::runtime_error(connection.error().message);
  ddt::sql::Connection mysql = std::move(*connection);
  const std::int64_t begin_ns = ddt::monotonic_ns();
  prepare(mysql);
  fill(patient, years, progress);
  const std::int64_t filled_ns = ddt::monotonic_ns();
  compute_figures(patient, ddt::wall_ns(), progress);
  for (const Year& year : years) leave_news(mysql, year);
  if (auto done = mysql.run("ANALYZE TABLE dd_trade_performance, dd_orders, dd_signals, "
                            "dd_equity_minute, dd_window_state, dd_telemetry_metrics, "
                            "dd_system_health");
      !done)
    throw std::runtime_error(done.error().message);
  const auto seconds = [](std::int64_t ns) { return static_cast<double>(ns) / 1e9; };
  report.figure("writing the year", seconds(filled_ns - begin_ns), "s");
  report.figure("computing its figures", seconds(ddt::monotonic_ns() - filled_ns), "s");
}

void measure(const Options& options, Report& report, Verdicts& verdicts) {
  const Workplace workplace(options);
  const Stores stores(workplace);
  const std::uint64_t trades = std::min(options.samples, kTradesOfGate);
  const Year year = last_year(kProfile, trades, ddt::wall_ns());
  const Year small = last_year(kSmallProfile, trades / kSmaller, ddt::wall_ns());
  report.heading("ranges", "random ranges from an hour to a year, one question at a time");
  fill_all(stores, options.gates_only ? std::vector{year} : std::vector{year, small}, report);

  const std::uint16_t port = free_port();
  auto settings = stores.settings();
  settings.push_back("api.port=" + std::to_string(port));
  settings.push_back("api.ws_port=" + std::to_string(free_port()));
  Process api(workplace, own_command("ddt-api", settings));
  api.wait_until([&] { return answers(port, "/health"); });
  Client client(port);
  const auto ranges = random_ranges(year, kRanges);
  const std::vector<Range> first_ranges(ranges.begin(), ranges.begin() + kRangesOfSmall);
  // The p99.
  const auto time_of = [&](const Endpoint& endpoint) {
    // Prepares statements and reads pages.
    times_ms(client, endpoint, kProfile, first_ranges);
    const auto times = times_ms(client, endpoint, kProfile, ranges);
    const std::string name = endpoint.name;
    report.figure(name + ", p50", percentile(times, 50), "ms");
    report.figure(name + ", p99", percentile(times, 99), "ms");
    if (!options.gates_only)
      report.figure(name + ", mean / with a tenth of the trades",
                    mean_of(times_ms(client, endpoint, kProfile, first_ranges)) /
                        mean_of(times_ms(client, endpoint, kSmallProfile, first_ranges)),
                    "×");
    return percentile(times, 99);
  };
  double slowest_ms = 0;
  for (const Endpoint& endpoint : kEndpoints) slowest_ms = std::max(slowest_ms, time_of(endpoint));
  verdicts.say(kGates[0], slowest_ms);
  if (options.gates_only) return;
  for (const Endpoint& endpoint : kFromTrades) time_of(endpoint);
}

}  // namespace

int main(int argc, char** argv) { return run_with_gates(argc, argv, kGates, measure); }
