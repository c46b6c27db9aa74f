// ddt-top: what is going on in the Segments of this host.
#include <locale.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "shm/base/result.hpp"
#include "sidecar/top/dump.hpp"
#include "sidecar/top/options.hpp"
#include "sidecar/top/run.hpp"
#include "sidecar/top/terminal.hpp"

namespace {

int run(const std::vector<std::string>& arguments) {
  using namespace ddt;
  std::vector<std::string> problems;
  const top::Options options = top::parse_options(arguments, environ, problems);
  if (options.wants_help) {
    std::fputs(top::help_text(), stdout);
    return 0;
  }
  if (!problems.empty()) throw StartupError(std::move(problems));
  // Widths of characters, whatever the caller's locale is.
  if (setlocale(LC_CTYPE, "C.UTF-8") == nullptr) setlocale(LC_CTYPE, "");
  if (options.mode == top::Mode::dump) return top::run_dump(options);
  const bool is_live = options.mode == top::Mode::live && top::Terminal::is_usable();
  return is_live ? top::run_live(options) : top::run_once(options);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const ddt::StartupError& error) {
    for (const std::string& problem : error.problems())
      std::fprintf(stderr, "ddt-top: %s\n", problem.c_str());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ddt-top: %s\n", error.what());
    return 1;
  }
}
