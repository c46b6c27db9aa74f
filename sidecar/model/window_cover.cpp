#include "sidecar/model/window_cover.hpp"

#include <algorithm>

namespace ddt::model {
namespace {

// Weeks do not nest in months.
std::optional<WindowType> shorter(WindowType type) {
  switch (type) {
    case WindowType::month:
    case WindowType::week:
      return WindowType::day;
    case WindowType::day:
      return WindowType::hour;
    case WindowType::hour:
      break;
  }
  return std::nullopt;
}

// The whole Windows inside; empty where there is none.
Stretch whole_windows_inside(const Stretch& stretch, WindowType type) {
  const Window first = window_containing(type, stretch.from_ns);
  const std::int64_t from_ns = first.start_ns == stretch.from_ns ? first.start_ns : first.end_ns;
  const std::int64_t to_ns = window_containing(type, stretch.to_ns).start_ns;
  return {from_ns, std::max(from_ns, to_ns)};
}

void push(std::vector<Stretch>& stretches, std::int64_t from_ns, std::int64_t to_ns) {
  if (from_ns >= to_ns) return;
  if (!stretches.empty() && stretches.back().to_ns == from_ns) {
    stretches.back().to_ns = to_ns;
  } else {
    stretches.push_back({from_ns, to_ns});
  }
}

WindowType longest_of_cover(WindowType longest) {
  return longest == WindowType::week ? WindowType::day : longest;
}

std::vector<WindowsInside> all_inside(const std::vector<Stretch>& stretches, WindowType type) {
  std::vector<WindowsInside> all;
  for (const Stretch& one : stretches) {
    const Stretch whole = whole_windows_inside(one, type);
    if (whole.from_ns < whole.to_ns) all.push_back({type, whole});
  }
  return all;
}

constexpr std::size_t kRevisionBytes = 4;  // of fixed length, the highest first: SQL compares them

bool is_one_inside(const std::set<std::int64_t>& times_ns, const Window& window) {
  const auto at = times_ns.lower_bound(window.start_ns);
  return at != times_ns.end() && *at < window.end_ns;
}

bool is_of_its_row(const StoredState& stored) {
  return revision_of(stored.state) == stored.revision && sections_of(stored.state);
}

}  // namespace

std::vector<WindowsInside> windows_inside(const Stretch& stretch, WindowType longest) {
  std::vector<WindowsInside> all;
  std::vector<Stretch> bare;
  push(bare, stretch.from_ns, stretch.to_ns);
  std::optional<WindowType> type = longest_of_cover(longest);
  for (; type; type = shorter(*type)) {
    std::vector<Stretch> still_bare;
    for (const Stretch& one : bare) {
      const Stretch whole = whole_windows_inside(one, *type);
      if (whole.from_ns >= whole.to_ns) {
        push(still_bare, one.from_ns, one.to_ns);
        continue;
      }
      push(still_bare, one.from_ns, whole.from_ns);
      all.push_back({*type, whole});
      push(still_bare, whole.to_ns, one.to_ns);
    }
    bare = std::move(still_bare);
  }
  return all;
}

Result<std::vector<Piece>> cover(const Stretch& stretch, WindowType longest,
                                 const ReadStates& read_states,
                                 const std::set<std::int64_t>& not_at, const WillRead& will_read) {
  std::vector<Piece> pieces;
  std::vector<Stretch> bare;
  push(bare, stretch.from_ns, stretch.to_ns);
  std::optional<WindowType> type = longest_of_cover(longest);
  for (; type && !bare.empty(); type = shorter(*type)) {
    if (will_read) {
      if (auto told = will_read(all_inside(bare, *type)); !told) return told.error();
    }
    std::vector<Stretch> still_bare;
    for (const Stretch& one : bare) {
      const Stretch whole = whole_windows_inside(one, *type);
      std::int64_t at_ns = one.from_ns;
      if (whole.from_ns < whole.to_ns) {
        auto states = read_states(*type, whole);
        if (!states) return states.error();
        for (StoredState& stored : *states) {
          const Window window = window_containing(*type, stored.start_ns);
          if (!is_of_its_row(stored) || is_one_inside(not_at, window)) continue;
          push(still_bare, at_ns, window.start_ns);
          at_ns = window.end_ns;
          pieces.push_back({.stretch = {window.start_ns, window.end_ns},
                            .type = *type,
                            .state = std::move(stored.state)});
        }
      }
      push(still_bare, at_ns, one.to_ns);
    }
    bare = std::move(still_bare);
  }
  for (const Stretch& one : bare)
    pieces.push_back({.stretch = one, .type = std::nullopt, .state = {}});
  std::ranges::sort(pieces, {}, [](const Piece& piece) { return piece.stretch.from_ns; });
  return pieces;
}

std::string state_without_sections(std::uint32_t revision) {
  std::string state;
  ByteWriter writer(state);
  writer.u8(kStateFormat);
  for (std::size_t i = kRevisionBytes; i-- > 0;)
    writer.u8(static_cast<std::uint8_t>(revision >> (8 * i)));
  return state;
}

std::string state_of_sections(std::uint32_t revision, std::string_view first,
                              std::string_view second) {
  std::string state = state_without_sections(revision);
  if (first.size() + second.size() > kStateBytesMax) return state;
  ByteWriter writer(state);
  writer.text(first);
  writer.text(second);
  return state;
}

std::optional<std::uint32_t> revision_of(std::string_view state) {
  ByteReader reader(state);
  if (reader.u8() != kStateFormat) return std::nullopt;
  std::uint32_t revision = 0;
  for (std::size_t i = 0; i < kRevisionBytes; ++i) revision = revision << 8 | reader.u8();
  if (!reader.ok()) return std::nullopt;
  return revision;
}

std::optional<Sections> sections_of(std::string_view state) {
  if (!revision_of(state)) return std::nullopt;
  ByteReader reader(state.substr(1 + kRevisionBytes));
  Sections sections;
  sections.first = reader.text_view();
  sections.second = reader.text_view();
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return sections;
}

}  // namespace ddt::model
