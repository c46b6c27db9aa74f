// sidecar/model/window_cover.hpp — a range as whole Windows whose state is stored, and what is left between them.
//
// The longest Windows first: months, then days, then hours inside the range. What no current state covers, at the
// edges and where facts have come since, is a piece without one: its rows are to be read. The number of pieces grows
// with the Windows of the range, not with what happened in it.
//
// State     First byte kStateFormat, then the revision of the figures beside which it was written, then two sections
//           with their lengths (docs/formats/window_state.md). Another format, bytes that are none, no sections, or the
//           revision of other figures than the row's (a binary that knows no states wrote those) count as no state.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "shm/base/result.hpp"
#include "sidecar/model/bytes.hpp"
#include "sidecar/model/window.hpp"

namespace ddt::model {

struct Stretch {
  std::int64_t from_ns = 0, to_ns = 0;  // half-open
  bool operator==(const Stretch&) const = default;
};

struct Piece {
  Stretch stretch;
  std::optional<WindowType> type;  // of the Window that it is; none: rows
  std::string state;
};

struct StoredState {
  std::int64_t start_ns = 0;
  std::uint32_t revision = 0;  // of the figures in the same row
  std::string state;
};
// Current states of Windows of the type that begin in the stretch, in order.
using ReadStates =
    std::function<Result<std::vector<StoredState>>(WindowType type, const Stretch& stretch)>;

// The Windows of one type that begin in a stretch.
struct WindowsInside {
  WindowType type = WindowType::hour;
  Stretch stretch;
  bool operator==(const WindowsInside&) const = default;
};
// Those that cover() asks for where all of them have states.
std::vector<WindowsInside> windows_inside(const Stretch& stretch, WindowType longest);

// Told before the questions of one type are asked, so that they can be answered together.
using WillRead = std::function<Status(const std::vector<WindowsInside>& windows)>;

// In order of time. `longest`: no Window longer than that; no Window either in which one of `not_at` lies. Neighbouring
// pieces without state are one.
Result<std::vector<Piece>> cover(const Stretch& stretch, WindowType longest,
                                 const ReadStates& read_states,
                                 const std::set<std::int64_t>& not_at = {},
                                 const WillRead& will_read = {});

inline constexpr std::uint8_t kStateFormat = 1;
inline constexpr std::size_t kStateBytesMax = 128 * 1024;  // 64 of them fit one packet of MySQL's

// Both sections as they are stored; sections may be empty. What passes kStateBytesMax is left off.
std::string state_of_sections(std::uint32_t revision, std::string_view first,
                              std::string_view second);
// Says that there is none: shorter Windows' are to be taken.
std::string state_without_sections(std::uint32_t revision);
// nullopt: another format.
std::optional<std::uint32_t> revision_of(std::string_view state);
struct Sections {
  std::string_view first, second;  // into the state
};
std::optional<Sections> sections_of(std::string_view state);

// A Span as bytes, and back from a whole section.
template <typename Span>
std::string section_of(const Span& span) {
  std::string bytes;
  ByteWriter writer(bytes);
  span.encode(writer);
  return bytes;
}
template <typename Span>
std::optional<Span> span_in(std::string_view section) {
  ByteReader reader(section);
  auto span = Span::decode(reader);
  if (!span || !reader.ok() || !reader.at_end()) return std::nullopt;
  return span;
}

}  // namespace ddt::model
