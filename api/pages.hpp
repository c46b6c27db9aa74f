// api/pages.hpp — cursors of lists that are sorted by (time, id), newest first, and the link to the next
// page (RFC 8288).
//
// A cursor names the last row shown; what follows is older, or as old with a smaller id. So rows that are
// inserted meanwhile never repeat or hide one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/http/message.hpp"
#include "api/parameters.hpp"

namespace ddt::api {

struct Cursor {
  std::int64_t time_us = 0;
  std::uint64_t id = 0;
};
std::string to_text(const Cursor& cursor);  // 32 hex digits
std::optional<Cursor> parse_cursor(std::string_view text);

// The same question from behind the cursor; both ends of the range are fixed.
std::string next_link(const Request& request, const Range& range, const Cursor& cursor);

}  // namespace ddt::api
