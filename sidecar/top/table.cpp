#include "sidecar/top/table.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <span>
#include <string_view>
#include <utility>

#include "shm/segment.hpp"
#include "sidecar/model/time.hpp"
#include "sidecar/top/text.hpp"

namespace ddt::top {
namespace {

constexpr std::string_view kUnknown = "–";
constexpr std::size_t kScriptColumnsMax = 24;
constexpr std::size_t kNoteColumnsMin = 24;
constexpr std::size_t kNotesBelowMax = 3;

constexpr std::string_view kPlain = "\x1b[0m", kReverse = "\x1b[7m", kBold = "\x1b[1m",
                           kDim = "\x1b[2m", kYellow = "\x1b[33m", kRed = "\x1b[31m";

enum class Cell : std::uint8_t {
  profile,
  script,
  lane,
  segment,
  pid,
  user,
  owner,
  rate,
  held,
  lines,
  takes,
  samples,
  states,
  facts,
  refused,
  drain,
  journal,
  commit,
  note
};

struct Column {
  Cell cell;
  std::string_view group, title;
  std::size_t columns;
  Align align;
  int rank;  // 1: always there; the highest is left off first
  std::optional<SortKey> key;
};

constexpr std::array kColumns{
    Column{Cell::profile, "", "PROFILE", 7, Align::right, 1, SortKey::profile},
    Column{Cell::script, "", "SCRIPT", 12, Align::left, 1, SortKey::script},
    Column{Cell::lane, "", "LN", 3, Align::right, 2, SortKey::lane},
    Column{Cell::segment, "", "SEGMENT", 8, Align::left, 11, SortKey::segment},
    Column{Cell::pid, "", "PID", 7, Align::right, 9, std::nullopt},
    Column{Cell::user, "", "USER", 8, Align::left, 10, std::nullopt},
    Column{Cell::owner, "", "OWNER", 5, Align::left, 3, SortKey::owner},
    Column{Cell::rate, "", "REC/S", 5, Align::right, 1, SortKey::rate},
    Column{Cell::held, "", "HELD", 5, Align::right, 1, SortKey::held},
    Column{Cell::lines, "", "LINES", 11, Align::right, 12, std::nullopt},
    Column{Cell::takes, "", "TAKES", 7, Align::left, 8, std::nullopt},
    Column{Cell::samples, "dropped", "SAMPLE", 6, Align::right, 4, SortKey::samples},
    Column{Cell::states, "dropped", "STATE", 5, Align::right, 4, SortKey::states},
    Column{Cell::facts, "dropped", "FACT", 5, Align::right, 4, SortKey::facts},
    Column{Cell::refused, "", "REFUS", 5, Align::right, 5, SortKey::refused},
    Column{Cell::drain, "lag", "DRAIN", 5, Align::right, 7, SortKey::drain},
    Column{Cell::journal, "lag", "JOURN", 5, Align::right, 7, SortKey::journal},
    Column{Cell::commit, "lag", "COMMIT", 6, Align::right, 6, SortKey::commit},
    Column{Cell::note, "", "NOTE", kNoteColumnsMin, Align::left, 13, std::nullopt},
};

// The columns that fit, the elastic ones widened into what is left.
std::vector<Column> columns_for(std::size_t width) {
  std::vector<Column> chosen(kColumns.begin(), kColumns.end());
  const auto total = [&] {
    std::size_t sum = chosen.size() - 1;
    for (const Column& column : chosen) sum += column.columns;
    return sum;
  };
  for (int rank = 13; rank > 1 && width != 0 && total() > width; --rank)
    std::erase_if(chosen, [rank](const Column& column) { return column.rank == rank; });
  std::size_t left = width == 0 ? kScriptColumnsMax : width > total() ? width - total() : 0;
  for (Column& column : chosen) {
    if (column.cell == Cell::script) {
      const std::size_t more = std::min(left, kScriptColumnsMax - column.columns);
      column.columns += more;
      left -= more;
    }
  }
  if (!chosen.empty() && chosen.back().cell == Cell::note) chosen.back().columns += left;
  return chosen;
}

bool has_note(const Row& row) { return !row.problem.empty() || !row.quarantine_reason.empty(); }

std::string note_of(const Row& row) {
  if (!row.problem.empty()) return escaped(row.problem);
  if (row.quarantine_reason.empty()) return {};
  return "quarantined: " + escaped(row.quarantine_reason);
}

std::string count_text(const std::optional<std::uint64_t>& count) {
  return count ? compact(*count) : std::string(kUnknown);
}

std::string one_decimal(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", value);
  return text.data();
}

std::string rate_text(const std::optional<double>& rate) {
  if (!rate) return std::string(kUnknown);
  if (*rate > 0 && *rate < 10) return one_decimal(*rate);
  return compact(static_cast<std::uint64_t>(std::llround(std::min(*rate, 1e18))));
}

double held_share(const Row& row) {
  return row.line_count == 0
             ? 0
             : static_cast<double>(row.held_lines) / static_cast<double>(row.line_count);
}

std::string held_text(const Row& row) {
  if (!row.lane) return std::string(kUnknown);
  const double percent = held_share(row) * 100;
  return percent < 99.95 ? one_decimal(percent) + "%" : "100%";
}

// The lowest class that still finds room for a line.
std::string_view takes_text(const Row& row) {
  if (!row.lane) return kUnknown;
  if (row.held_lines < limit_of(RecordClass::sample, row.line_count)) return "all";
  if (row.held_lines < limit_of(RecordClass::state, row.line_count)) return "states";
  return row.held_lines < limit_of(RecordClass::fact, row.line_count) ? "facts" : "nothing";
}

std::string_view owner_text(Owner owner) {
  switch (owner) {
    case Owner::alive:
      return "alive";
    case Owner::gone:
      return "gone";
    default:
      return "?";
  }
}

std::string short_segment(const std::string& name) {
  constexpr std::size_t kShown = 8;
  return escaped(name.substr(std::min(name.size(), kSegmentPrefix.size()), kShown));
}

std::string cell_text(const Row& row, Cell cell) {
  const bool is_known = row.line_count != 0;
  const auto lane_count = [&](std::uint64_t count) {
    return row.lane ? compact(count) : std::string(kUnknown);
  };
  switch (cell) {
    case Cell::profile:
      return is_known ? std::to_string(row.profile_id) : std::string(kUnknown);
    case Cell::script:
      return is_known ? escaped(row.script_name) : std::string(kUnknown);
    case Cell::lane:
      return row.lane ? std::to_string(*row.lane) : std::string(kUnknown);
    case Cell::segment:
      return short_segment(row.segment);
    case Cell::pid:
      return is_known ? std::to_string(row.owner_pid) : std::string(kUnknown);
    case Cell::user:
      if (!is_known) return std::string(kUnknown);
      return row.owner_user.empty() ? std::to_string(row.owner_uid) : escaped(row.owner_user);
    case Cell::owner:
      return std::string(is_known ? owner_text(row.owner) : kUnknown);
    case Cell::rate:
      return rate_text(row.records_per_s);
    case Cell::held:
      return held_text(row);
    case Cell::lines:
      return row.lane ? compact(row.held_lines) + "/" + compact(row.line_count)
                      : std::string(kUnknown);
    case Cell::takes:
      return std::string(takes_text(row));
    case Cell::samples:
      return lane_count(row.dropped[0]);
    case Cell::states:
      return lane_count(row.dropped[1]);
    case Cell::facts:
      return lane_count(row.dropped[2]);
    case Cell::refused:
      return lane_count(row.refused);
    case Cell::drain:
      return count_text(row.drain_lag);
    case Cell::journal:
      return count_text(row.journal_lag);
    case Cell::commit:
      return count_text(row.commit_lag);
    case Cell::note:
      return note_of(row);
  }
  return {};
}

// What deserves a look.
std::string_view colour_of(const Row& row, Cell cell) {
  if (has_note(row)) return kRed;
  if (cell == Cell::held || cell == Cell::takes || cell == Cell::lines) {
    const double share = held_share(row);
    return share >= 0.75 ? kRed : share >= 0.5 ? kYellow : std::string_view{};
  }
  if (cell == Cell::facts && row.dropped[2] > 0) return kRed;
  if ((cell == Cell::samples && row.dropped[0] > 0) ||
      (cell == Cell::states && row.dropped[1] > 0) || (cell == Cell::refused && row.refused > 0))
    return kYellow;
  return row.owner == Owner::alive ? std::string_view{} : kDim;
}

std::string trimmed(std::string text) {
  const std::size_t end = text.find_last_not_of(' ');
  text.resize(end == std::string::npos ? 0 : end + 1);
  return text;
}

class Writer {
 public:
  Writer(const View& view, const Screen& screen)
      : view_(view), screen_(screen), columns_(columns_for(screen.columns)) {}

