// sidecar/top/text.hpp — texts for a terminal: what a bot wrote must not be able to steer it.
//
// Units     Columns of a terminal; a wide character takes two. Needs a UTF-8 locale (LC_CTYPE) to know
//           widths; without one everything beyond ASCII is shown as bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ddt::top {

// Control characters (C1 and bidirectional ones too), bytes that are not UTF-8, and backslashes as
// \xNN or \\; everything else as it is.
std::string escaped(std::string_view text);

// Of an escaped text.
std::size_t columns_of(std::string_view text);

// An escaped text cut ("…" at its end) or padded to a width.
enum class Align : std::uint8_t { left, right };
std::string fitted(std::string_view text, std::size_t columns, Align align);

// "0", "9999", "12.3k", "4.0M", "18.4E": at most five columns.
std::string compact(std::uint64_t count);

}  // namespace ddt::top
