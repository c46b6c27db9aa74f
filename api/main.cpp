// ddt-api: options → settings → WebSocket, API and its server → until SIGTERM or SIGINT.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <fstream>

#include "api/app.hpp"
#include "api/server.hpp"
#include "api/settings.hpp"
#include "api/ws/server.hpp"

namespace {

struct Arguments {
  std::string config, port_file;
  std::vector<std::string> settings;
  bool check_config = false;
};

// Writes the ports in one rename, so that who waits for the file reads it whole.
ddt::Status write_port_file(const std::string& path, std::uint16_t port, std::uint16_t ws_port) {
  const std::string temporary = path + ".new";
  std::ofstream file(temporary, std::ios::trunc);
  file << port << "\n" << ws_port << "\n";
  file.close();
  if (!file || std::rename(temporary.c_str(), path.c_str()) != 0) {
    return ddt::Error{"api: cannot write " + path};
  }
  return ddt::Done{};
}

int run(const Arguments& arguments) {
  using namespace ddt::api;
  const auto settings = load_or_throw(arguments.config, arguments.settings, environ);
  ProcessOptions options = options_from(settings);
  if (arguments.check_config) {
    std::fputs(settings.effective_text().c_str(), stdout);
    return 0;
  }

  // Blocked before any thread starts: all of them inherit it, and only sigwait gets them.
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);

  WsServer ws(options.ws);
  if (auto started = ws.start(); !started) throw ddt::StartupError(started.error().message);
  options.api.ws_port = ws.port();
  const App app(options.api);
  Server server(options.server, [&app](const Request& request) { return app.handle(request); });
  if (auto started = server.start(); !started) throw ddt::StartupError(started.error().message);
  if (!arguments.port_file.empty()) {
    if (auto written = write_port_file(arguments.port_file, server.port(), ws.port()); !written) {
      throw ddt::StartupError(written.error().message);
    }
  }
  std::printf("ddt-api: http://%s:%u ws://%s:%u\n", options.server.bind.c_str(),
              unsigned{server.port()}, options.server.bind.c_str(), unsigned{ws.port()});
  std::fflush(stdout);

  int signal = 0;
  sigwait(&stop_signals, &signal);
  server.stop();
  ws.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App cli{"DeltaDyno Telemetry: the REST and WebSocket API"};
  Arguments arguments;
  cli.add_option("--config", arguments.config, "TOML file (default: $DDT_CONFIG)");
  cli.add_option("--set", arguments.settings, "key=value, as api.port=8000; may repeat")
      ->allow_extra_args(false);
  cli.add_option("--port-file", arguments.port_file, "write the chosen ports here");
  cli.add_flag("--check-config", arguments.check_config, "print the effective values and exit");
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return cli.exit(e) == 0 ? 0 : 2;
  }
  try {
    return run(arguments);
  } catch (const ddt::StartupError& e) {
    for (const std::string& problem : e.problems()) {
      std::fprintf(stderr, "ddt-api: %s\n", problem.c_str());
    }
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "ddt-api: %s\n", e.what());
    return 1;
  }
}