  std::vector<std::string> lines() {
    heading();
    for (const std::string& line : below()) after_.push_back(line);
    titles();
    const std::size_t shown = shown_rows();
    for (std::size_t i = 0; i < shown; ++i) row(view_.rows[first_row() + i]);
    if (view_.rows.empty() && view_.problem.empty()) line("no Segments");
    lines_.insert(lines_.end(), after_.begin(), after_.end());
    if (screen_.is_live) keys(shown);
    if (screen_.lines != 0 && lines_.size() > screen_.lines) lines_.resize(screen_.lines);
    return std::move(lines_);
  }

  std::size_t shown_rows() const {
    if (screen_.lines == 0) return view_.rows.size();
    const std::size_t used =
        kHeadingLines + (has_groups() ? 1 : 0) + 1 + below().size() + (screen_.is_live ? 1 : 0);
    const std::size_t room = screen_.lines > used ? screen_.lines - used : 1;
    return std::min(room, view_.rows.size() - first_row());
  }

 private:
  static constexpr std::size_t kHeadingLines = 4;

  std::size_t first_row() const {
    return std::min(screen_.first_row, view_.rows.empty() ? 0 : view_.rows.size() - 1);
  }
  bool has_groups() const {
    return std::ranges::any_of(columns_, [](const Column& c) { return !c.group.empty(); });
  }

