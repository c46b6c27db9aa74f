#include "sidecar/top/text.hpp"

#include <wchar.h>

#include <array>
#include <cstdio>

namespace ddt::top {
namespace {

struct Character {
  std::size_t bytes = 1;
  int columns = -1;  // −1: not to be shown as it is
};

// The character at the front of a text that is not empty.
Character first_of(std::string_view text) {
  wchar_t wide = 0;
  std::mbstate_t state{};
  const std::size_t bytes = std::mbrtowc(&wide, text.data(), text.size(), &state);
  if (bytes == 0 || bytes > text.size()) return {};  // a NUL, or not a whole character
  // 0: combining and bidirectional characters; they act on their neighbours.
  const int columns = ::wcwidth(wide);
  return {.bytes = bytes, .columns = columns > 0 ? columns : -1};
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Character character = first_of(text);
    if (text.front() == '\\') {
      out += "\\\\";
    } else if (character.columns > 0) {
      out += text.substr(0, character.bytes);
    } else {
      for (const char c : text.substr(0, character.bytes)) {
        std::array<char, 8> code{};
        std::snprintf(code.data(), code.size(), "\\x%02x", static_cast<unsigned char>(c));
        out += code.data();
      }
    }
    text.remove_prefix(character.bytes);
  }
  return out;
}

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const Character character = first_of(text);
    columns += character.columns > 0 ? static_cast<std::size_t>(character.columns) : 1;
    text.remove_prefix(character.bytes);
  }
  return columns;
}

std::string fitted(std::string_view text, std::size_t columns, Align align) {
  const std::size_t wanted = columns_of(text);
  if (wanted <= columns) {
    const std::string padding(columns - wanted, ' ');
    return align == Align::left ? std::string(text) + padding : padding + std::string(text);
  }
  if (columns == 0) return {};
  std::string out;
  std::size_t used = 0;
  while (!text.empty()) {
    const Character character = first_of(text);
    const auto more = static_cast<std::size_t>(character.columns > 0 ? character.columns : 1);
    if (used + more > columns - 1) break;
    out += text.substr(0, character.bytes);
    used += more;
    text.remove_prefix(character.bytes);
  }
  return out + "…" + std::string(columns - 1 - used, ' ');
}

std::string compact(std::uint64_t count) {
  if (count < 10'000) return std::to_string(count);
  static constexpr std::array<char, 6> kUnits{'k', 'M', 'G', 'T', 'P', 'E'};
  std::size_t unit = 0;
  std::uint64_t unit_size = 1'000;
  while (unit + 1 < kUnits.size() && count / unit_size >= 1'000) {
    unit_size *= 1'000;
    ++unit;
  }
  const std::uint64_t whole = count / unit_size;
  std::string text = std::to_string(whole);
  if (whole < 100) text += "." + std::to_string(count % unit_size / (unit_size / 10));
  return text + kUnits[unit];
}

}  // namespace ddt::top
