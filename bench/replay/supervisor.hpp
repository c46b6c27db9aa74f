// bench/replay/supervisor.hpp — starts the bots, passes SIGTERM on, waits, and sums up.
#pragma once

#include "bench/replay/options.hpp"

namespace ddt::replay {

// One breakout detector, and three bots per profile: this program again, as a process each.
int run_supervisor(Options options);

}  // namespace ddt::replay
