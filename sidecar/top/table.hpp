// sidecar/top/table.hpp — a View as lines of text. Pure.
//
// Narrow terminals leave columns off, the least needed first; what would stand in the note column then
// stands below the table. Every text of a bot is escaped on its way.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "sidecar/top/view.hpp"

namespace ddt::top {

struct Screen {
  std::size_t columns = 0, lines = 0;  // 0: no limit
  bool is_live = false;                // with colours and a line of keys
  SortKey sort = SortKey::profile;
  bool is_reversed = false;
  std::size_t first_row = 0;  // scrolled away above
};

// Sorts the rows as the screen says.
std::vector<std::string> table_lines(View view, const Screen& screen);

// How many rows a screen shows at once: what a page is. At least 1.
std::size_t rows_shown(const View& view, const Screen& screen);

// The sort key of the next column on the screen, to the right or to the left.
SortKey next_sort_key(const Screen& screen, bool to_the_right);

// The one JSON document of --json (docs/formats/top.md).
std::string to_json(const View& view);

}  // namespace ddt::top
