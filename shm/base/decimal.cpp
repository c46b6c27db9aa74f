#include "shm/base/decimal.hpp"

namespace ddt {

std::optional<std::int64_t> e8_from_string(std::string_view text) noexcept {
  bool negative = false;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  int128 value = 0;
  int decimals = -1;  // -1 until the point is seen
  bool any_digit = false;
  bool round_up = false;
  for (const char c : text) {
    if (c == '.') {
      if (decimals >= 0) return std::nullopt;
      decimals = 0;
      continue;
    }
    if (c < '0' || c > '9') return std::nullopt;
    any_digit = true;
    if (decimals >= 8) {
      if (decimals == 8) round_up = c >= '5';
      ++decimals;
      continue;
    }
    value = value * 10 + (c - '0');
    if (value > kMaxE8) return std::nullopt;
    if (decimals >= 0) ++decimals;
  }
  if (!any_digit) return std::nullopt;
  for (int i = decimals < 0 ? 0 : decimals; i < 8; ++i) value *= 10;
  if (round_up) ++value;
  if (value > kMaxE8) return std::nullopt;
  const auto value_e8 = static_cast<std::int64_t>(negative ? -value : value);
  if (!is_valid_number(value_e8)) return std::nullopt;  // −(2^63−1) is the mark for invalid
  return value_e8;
}

std::string decimal_string(int128 value, int scale) {
  const bool negative = value < 0;
  uint128 magnitude =
      negative ? uint128{0} - static_cast<uint128>(value) : static_cast<uint128>(value);
  std::string digits;  // least significant first
  for (; magnitude > std::numeric_limits<std::uint64_t>::max(); magnitude /= 10)
    digits.push_back(static_cast<char>('0' + static_cast<int>(magnitude % 10)));
  auto rest = static_cast<std::uint64_t>(magnitude);  // divides in a tenth of the time
  do {
    digits.push_back(static_cast<char>('0' + rest % 10));
    rest /= 10;
  } while (rest != 0);
  while (static_cast<int>(digits.size()) <= scale) digits.push_back('0');
  std::string text = negative ? "-" : "";
  for (int i = static_cast<int>(digits.size()) - 1; i >= scale; --i)
    text.push_back(digits[static_cast<std::size_t>(i)]);
  int last = 0;  // decimals kept: drop trailing zeros
  while (last < scale && digits[static_cast<std::size_t>(last)] == '0') ++last;
  if (last < scale) {
    text.push_back('.');
    for (int i = scale - 1; i >= last; --i) text.push_back(digits[static_cast<std::size_t>(i)]);
  }
  return text;
}

}  // namespace ddt
