#include "bench/replay/bars.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>

#include "bench/replay/calendar.hpp"
#include "bench/replay/dice.hpp"
#include "shm/base/decimal.hpp"

namespace ddt::replay {
namespace {

constexpr std::string_view kHeader = "time_utc,open,high,low,close,volume,bid,ask";
constexpr std::size_t kFieldCount = 8;
constexpr std::size_t kProblemsPerFileMax = 20;  // a binary file must not scroll the screen away
// New York's regular session while daylight saving lasts; other bars have their whole day.
constexpr std::int64_t kSessionOpenNs = 13 * 60 * kMinuteNs + 30 * kMinuteNs;
constexpr std::int64_t kSessionCloseNs = 20 * 60 * kMinuteNs;
constexpr std::ptrdiff_t kSessionBarsMin = 30;

bool is_symbol(std::string_view text) {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
  return !text.empty() && text.size() <= 32 &&
         text.find_first_not_of(kAllowed) == std::string_view::npos;
}

std::string_view symbol_of(std::string_view path) {
  if (const std::size_t slash = path.rfind('/'); slash != std::string_view::npos)
    path.remove_prefix(slash + 1);
  return path.substr(0, path.find_first_of("_."));
}

// What is wrong with the row, "" when nothing is.
std::string parse_row(std::string_view row, Bar& bar) {
  std::array<std::string_view, kFieldCount> fields;
  std::size_t count = 0;
  for (std::size_t at = 0; at <= row.size(); ++count) {
    const std::size_t comma = std::min(row.find(',', at), row.size());
    if (count < kFieldCount) fields[count] = row.substr(at, comma - at);
    at = comma + 1;
  }
  if (count != kFieldCount)
    return "expected " + std::to_string(kFieldCount) + " fields, found " + std::to_string(count);
  const std::optional<std::int64_t> time_ns = time_from_rfc3339(fields[0]);
  if (!time_ns) return "time_utc '" + std::string(fields[0]) + "' is not like 2013-10-04T14:31:00Z";
  bar.time_ns = *time_ns;
  constexpr std::array<std::string_view, 7> kNames{"open",   "high", "low", "close",
                                                   "volume", "bid",  "ask"};
  const std::array<std::int64_t*, 7> targets{&bar.open_e8,  &bar.high_e8,   &bar.low_e8,
                                             &bar.close_e8, &bar.volume_e8, &bar.bid_e8,
                                             &bar.ask_e8};
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const std::optional<std::int64_t> value = e8_from_string(fields[i + 1]);
    if (!value)
      return std::string(kNames[i]) + " '" + std::string(fields[i + 1]) + "' is not a number";
    const bool is_volume = kNames[i] == "volume";
    if (*value < 0 || (*value == 0 && !is_volume))
      return std::string(kNames[i]) + " '" + std::string(fields[i + 1]) + "' is not positive";
    *targets[i] = *value;
  }
  if (bar.low_e8 > std::min(bar.open_e8, bar.close_e8) ||
      bar.high_e8 < std::max(bar.open_e8, bar.close_e8))
    return "open or close lies outside low … high";
  if (bar.bid_e8 > bar.ask_e8) return "bid is above ask";
  return {};
}

void parse_file(const BarFile& file, std::uint32_t symbol, std::vector<Bar>& bars,
                std::vector<std::string>& problems) {
  std::string_view rest = file.text;
  std::size_t line = 0, found = 0;
  std::int64_t last_time_ns = -1;
  const auto report = [&](const std::string& problem) {
    if (found++ < kProblemsPerFileMax)
      problems.push_back(file.path + ":" + std::to_string(line) + ": " + problem);
  };
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view row = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++line;
    if (!row.empty() && row.back() == '\r') row.remove_suffix(1);
    if (line == 1) {
      if (row != kHeader) report("the first line must be '" + std::string(kHeader) + "'");
      continue;
    }
    if (row.empty()) continue;
    Bar bar;
    bar.symbol = symbol;
    if (const std::string problem = parse_row(row, bar); !problem.empty()) {
      report(problem);
    } else if (bar.time_ns <= last_time_ns) {
      report("time_utc is not after the row before");
    } else {
      last_time_ns = bar.time_ns;
      bars.push_back(bar);
    }
  }
  if (line < 2) report("no bars");
  if (found > kProblemsPerFileMax)
    problems.push_back(file.path + ": " + std::to_string(found - kProblemsPerFileMax) +
                       " more bad rows");
}

void add_session(Day& day) {
  day.open_ns = day.date * kDayNs + kSessionOpenNs;
  day.close_ns = day.date * kDayNs + kSessionCloseNs;
  const auto in_session = std::count_if(day.bars.begin(), day.bars.end(), [&](const Bar& bar) {
    return bar.time_ns >= day.open_ns && bar.time_ns < day.close_ns;
  });
  if (in_session >= kSessionBarsMin) return;
  day.open_ns = day.bars.front().time_ns;
  day.close_ns = day.bars.back().time_ns + kMinuteNs;
}