  std::string cut(const std::string& text) const {
    return screen_.columns == 0 ? text : trimmed(fitted(text, screen_.columns, Align::left));
  }
  void line(const std::string& text) { lines_.push_back(cut(text)); }
  std::string painted(std::string_view colour, std::string text) const {
    if (!screen_.is_live || colour.empty()) return text;
    return std::string(colour) + text + std::string(kPlain);
  }

  void heading() {
    const std::string time =
        view_.wall_ns == 0 ? "" : model::rfc3339(view_.wall_ns).substr(0, 19) + "Z";
    line("ddt-top  " + escaped(view_.directory) + "  " + time);
    if (!view_.problem.empty()) {
      lines_.push_back(painted(kRed, cut("cannot be read: " + escaped(view_.problem))));
    } else {
      line(std::to_string(view_.segments) + " Segments (" + std::to_string(view_.alive) +
           " alive, " + std::to_string(view_.gone) + " gone), " + std::to_string(view_.lanes) +
           " Lanes, " + std::to_string(view_.quarantined) + " quarantined" +
           (view_.segments_left_off == 0
                ? ""
                : "; " + compact(view_.segments_left_off) + " Segments left off"));
    }
    line(rate_text(view_.records_per_s) + " Records/s; dropped " + compact(view_.dropped[0]) +
         " samples, " + compact(view_.dropped[1]) + " states, " + compact(view_.dropped[2]) +
         " facts; refused " + compact(view_.refused));
    line(sidecar_line());
  }

  // What matters most first: a narrow terminal cuts it.
  std::string sidecar_line() const {
    if (!view_.asks_sidecar) return "sidecar: not asked";
    const SidecarSample& sidecar = view_.sidecar;
    if (!sidecar.words) return "sidecar " + sidecar.id + ": unknown: " + escaped(sidecar.problem);
    const auto seconds = [](const std::optional<double>& s) {
      return s ? one_decimal(*s) + " s" : std::string(kUnknown);
    };
    return "sidecar " + sidecar.id + ": durability " +
           (sidecar.durability.empty() ? std::string(kUnknown) : escaped(sidecar.durability)) +
           "; lag Redis " + seconds(sidecar.redis_lag_s) + ", MySQL " +
           seconds(sidecar.mysql_lag_s) + "; spoke " + seconds(view_.sidecar_silent_s) + " ago";
  }

