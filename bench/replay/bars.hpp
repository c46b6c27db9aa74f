// bench/replay/bars.hpp — one-minute bars of several symbols, merged by time into days.
//
// Units     *_e8 decimals; time_ns is the start of the bar's minute. Decisions are made when it is over.
// Errors    Every bad row of every file is reported with file:line, none is skipped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ddt::replay {

struct Bar {
  std::int64_t time_ns = 0;
  std::uint32_t symbol = 0;  // index into Market::symbols
  std::int64_t open_e8 = 0, high_e8 = 0, low_e8 = 0, close_e8 = 0, volume_e8 = 0;
  std::int64_t bid_e8 = 0, ask_e8 = 0;  // the quote at the end of the bar
};

struct Day {
  std::int64_t date = 0;
  std::vector<Bar> bars;                   // by (time, symbol)
  std::int64_t open_ns = 0, close_ns = 0;  // of the regular session
};

struct Market {
  std::vector<std::string> symbols;  // sorted
  std::vector<Day> days;             // sorted; none is empty
};

struct BarFile {
  std::string path;  // …/SYMBOL_YYYYMMDD.csv, or SYMBOL.csv
  std::string text;
};

// Bars of the files; every problem is appended, and the Market is only good when there was none.
Market market_from(const std::vector<BarFile>& files, std::vector<std::string>& problems);
// Reads the files first.
Market market_from_paths(const std::vector<std::string>& paths, std::vector<std::string>& problems);
// `days` trading days of two symbols, the same for the same seed.
Market made_market(std::uint64_t seed, int days);

}  // namespace ddt::replay
