// visible_bench — how long after a publish its reader sees it: in Redis, and as a client of the WebSocket.
//
// Real processes: ddt-sidecar, ddt-api, a private Redis and MariaDB; the benchmark is the bots, a subscriber of
// Redis and the WebSocket clients, one a profile. Trades, because each is told of and none is conflated away;
// each carries its number. They come at random, 200 a second: half of them from one profile, which so stays above
// the WebSocket's 20 messages a second and waits for its turn, the others from nine that stay below.
#include <sys/prctl.h>

#include <algorithm>
#include <cmath>
#include <ddt/telemetry.hpp>
#include <memory>
#include <optional>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/system/stores.hpp"
#include "bench/system/verdicts.hpp"
#include "bench/system/workplace.hpp"
#include "bench/system/ws_listener.hpp"

namespace {

using namespace ddt::bench;
using ddt::monotonic_ns;

constexpr Gate kGates[] = {{"publish to Redis, p99", Gate::at_most, 15, "ms"},
                           {"publish to WebSocket client, p99", Gate::at_most, 60, "ms"}};
const Gate& kRedisGate = kGates[0];
const Gate& kWebSocketGate = kGates[1];

constexpr std::int32_t kProfiles = 10;  // the first is the busy one
constexpr double kPublishesPerSecond = 200;
constexpr std::size_t kWarmUp = 100;
constexpr std::size_t kSamples = 2'400;
constexpr std::int64_t kPatienceNs = 5'000'000'000;

struct Arrival {
  std::size_t number;
  std::int64_t at_ns;
};

// A listener's notes, whichever thread it has: how many there are, and at the end what they are.
class Arrivals {
 public:
  // Every trade that a message of the live channel or of the WebSocket tells of.
  void note(std::string_view text, std::int64_t at_ns) {
    constexpr std::string_view kBefore = "\"trade_id\":\"";
    for (std::size_t at = 0; (at = text.find(kBefore, at)) != std::string_view::npos;) {
      at += kBefore.size();
      arrivals_.push_back({std::stoull(std::string(text.substr(at, 20))), at_ns});
    }
    count_ = arrivals_.size();
  }
  std::size_t count() const noexcept { return count_; }
  const std::vector<Arrival>& all() const noexcept { return arrivals_; }

 private:
  std::vector<Arrival> arrivals_;
  std::atomic<std::size_t> count_{0};
};

class RedisListener {
 public:
  explicit RedisListener(const Stores& stores, Arrivals& arrivals) {
    auto subscriber = ddt::redis::Subscriber::connect(stores.redis_options());
    if (!subscriber || !subscriber->subscribe_pattern("telemetry:live:*"))
      throw std::runtime_error("cannot subscribe");
    thread_ = std::thread([this, &arrivals, own = std::move(*subscriber)]() mutable {
      while (!stops_ && own.is_open()) {
        const auto message = own.next(std::chrono::milliseconds(50));
        if (!message || !*message) continue;
        const std::int64_t now_ns = monotonic_ns();
        for (const auto line : std::views::split((*message)->payload, '\n'))
          arrivals.note(std::string(line.begin(), line.end()), now_ns);
      }
    });
  }
  ~RedisListener() {
    stops_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stops_{false};
  std::thread thread_;
};

class Bots {
 public:
  explicit Bots(const std::string& directory) {
    for (std::int32_t profile = 1; profile <= kProfiles; ++profile)
      bots_.push_back(std::make_unique<ddt::Telemetry>(ddt::TelemetryOptions{
          .profile_id = profile, .script_name = "order_monitor", .directory = directory}));
  }

  // Publishes trade number published().size() when it is due.
  void publish_next() {
    std::exponential_distribution<double> gap_s(kPublishesPerSecond);
    due_ns_ = std::max(due_ns_, monotonic_ns() - 1'000'000) +
              static_cast<std::int64_t>(gap_s(random_) * 1e9);
    const std::int64_t wait_ns = due_ns_ - monotonic_ns();
    if (wait_ns > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(wait_ns));
    std::uniform_int_distribution<std::size_t> others(1, kProfiles - 1);
    const std::size_t bot = random_() % 2 == 0 ? 0 : others(random_);
    const std::string number = std::to_string(published_.size());
    published_.push_back({bot, monotonic_ns()});
    const ddt::Published said =
        bots_[bot]->publish(ddt::Trade{.symbol = "SPY241218C00604000",
                                       .trade_type = "breakout",
                                       .side = "buy",
                                       .quantity_e8 = ddt::e8_from_int(10),
                                       .entry_price_e8 = ddt::e8_from_int(2),
                                       .exit_price_e8 = ddt::e8_from_int(3),
                                       .exit_reason = "profit_target",
                                       .trade_id = number});
    if (said != ddt::Published::ok) throw std::runtime_error("a publish was not taken");
  }

