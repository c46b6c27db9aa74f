// bench/history/fill.hpp — a year of one profile's history in MySQL, as the rollup and the figures stage leave it.
//
// Trades, orders and signals are made inside MariaDB from numbers (its SEQUENCE engine), in the columns that the rollup
// writes; equity, latencies and health go through the rollup's own functions; all figures and states come from the
// figures stage. Markets are open eight hours a day, Monday to Friday.
//
// Errors    std::runtime_error.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sql/client.hpp"

namespace ddt::bench {

struct Year {
  std::int32_t profile_id = 1;
  std::int64_t begin_ns = 0;  // a Monday, 52 weeks back
  std::uint64_t trades = 1'000'000;

  static constexpr std::int64_t kWeeks = 52, kHoursADay = 8, kFirstHour = 13;
  static constexpr std::int64_t kHours = kWeeks * 5 * kHoursADay;
  std::int64_t hour_ns(std::int64_t open_hour) const;  // the n-th hour in which markets are open
  std::int64_t end_ns() const;
};
// The last whole 52 weeks before now.
Year last_year(std::int32_t profile_id, std::uint64_t trades, std::int64_t now_ns);

using Progress = std::function<void(const std::string& what)>;

// The schema, and a server set up for much at once; once before fill().
void prepare(sql::Connection& mysql);
// The longest year first: only an empty table takes rows in at once. Trades beside the rest, on a thread of their own.
void fill(const sql::ConnectOptions& options, const std::vector<Year>& years,
          const Progress& progress);
// Until the figures stage has nothing left to do.
void compute_figures(const sql::ConnectOptions& options, std::int64_t now_ns,
                     const Progress& progress);

// The last hour's figures are stale, as the running hour's are while bots trade.
void leave_news(sql::Connection& mysql, const Year& year);

}  // namespace ddt::bench
