// sidecar/model/window.hpp — Windows: hour, day, ISO week (Monday), month; half-open [start, end).
//
// A Window is named by the UTC instants of its edges. Days and longer are UTC days: a zone will be
// one more argument of window_containing, and nothing that takes a Window will change. Weeks do not
// nest in months: hour → day → week, and day → month.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ddt::model {

enum class WindowType : std::uint8_t { hour = 0, day = 1, week = 2, month = 3 };

inline constexpr std::array<WindowType, 4> kWindowTypes{WindowType::hour, WindowType::day,
                                                        WindowType::week, WindowType::month};

struct Window {
  WindowType type = WindowType::hour;
  std::int64_t start_ns = 0, end_ns = 0;

  constexpr bool contains(std::int64_t time_ns) const noexcept {
    return time_ns >= start_ns && time_ns < end_ns;
  }
  auto operator<=>(const Window&) const = default;
};

// Times within two months of the int64's ends are taken for the last one before them.
Window window_containing(WindowType type, std::int64_t time_ns) noexcept;

// The Window that begins where this one ends.
Window next(const Window& window) noexcept;

std::string_view name_of(WindowType type) noexcept;  // "hour", "day", "week", "month"
std::optional<WindowType> parse_window_type(std::string_view name) noexcept;

}  // namespace ddt::model
