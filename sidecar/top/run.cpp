#include "sidecar/top/run.hpp"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>

#include "shm/base/clock.hpp"
#include "sidecar/top/asker.hpp"
#include "sidecar/top/sampler.hpp"
#include "sidecar/top/table.hpp"
#include "sidecar/top/terminal.hpp"
#include "sidecar/top/view.hpp"

namespace ddt::top {
namespace {

class Watch {
 public:
  explicit Watch(const Options& options)
      : sampler_(options.directory), model_(options.directory, options.asks_sidecar) {
    if (options.asks_sidecar) asker_.emplace(options.redis, options.sidecar_id);
  }
  void look() { model_.add(sampler_.look()); }
  void ask() {
    if (asker_) model_.hear(asker_->ask(monotonic_ns()));
  }
  View view() const { return model_.view(); }

 private:
  Sampler sampler_;
  Model model_;
  std::optional<Asker> asker_;
};

void scroll(Screen& screen, const View& view, Key key) {
  const std::size_t page = rows_shown(view, screen);
  const std::size_t last = view.rows.size() > page ? view.rows.size() - page : 0;
  std::size_t& row = screen.first_row;
  switch (key) {
    case Key::up:
      row -= row > 0 ? 1 : 0;
      break;
    case Key::down:
      ++row;
      break;
    case Key::page_up:
      row -= std::min(row, page);
      break;
    case Key::page_down:
      row += page;
      break;
    case Key::home:
      row = 0;
      break;
    case Key::end:
      row = last;
      break;
    default:
      break;
  }
  row = std::min(row, last);
}

// True when it means the end.
bool obey(Key key, const View& view, Screen& screen) {
  switch (key) {
    case Key::quit:
      return true;
    case Key::left:
    case Key::right:
      screen.sort = next_sort_key(screen, key == Key::right);
      screen.is_reversed = false;
      break;
    case Key::reverse:
      screen.is_reversed = !screen.is_reversed;
      break;
    default:
      scroll(screen, view, key);
  }
  return false;
}

// Looks, draws, listens until the end. Returns the signal that ended it, or 0.
int watch_until_end(const Options& options, Terminal& terminal) {
  Watch watch(options);
  Screen screen;
  screen.is_live = true;
  const auto interval_ns = static_cast<std::int64_t>(options.interval_s * 1e9);
  std::int64_t next_look_ns = 0;
  View view;
  while (true) {
    const std::int64_t now = monotonic_ns();
    if (now >= next_look_ns) {
      watch.look();
      watch.ask();
      view = watch.view();
      next_look_ns = now + interval_ns;
    }
    const Terminal::Size size = terminal.size();
    screen.columns = size.columns;
    screen.lines = size.lines;
    scroll(screen, view, Key::quit);  // keeps the first row where rows went away
    if (!terminal.draw(table_lines(view, screen))) return 0;
    const Terminal::Heard heard =
        terminal.wait(std::max<std::int64_t>(0, next_look_ns - monotonic_ns()));
    if (heard.end_signal != 0 || heard.is_gone) return heard.end_signal;
    for (const Key key : heard.keys) {
      if (obey(key, view, screen)) return 0;
    }
  }
}

}  // namespace

int run_once(const Options& options) {
  Watch watch(options);
  watch.look();
  if (!watch.view().problem.empty()) {
    std::fprintf(stderr, "ddt-top: %s\n", watch.view().problem.c_str());
    return 1;
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(options.interval_s));
  watch.look();
  watch.ask();
  const View view = watch.view();
  if (!view.problem.empty()) {
    std::fprintf(stderr, "ddt-top: %s\n", view.problem.c_str());
    return 1;
  }
  if (options.is_json) {
    std::puts(to_json(view).c_str());
  } else {
    Screen screen;
    winsize window{};
    if (::isatty(STDOUT_FILENO) == 1 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0)
      screen.columns = window.ws_col;
    for (const std::string& line : table_lines(view, screen)) std::puts(line.c_str());
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}

int run_live(const Options& options) {
  int signal_number = 0;
  {
    Terminal terminal;
    signal_number = watch_until_end(options, terminal);
  }
  if (signal_number != 0) ::raise(signal_number);  // our parent is to see what ended us
  return 0;
}

}  // namespace ddt::top
