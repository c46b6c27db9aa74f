// sidecar/top/terminal.hpp — a terminal in full-screen use, given back as it was on every way out.
//
// Restored  By the destructor; by a handler when a fatal signal (SEGV, ABRT, BUS, FPE, ILL) ends the
//           process; before a stop (^Z), to be taken again afterwards. Only SIGKILL leaves it as it is.
// Threads   One, and one object: the handlers have nothing but a static to go by.
#pragma once

#include <signal.h>
#include <termios.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ddt::top {

enum class Key : std::uint8_t {
  quit,
  left,
  right,
  reverse,
  up,
  down,
  page_up,
  page_down,
  home,
  end
};

// The keys in what was read; unknown bytes and sequences mean nothing. Pure.
std::vector<Key> keys_of(std::string_view bytes);

class Terminal {
 public:
  // Whether standard output can be used so: a terminal that is not dumb.
  static bool is_usable();

  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  struct Size {
    std::size_t columns, lines;
  };
  Size size() const;

  // Draws a whole screen. False when the terminal is gone.
  bool draw(const std::vector<std::string>& lines);

  struct Heard {
    std::vector<Key> keys;
    bool is_resized = false;
    int end_signal = 0;  // INT, TERM, HUP or QUIT: end with it, after restoring
    bool is_gone = false;
  };
  // Waits for a key or a signal, at most so long.
  Heard wait(std::int64_t timeout_ns);

 private:
  void enter();
  void leave();
  void stop_until_continued();

  sigset_t mask_before_{};
  bool reads_keys_ = false;
};

}  // namespace ddt::top