std::vector<Day> days_of(std::vector<Bar> bars) {
  std::sort(bars.begin(), bars.end(), [](const Bar& a, const Bar& b) {
    return a.time_ns != b.time_ns ? a.time_ns < b.time_ns : a.symbol < b.symbol;
  });
  std::vector<Day> days;
  for (const Bar& bar : bars) {
    const std::int64_t date = date_of(bar.time_ns);
    if (days.empty() || days.back().date != date) days.push_back({.date = date, .bars = {}});
    days.back().bars.push_back(bar);
  }
  for (Day& day : days) add_session(day);
  return days;
}

// A walk in steps of `tick`: drifts for some minutes, then turns, so that breakouts come and fail.
class Walk {
 public:
  Walk(Dice dice, std::int64_t price_e8, std::int64_t tick_e8)
      : dice_(dice), price_e8_(price_e8), tick_e8_(tick_e8) {}

  Bar next(std::int64_t time_ns, std::uint32_t symbol) {
    const auto minute = static_cast<std::uint64_t>(time_ns / kMinuteNs);
    const Dice dice = dice_.of(minute);
    if (dice.is_one_in(0, 35)) drift_ = dice.roll(1, 7) - 3;
    Bar bar{.time_ns = time_ns,
            .symbol = symbol,
            .open_e8 = price_e8_,
            .high_e8 = price_e8_,
            .low_e8 = price_e8_};
    for (std::uint64_t step = 0; step < 6; ++step) {
      const std::int64_t ticks = dice.roll(10 + step, 9) - 4 + (step % 2 == 0 ? drift_ : 0);
      price_e8_ = std::max(price_e8_ + ticks * tick_e8_, 50 * tick_e8_);
      bar.high_e8 = std::max(bar.high_e8, price_e8_);
      bar.low_e8 = std::min(bar.low_e8, price_e8_);
    }
    bar.close_e8 = price_e8_;
    bar.volume_e8 = (100 + dice.roll(2, 90'000)) * kE8;
    const std::int64_t spread_ticks = 1 + dice.roll(3, 3);
    bar.bid_e8 = price_e8_ - dice.roll(4, spread_ticks + 1) * tick_e8_;
    bar.ask_e8 = bar.bid_e8 + spread_ticks * tick_e8_;
    return bar;
  }

 private:
  Dice dice_;
  std::int64_t price_e8_, tick_e8_, drift_ = 0;
};

}  // namespace

Market market_from(const std::vector<BarFile>& files, std::vector<std::string>& problems) {
  std::set<std::string> names;
  for (const BarFile& file : files) {
    const std::string symbol(symbol_of(file.path));
    if (is_symbol(symbol))
      names.insert(symbol);
    else
      problems.push_back(file.path + ": the file's name must begin with a symbol");
  }
  Market market;
  market.symbols.assign(names.begin(), names.end());
  std::vector<Bar> bars;
  for (const BarFile& file : files) {
    const auto found =
        std::lower_bound(market.symbols.begin(), market.symbols.end(), symbol_of(file.path));
    parse_file(file, static_cast<std::uint32_t>(found - market.symbols.begin()), bars, problems);
  }
  std::map<std::pair<std::uint32_t, std::int64_t>, int> seen;
  for (const Bar& bar : bars) {
    if (seen[{bar.symbol, bar.time_ns}]++ == 1)
      problems.push_back("two files have a bar of " + market.symbols[bar.symbol] + " at " +
                         rfc3339_micros(bar.time_ns));
  }
  market.days = days_of(std::move(bars));
  return market;
}

Market market_from_paths(const std::vector<std::string>& paths,
                         std::vector<std::string>& problems) {
  std::vector<BarFile> files;
  for (const std::string& path : paths) {
    std::ifstream stream(path, std::ios::binary);
    if (stream) files.push_back({path, std::string(std::istreambuf_iterator<char>(stream), {})});
    if (!stream || stream.bad())
      problems.push_back(path + ": cannot read: " + std::strerror(errno));
  }
  return market_from(files, problems);
}

Market made_market(std::uint64_t seed, int days) {
  Market market;
  market.symbols = {"QQQ", "SPY"};
  const Dice dice(seed);
  std::array<Walk, 2> walks{Walk(dice.of(0), 380 * kE8 + 25 * (kE8 / 100), kE8 / 100),
                            Walk(dice.of(1), 440 * kE8 + 10 * (kE8 / 100), kE8 / 100)};
  std::vector<Bar> bars;
  std::int64_t date = days_from_civil({2024, 4, 1});
  for (int day = 0; day < days; ++day, ++date) {
    while (weekday_of(date) > 4) ++date;
    for (std::int64_t at = kSessionOpenNs; at < kSessionCloseNs; at += kMinuteNs) {
      for (std::uint32_t symbol = 0; symbol < walks.size(); ++symbol)
        bars.push_back(walks[symbol].next(date * kDayNs + at, symbol));
    }
  }
  market.days = days_of(std::move(bars));
  return market;
}

}  // namespace ddt::replay
