// sidecar/redis/number.hpp — whole texts that are numbers.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace ddt::redis {

template <typename Number>
std::optional<Number> number_in(std::string_view text) noexcept {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace ddt::redis