  struct Publish {
    std::size_t bot;
    std::int64_t at_ns;
  };
  const std::vector<Publish>& published() const noexcept { return published_; }

 private:
  std::vector<std::unique_ptr<ddt::Telemetry>> bots_;
  std::vector<Publish> published_;
  std::minstd_rand random_{7};
  std::int64_t due_ns_ = 0;
};

void wait_for(const Arrivals& arrivals, std::size_t count, const char* where) {
  const std::int64_t give_up_ns = monotonic_ns() + kPatienceNs;
  while (arrivals.count() < count) {
    if (monotonic_ns() > give_up_ns)
      throw std::runtime_error(std::to_string(count - arrivals.count()) + " of " +
                               std::to_string(count) + " trades did not arrive at " + where);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// Sorted ms of the trades after the warm-up, of all bots or of one half of them.
enum class Whose { all, busy, others };
std::vector<double> delays_ms(const Arrivals& arrivals, const Bots& bots, Whose whose) {
  std::vector<double> delays;
  for (const Arrival& arrival : arrivals.all()) {
    const Bots::Publish& publish = bots.published().at(arrival.number);
    const bool is_wanted = whose == Whose::all || (whose == Whose::busy) == (publish.bot == 0);
    if (arrival.number < kWarmUp || !is_wanted) continue;
    delays.push_back(static_cast<double>(arrival.at_ns - publish.at_ns) / 1e6);
  }
  std::ranges::sort(delays);
  return delays;
}

double percentile(const std::vector<double>& sorted, double percent) {
  const auto rank =
      static_cast<std::size_t>(std::ceil(percent / 100 * static_cast<double>(sorted.size())));
  return sorted.at(std::max<std::size_t>(rank, 1) - 1);
}

double say(Report& report, const std::string& name, const std::vector<double>& sorted) {
  report.figure(name + ", p50", percentile(sorted, 50), "ms");
  report.figure(name + ", p99", percentile(sorted, 99), "ms");
  report.figure(name + ", max", sorted.back(), "ms");
  return percentile(sorted, 99);
}

void measure(const Options& options, Report& report, Verdicts& verdicts) {
  report.heading("visible",
                 "from publish to its reader, 200 trades a second, half from one profile");
  const Workplace workplace(options);
  Stores stores(workplace);
  std::vector<std::string> settings = stores.settings();
  settings.push_back("telemetry.dir=" + workplace.telemetry_directory());
  Process sidecar(workplace, own_command("ddt-sidecar", settings));
  const std::uint16_t port = free_port(), ws_port = free_port();
  settings = stores.settings();
  settings.push_back("api.port=" + std::to_string(port));
  settings.push_back("api.ws_port=" + std::to_string(ws_port));
  Process api(workplace, own_command("ddt-api", settings));

  Arrivals in_redis, at_client;
  std::vector<std::int32_t> profiles;
  for (std::int32_t profile = 1; profile <= kProfiles; ++profile) profiles.push_back(profile);
  std::optional<WsListener> clients;
  api.wait_until([&] {
    try {
      clients.emplace(ws_port, profiles, [&](std::string_view text, std::int64_t at_ns) {
        at_client.note(text, at_ns);
      });
    } catch (const std::exception&) {
    }
    return clients.has_value();
  });
  const RedisListener redis_listener(stores, in_redis);

  ::prctl(PR_SET_TIMERSLACK, 1'000UL, 0UL, 0UL, 0UL);
  Bots bots(workplace.telemetry_directory());
  for (std::size_t i = 0; i < kWarmUp + kSamples; ++i) {
    bots.publish_next();
    if (i + 1 == kWarmUp) wait_for(at_client, kWarmUp, "the WebSocket");
  }
  wait_for(in_redis, kWarmUp + kSamples, "Redis");
  wait_for(at_client, kWarmUp + kSamples, "the WebSocket");
  clients.reset();

  const double redis_p99 = say(report, "to Redis", delays_ms(in_redis, bots, Whose::all));
  const double client_p99 =
      say(report, "to WebSocket client", delays_ms(at_client, bots, Whose::all));
  say(report, "to WebSocket client, busy profile", delays_ms(at_client, bots, Whose::busy));
  say(report, "to WebSocket client, others", delays_ms(at_client, bots, Whose::others));
  verdicts.say(kRedisGate, redis_p99);
  verdicts.say(kWebSocketGate, client_p99);
}

}  // namespace

int main(int argc, char** argv) { return run_with_gates(argc, argv, kGates, measure); }
