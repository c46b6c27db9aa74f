// ddt-replay: bots for the demo and the tests.
#include <cstdio>
#include <string>
#include <vector>

#include "bench/replay/bot.hpp"
#include "bench/replay/options.hpp"
#include "bench/replay/oracle.hpp"
#include "bench/replay/supervisor.hpp"
#include "shm/base/result.hpp"

namespace {

int run(const std::vector<std::string>& arguments) {
  std::vector<std::string> problems;
  const ddt::replay::Options options = ddt::replay::parse_options(arguments, problems);
  if (options.wants_help) {
    std::fputs(ddt::replay::help_text(), stdout);
    return 0;
  }
  const ddt::replay::Market market = ddt::replay::load_market(options, problems);
  if (!options.oracle.empty()) {
    if (const auto oracle = ddt::replay::OracleFile::open(options.oracle); !oracle)
      problems.push_back(oracle.error().message);
  }
  if (!problems.empty()) throw ddt::StartupError(std::move(problems));
  return options.role == ddt::replay::Role::bot ? ddt::replay::run_bot(options, market)
                                                : ddt::replay::run_supervisor(options);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const ddt::StartupError& error) {
    for (const std::string& problem : error.problems())
      std::fprintf(stderr, "ddt-replay: %s\n", problem.c_str());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ddt-replay: %s\n", error.what());
    return 1;
  }
}