  void titles() {
    if (has_groups()) {
      std::string groups;
      for (std::size_t i = 0; i < columns_.size();) {
        std::size_t end = i, width = 0;
        while (end < columns_.size() && columns_[end].group == columns_[i].group)
          width += columns_[end++].columns + 1;
        groups += group_text(columns_[i].group, width - 1) + " ";
        i = end;
      }
      lines_.push_back(trimmed(groups));
    }
    std::string text;
    for (const Column& column : columns_) {
      if (!text.empty()) text += screen_.is_live ? painted(kReverse, " ") : " ";
      const bool is_sorted = column.key == screen_.sort;
      text +=
          painted(is_sorted ? kBold : kReverse, fitted(column.title, column.columns, column.align));
    }
    lines_.push_back(screen_.is_live ? text : trimmed(text));
  }
  // "── dropped ──", as wide as its columns.
  static std::string group_text(std::string_view group, std::size_t width) {
    if (group.empty()) return std::string(width, ' ');
    const std::size_t words = group.size() + 2;
    if (words > width) return fitted(group, width, Align::right);
    std::string text;
    for (std::size_t i = 0; i < (width - words) / 2; ++i) text += "─";
    text += " " + std::string(group) + " ";
    for (std::size_t i = (width - words) / 2 + words; i < width; ++i) text += "─";
    return text;
  }

  void row(const Row& row) {
    std::string text;
    for (const Column& column : columns_) {
      if (&column != &columns_.front()) text += " ";
      const std::string cell = cell_text(row, column.cell);
      const bool is_free = screen_.columns == 0 && column.cell == Cell::note;
      text += painted(colour_of(row, column.cell),
                      is_free ? cell : fitted(cell, column.columns, column.align));
    }
    lines_.push_back(screen_.is_live ? text : trimmed(text));
  }

  // What the note column would have said.
  std::vector<std::string> below() const {
    std::vector<std::string> notes;
    if (columns_.back().cell == Cell::note) return notes;
    std::size_t more = 0;
    for (const Row& row : view_.rows) {
      if (!has_note(row)) continue;
      if (notes.size() == kNotesBelowMax) {
        ++more;
        continue;
      }
      const std::string lane = row.lane ? " lane " + std::to_string(*row.lane) : "";
      notes.push_back(painted(kRed, cut(short_segment(row.segment) + lane + ": " + note_of(row))));
    }
    if (more > 0) notes.push_back(cut("… and " + std::to_string(more) + " more like this"));
    return notes;
  }

  void keys(std::size_t shown) {
    while (screen_.lines != 0 && lines_.size() + 1 < screen_.lines) lines_.emplace_back();
    std::string text = "q quit   < > sort by column   r reverse   ↑ ↓ PgUp PgDn scroll";
    if (shown < view_.rows.size()) {
      text += "   " + std::to_string(first_row() + 1) + "–" + std::to_string(first_row() + shown) +
              " of " + std::to_string(view_.rows.size());
    }
    lines_.push_back(painted(kDim, cut(text)));
  }

  const View& view_;
  const Screen& screen_;
  std::vector<Column> columns_;
  std::vector<std::string> lines_, after_;
};

}  // namespace

std::vector<std::string> table_lines(View view, const Screen& screen) {
  sort_rows(view.rows, screen.sort, screen.is_reversed);
  return Writer(view, screen).lines();
}

std::size_t rows_shown(const View& view, const Screen& screen) {
  Screen unscrolled = screen;
  unscrolled.first_row = 0;
  return std::max<std::size_t>(1, Writer(view, unscrolled).shown_rows());
}

SortKey next_sort_key(const Screen& screen, bool to_the_right) {
  std::vector<SortKey> keys;
  for (const Column& column : columns_for(screen.columns)) {
    if (column.key) keys.push_back(*column.key);
  }
  const auto found = std::ranges::find(keys, screen.sort);
  if (found == keys.end()) return keys.front();  // its column was left off
  const auto at = static_cast<std::size_t>(found - keys.begin());
  return keys[(at + (to_the_right ? 1 : keys.size() - 1)) % keys.size()];
}

}  // namespace ddt::top
