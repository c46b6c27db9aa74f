// ddt-sidecar: drains Lanes into Redis, rolls them up into MySQL.
#include <signal.h>
#include <spdlog/spdlog.h>
#include <time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "sidecar/settings.hpp"
#include "sidecar/sidecar.hpp"

namespace {

struct Arguments {
  std::string config;
  std::vector<std::string> settings;
  bool check_config = false;
};

int run(const Arguments& arguments) {
  using namespace ddt;
  const std::vector<model::SettingKey> keys = sidecar::setting_keys();
  constexpr std::string_view kForeign[] = {"api"};
  const model::Settings settings =
      model::load_settings_or_throw(keys, kForeign, arguments.config, arguments.settings, environ);
  sidecar::SidecarConfig config = sidecar::config_from(settings);
  if (auto problems = sidecar::problems_in(settings, config); !problems.empty())
    throw StartupError(std::move(problems));
  if (arguments.check_config) {
    std::fputs(settings.effective_text().c_str(), stdout);
    return 0;
  }
  spdlog::set_level(spdlog::level::from_str(settings.text("sidecar.log_level")));

  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  sidecar::Sidecar sidecar(std::move(config));
  bool is_stopping = false;
  const bool all_stored = sidecar.run([&](std::int64_t timeout_ms) {
    const timespec timeout{.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1'000'000};
    is_stopping = is_stopping || sigtimedwait(&stop_signals, nullptr, &timeout) > 0;
    return is_stopping;
  });
  return all_stored ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App cli{"DeltaDyno Telemetry: the sidecar (shared memory → Redis → MySQL)"};
  Arguments arguments;
  cli.add_option("--config", arguments.config, "TOML file (default: $DDT_CONFIG)");
  cli.add_option("--set", arguments.settings, "key=value, as redis.port=6380; may repeat")
      ->allow_extra_args(false);
  cli.add_flag("--check-config", arguments.check_config, "print the effective values and exit");
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return cli.exit(e) == 0 ? 0 : 2;
  }
  try {
    return run(arguments);
  } catch (const ddt::StartupError& e) {
    for (const std::string& problem : e.problems())
      std::fprintf(stderr, "ddt-sidecar: %s\n", problem.c_str());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "ddt-sidecar: %s\n", e.what());
    return 1;
  }
}
