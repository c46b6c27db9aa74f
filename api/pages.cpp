#include "api/pages.hpp"

#include <cstdio>

#include "api/http/url.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {

std::string to_text(const Cursor& cursor) {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx",
                static_cast<unsigned long long>(cursor.time_us),
                static_cast<unsigned long long>(cursor.id));
  return text;
}

std::optional<Cursor> parse_cursor(std::string_view text) {
  if (text.size() != 32) return std::nullopt;
  std::uint64_t halves[2] = {0, 0};
  for (std::size_t i = 0; i < 32; ++i) {
    const char c = text[i];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    halves[i / 16] = halves[i / 16] * 16 + static_cast<unsigned>(digit);
  }
  const auto time_us = static_cast<std::int64_t>(halves[0]);
  constexpr std::int64_t kLimit = std::int64_t{9'223'372'036'854'775};  // in ns it still fits
  if (time_us > kLimit || time_us < -kLimit) return std::nullopt;
  return Cursor{time_us, halves[1]};
}

std::string next_link(const Request& request, const Range& range, const Cursor& cursor) {
  std::string url = request.path + "?from=" + percent_encode(model::rfc3339(range.from_ns)) +
                    "&to=" + percent_encode(model::rfc3339(range.to_ns));
  for (const auto& [name, value] : request.query) {
    if (name == "from" || name == "to" || name == "days" || name == "cursor") continue;
    url += "&" + percent_encode(name) + "=" + percent_encode(value);
  }
  return "<" + url + "&cursor=" + to_text(cursor) + ">; rel=\"next\"";
}

}  // namespace ddt::api
