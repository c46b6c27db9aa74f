// live_bench — what a live read costs: GET /api/v1/metrics/equity/{profile}, which dashboards poll, from 64 connections.
//
// The real ddt-api with a private Redis that holds live equity of some profiles, and a private MariaDB without
// history. Beside it, in turns of one run: Pistache answering with as many bytes, and FastAPI (uvicorn with
// uvloop and httptools, as Debian has them) reading the same key. All servers have the one CPU, the client has the
// other; ddt-api and Pistache have ddt-api's two threads each, uvicorn its one process.
#include <ddt/telemetry.hpp>
#include <filesystem>
#include <stdexcept>

#include "bench/harness/report.hpp"
#include "bench/harness/timing.hpp"
#include "bench/http/load.hpp"
#include "bench/system/stores.hpp"
#include "bench/system/verdicts.hpp"
#include "bench/system/workplace.hpp"
#include "sidecar/model/event.hpp"
#include "sidecar/redis/keys.hpp"
#include "sidecar/redis/live.hpp"
#include "sql/migrator.hpp"

namespace {

using namespace ddt::bench;

constexpr std::int32_t kProfiles = 16;
constexpr int kThreads = 2;  // ddt-api's default

constexpr Gate kGates[] = {
    {"live GET of equity, 64 connections / bare Pistache", Gate::at_least, 0.7, "×"},
    {"live GET of equity, 64 connections / FastAPI", Gate::at_least, 3, "×"},
};

std::string target_of(std::int32_t profile_id) {
  return "/api/v1/metrics/equity/" + std::to_string(profile_id);
}

// As the sidecar writes them; they outlive the benchmark.
void write_live_values(ddt::redis::Client& redis) {
  for (std::int32_t profile_id = 1; profile_id <= kProfiles; ++profile_id) {
    ddt::model::EquityEvent equity;
    equity.origin.profile_id = profile_id;
    equity.origin.script_name = "equity_monitor";
    equity.origin.event_time_ns = ddt::wall_ns();
    equity.account_equity_e8 = ddt::e8_from_int(100'000 + profile_id);
    equity.unrealized_pnl_e8 = ddt::e8_from_int(-12) + 34'000'000;
    equity.realized_pnl_e8 = ddt::e8_from_int(1'234) + 56'000'000;
    equity.margin_used_e8 = ddt::e8_from_int(25'000);
    equity.margin_available_e8 = ddt::e8_from_int(75'000);
    equity.open_positions_count = 3;
    const auto done = redis.run({"SET", ddt::redis::LiveKeys().equity(profile_id),
                                 ddt::redis::live_json(equity), "EX", "3600"});
    if (!done) throw std::runtime_error(done.error().message);
  }
}

struct Server {
  std::string name;
  std::uint16_t port = 0;
  std::vector<double> rates = {}, p50_ms = {}, p99_ms = {};
  double body_bytes = 0;

  void measure(std::int64_t duration_ns) {
    LoadOptions options{.port = port, .duration_ns = duration_ns};
    for (std::int32_t id = 1; id <= kProfiles; ++id) options.targets.push_back(target_of(id));
    const Load result = load(options);
    rates.push_back(result.requests_per_s);
    p50_ms.push_back(result.percentile_ms(50));
    p99_ms.push_back(result.percentile_ms(99));
    body_bytes = result.body_bytes;
  }
  void report(Report& report) const {
    report.figure(name + ", requests", median(rates) / 1e3, "k/s");
    report.figure(name + ", p50", median(p50_ms), "ms");
    report.figure(name + ", p99", median(p99_ms), "ms");
  }
};

double median_ratio_of(const std::vector<double>& rates, const std::vector<double>& others) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < rates.size(); ++i) ratios.push_back(rates[i] / others[i]);
  return median(std::move(ratios));
}

std::string beside_us(const std::string& file) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / file).string();
}

bool has_fastapi(const Workplace& workplace) {
  Process look(workplace, {"python3", "-c", "import fastapi, redis.asyncio, uvicorn"});
  return look.wait() == 0;
}

void measure(const Options& options, Report& report, Verdicts& verdicts) {
  pin(options.producer_cpu);  // what is started from here stays there
  const Workplace workplace(options);
  Stores stores(workplace);
  auto mysql = stores.mysql();
  if (auto done = ddt::sql::migrate(mysql); !done) throw std::runtime_error(done.error().message);
  auto redis = stores.redis_client();
  write_live_values(redis);

  Server api{.name = "ddt-api", .port = free_port()};
  auto settings = stores.settings();
  settings.push_back("api.port=" + std::to_string(api.port));
  settings.push_back("api.ws_port=" + std::to_string(free_port()));
  Process api_process(workplace, own_command("ddt-api", settings));
  api_process.wait_until([&] { return answers(api.port, "/health"); });
  const std::string body = fetch_body(api.port, target_of(1));
  if (body.find("\"current_equity\":100001") == std::string::npos ||
      body.find("\"source\":\"both\"") == std::string::npos)
    throw std::runtime_error("not the live value: " + body);

  Server bare{.name = "bare Pistache", .port = free_port()};
  Process bare_process(workplace, {beside_us("bare_pistache"), std::to_string(bare.port),
                                   std::to_string(body.size()), std::to_string(kThreads)});
  bare_process.wait_until([&] { return answers(bare.port, "/"); });
  const bool fastapi_is_there = has_fastapi(workplace);
  Server fastapi{.name = "FastAPI", .port = free_port()};
  std::optional<Process> fastapi_process;
  if (fastapi_is_there) {
    fastapi_process.emplace(
        workplace,
        std::vector<std::string>{"python3", beside_us("fastapi_read.py"),
                                 std::to_string(fastapi.port), stores.redis_options().unix_socket});
    fastapi_process->wait_until([&] { return answers(fastapi.port, target_of(1)); });
  }

  pin(options.consumer_cpu);
  report.heading("live reads",
                 "GET of equity, 64 connections; servers on one CPU, client on the other");
  const int rounds = options.gates_only ? 7 : 15;
  constexpr std::int64_t kTurnNs = 500'000'000;
  for (int round = 0; round < rounds; ++round) {
    api.measure(kTurnNs);
    bare.measure(kTurnNs);
    if (fastapi_is_there) fastapi.measure(kTurnNs);
  }
  api.report(report);
  bare.report(report);
  if (fastapi_is_there) fastapi.report(report);
  verdicts.say(kGates[0], median_ratio_of(api.rates, bare.rates));
  if (!fastapi_is_there)
    throw std::runtime_error("not installed: python3-fastapi python3-uvicorn python3-redis");
  verdicts.say(kGates[1], median_ratio_of(api.rates, fastapi.rates));
}

}  // namespace

int main(int argc, char** argv) { return run_with_gates(argc, argv, kGates, measure); }
