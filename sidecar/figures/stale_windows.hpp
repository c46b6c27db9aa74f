// sidecar/figures/stale_windows.hpp — control rows of dd_window_state, and when a stale Window is due.
//
//   dirty | the Window's figures
//   ------+---------------------------------------------------------------------------------------
//       0 | are those of `revision`, and final
//       1 | are stale: its facts or states changed (set by the rollup, in their transaction)
//       2 | are stale: a neighbour changed (equity before it, another leg of a chain); it has no news
//           of its own, so its neighbours are not marked in turn
//       3 | are those of `revision`, but the Window has not ended: due once it has
//
// Pace      Windows that keep changing are computed when they have been quiet for an interval, at the
//           latest after kPatience intervals: an open month is not read every second.
// Purity    Pace is told the time; the functions below it are the edge.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "shm/base/result.hpp"
#include "sidecar/model/window.hpp"
#include "sql/client.hpp"

namespace ddt::sidecar {

enum class Stale : std::uint8_t { current = 0, facts = 1, neighbour = 2, open = 3 };

struct WindowKey {
  std::int32_t profile_id = 0;
  std::string metric_type;
  model::Window window;
  auto operator<=>(const WindowKey&) const = default;
};

struct StaleWindow {
  WindowKey key;
  std::uint32_t revision = 0, figures_revision = 0;
  Stale stale = Stale::current;
  std::string state = {};  // to be stored beside the figures; "" = none
};

// Intervals that a Window which never rests waits at most: hour, day, week, month.
inline constexpr std::array<std::int64_t, 4> kPatience{1, 5, 15, 30};

class Pace {
 public:
  explicit Pace(std::int64_t interval_ns) : interval_ns_(interval_ns) {}

  // All that is stale now.
  void look(std::span<const StaleWindow> stale, std::int64_t now_ns);
  // What is to be computed now, hours first; everything when `at_once`.
  std::vector<StaleWindow> due(std::int64_t now_ns, bool at_once) const;

  void computed(const WindowKey& key, std::int64_t now_ns);
  // Could not be computed: not before this time.
  void set_aside(const WindowKey& key, std::int64_t until_ns);
  // Stale Windows, without those that wait for their end.
  std::size_t stale_count() const noexcept { return stale_count_; }

 private:
  struct Seen {
    StaleWindow window;
    std::int64_t first_ns = 0, changed_ns = 0, not_before_ns = 0;
  };
  std::int64_t interval_ns_;
  std::map<WindowKey, Seen> seen_;
  std::size_t stale_count_ = 0;
};

inline constexpr std::int64_t kStaleWindowsMax = 20'000;  // looked at, of each type

// Stale Windows, and open ones that have ended by now.
Result<std::vector<StaleWindow>> read_stale_windows(sql::Connection& mysql,
                                                    std::int64_t wall_now_ns);

// Control rows of these Windows as they are, locked in key order. For a transaction.
Result<std::vector<StaleWindow>> lock_windows(sql::Connection& mysql,
                                              const std::set<WindowKey>& keys);

// Looks through finished Windows for those without a state of this binary's format and of their figures' revision, as
// another binary leaves them. Their figures are right: they are due like neighbours'.
class StateSearch {
 public:
  // Goes some stretches of time on, as far as the first one with such Windows; returns how many it marked.
  Result<std::uint64_t> mark_some(sql::Connection& mysql);
  bool is_done() const noexcept { return type_ == kTypes.size(); }

 private:
  static constexpr std::array kTypes{model::WindowType::hour, model::WindowType::day,
                                     model::WindowType::month};
  // A statement looks at so much of all profiles: some tens of thousands of rows.
  static constexpr std::array<std::int64_t, 3> kStepsNs{86'400'000'000'000, 31 * 86'400'000'000'000,
                                                        366 * 86'400'000'000'000};
  static constexpr int kStepsMax = 32;

  std::size_t type_ = 0;
  std::int64_t from_ns_ = 0;
};

// The Window's state cannot be read: its figures are right, it is due like a neighbour.
Status mark_damaged(sql::Connection& mysql, const WindowKey& key);

// An hour inside has facts of which its figures do not know yet, and so has not marked its neighbours.
Result<bool> has_hour_with_news(sql::Connection& mysql, const WindowKey& key);

// The figures of these Windows show their `revision`; `stale` is what they are from now on.
Status write_figures_revisions(sql::Connection& mysql, std::span<const StaleWindow> windows);

// These Windows have stale neighbours' figures in them.
Status mark_neighbours(sql::Connection& mysql, std::span<const StaleWindow> windows);

}  // namespace ddt::sidecar
