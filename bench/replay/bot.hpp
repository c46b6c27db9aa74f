// bench/replay/bot.hpp — one bot process: one script of one profile.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/replay/bars.hpp"
#include "bench/replay/options.hpp"
#include "bench/replay/telemetry_sink.hpp"

namespace ddt::replay {

// The market of the options: their files, or made bars.
Market load_market(const Options& options, std::vector<std::string>& problems);
// Whether the last day plays live; otherwise all days are history.
bool has_live_day(const Options& options) noexcept;

// Publishes its part until it is done or SIGTERM comes; answers the exit status.
int run_bot(const Options& options, const Market& market);

// What a bot tells its supervisor, a line each: "history" before the live day, "report …" at the end.
inline constexpr std::string_view kHistoryLine = "history";
std::string report_line(const PublishCounts& counts);
bool add_report(std::string_view line, PublishCounts& totals);  // false: no report

}  // namespace ddt::replay
