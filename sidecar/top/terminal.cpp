#include "sidecar/top/terminal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace ddt::top {
namespace {

// Another screen, no cursor, no wrapping; and back.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J";
constexpr std::string_view kLeave = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

constexpr std::array kEndSignals{SIGINT, SIGTERM, SIGHUP, SIGQUIT};
constexpr std::array kFatalSignals{SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};

// A signal handler has no other way to know: what to restore, and what came.
struct State {
  termios before{};
  std::atomic<bool> is_taken{false};
  std::atomic<int> end_signal{0};
  std::atomic<bool> is_resized{false}, is_stop_asked{false};
};
State g_state;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

// Async-signal-safe.
void restore() {
  if (!g_state.is_taken.exchange(false)) return;
  std::string_view rest = kLeave;
  while (!rest.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (written < 0 && errno != EINTR) break;
    if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
  }
  ::tcsetattr(STDIN_FILENO, TCSANOW, &g_state.before);
}

void on_fatal(int number) {
  restore();
  ::signal(number, SIG_DFL);
  ::raise(number);
}

void on_signal(int number) {
  if (number == SIGWINCH) {
    g_state.is_resized = true;
  } else if (number == SIGTSTP) {
    g_state.is_stop_asked = true;
  } else {
    g_state.end_signal = number;
  }
}

void handle(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(number, &action, nullptr);
}

struct Sequence {
  std::string_view bytes;
  Key key;
};
constexpr std::array kSequences{
    Sequence{"\x1b[A", Key::up},       Sequence{"\x1bOA", Key::up},
    Sequence{"\x1b[B", Key::down},     Sequence{"\x1bOB", Key::down},
    Sequence{"\x1b[C", Key::right},    Sequence{"\x1bOC", Key::right},
    Sequence{"\x1b[D", Key::left},     Sequence{"\x1bOD", Key::left},
    Sequence{"\x1b[5~", Key::page_up}, Sequence{"\x1b[6~", Key::page_down},
    Sequence{"\x1b[H", Key::home},     Sequence{"\x1b[F", Key::end},
    Sequence{"\x1b[1~", Key::home},    Sequence{"\x1b[4~", Key::end},
    Sequence{"q", Key::quit},          Sequence{"Q", Key::quit},
    Sequence{"<", Key::left},          Sequence{">", Key::right},
    Sequence{"r", Key::reverse},       Sequence{"k", Key::up},
    Sequence{"j", Key::down},          Sequence{" ", Key::page_down},
    Sequence{"b", Key::page_up},       Sequence{"g", Key::home},
    Sequence{"G", Key::end},
};

// Bytes of the escape sequence at the front (ECMA-48: CSI parameters final), or 1.
std::size_t sequence_bytes(std::string_view bytes) {
  if (bytes.size() < 2 || bytes[0] != '\x1b' || bytes[1] != '[') return 1;
  std::size_t i = 2;
  while (i < bytes.size() && (bytes[i] < 0x40 || bytes[i] > 0x7e)) ++i;
  return i < bytes.size() ? i + 1 : i;
}

}  // namespace

std::vector<Key> keys_of(std::string_view bytes) {
  std::vector<Key> keys;
  while (!bytes.empty()) {
    std::size_t taken = sequence_bytes(bytes);
    for (const Sequence& sequence : kSequences) {
      if (!bytes.starts_with(sequence.bytes)) continue;
      keys.push_back(sequence.key);
      taken = sequence.bytes.size();
      break;
    }
    bytes.remove_prefix(taken);
  }
  return keys;
}

bool Terminal::is_usable() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDOUT_FILENO) == 1 && term != nullptr && *term != '\0' &&
         std::strcmp(term, "dumb") != 0;
}

Terminal::Terminal() {
  reads_keys_ = ::isatty(STDIN_FILENO) == 1 && ::tcgetattr(STDIN_FILENO, &g_state.before) == 0;
  // They come only while we wait: nothing has to be safe against them anywhere else.
  sigset_t blocked;
  ::sigemptyset(&blocked);
  for (const int number : kEndSignals) ::sigaddset(&blocked, number);
  ::sigaddset(&blocked, SIGWINCH);
  ::sigaddset(&blocked, SIGTSTP);
  ::sigprocmask(SIG_BLOCK, &blocked, &mask_before_);
  for (const int number : kEndSignals) handle(number, on_signal);
  handle(SIGWINCH, on_signal);
  handle(SIGTSTP, on_signal);
  for (const int number : kFatalSignals) handle(number, on_fatal);
  ::signal(SIGPIPE, SIG_IGN);
  enter();
}

Terminal::~Terminal() {
  leave();
  for (const int number : kEndSignals) ::signal(number, SIG_DFL);
  ::signal(SIGTSTP, SIG_DFL);
  ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
}

void Terminal::enter() {
  if (reads_keys_) {
    termios raw = g_state.before;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);  // ^C and ^Z stay signals
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  g_state.is_taken = true;
  [[maybe_unused]] const ssize_t written = ::write(STDOUT_FILENO, kEnter.data(), kEnter.size());
}

void Terminal::leave() { restore(); }

Terminal::Size Terminal::size() const {
  winsize window{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0 || window.ws_row == 0)
    return {.columns = 80, .lines = 24};
  return {.columns = window.ws_col, .lines = window.ws_row};
}

bool Terminal::draw(const std::vector<std::string>& lines) {
  std::string frame = "\x1b[H";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) frame += "\r\n";
    // Erased before it is written: behind a full line the cursor still stands on its last column.
    frame += "\x1b[K" + lines[i];
  }
  frame += "\x1b[J";
  std::string_view rest = frame;
  while (!rest.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (written < 0 && errno == EAGAIN) {
      pollfd output{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
      ::poll(&output, 1, 1'000);
      continue;
    }
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

Terminal::Heard Terminal::wait(std::int64_t timeout_ns) {
  constexpr std::int64_t kNs = 1'000'000'000;
  const timespec timeout{.tv_sec = timeout_ns / kNs, .tv_nsec = timeout_ns % kNs};
  pollfd input{.fd = reads_keys_ ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0};
  const int ready = ::ppoll(&input, 1, &timeout, &mask_before_);
  Heard heard;
  heard.end_signal = g_state.end_signal;
  heard.is_resized = g_state.is_resized.exchange(false);
  if (g_state.is_stop_asked.exchange(false)) {
    stop_until_continued();
    heard.is_resized = true;
  }
  if (ready <= 0 || heard.end_signal != 0) return heard;
  std::array<char, 256> bytes;
  const ssize_t got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
  if (got > 0) heard.keys = keys_of({bytes.data(), static_cast<std::size_t>(got)});
  heard.is_gone = got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN);
  return heard;
}

void Terminal::stop_until_continued() {
  leave();
  ::signal(SIGTSTP, SIG_DFL);
  sigset_t stop;
  ::sigemptyset(&stop);
  ::sigaddset(&stop, SIGTSTP);
  ::raise(SIGTSTP);
  ::sigprocmask(SIG_UNBLOCK, &stop, nullptr);  // here it stops, and here it goes on
  ::sigprocmask(SIG_BLOCK, &stop, nullptr);
  handle(SIGTSTP, on_signal);
  enter();
}

}  // namespace ddt::top
