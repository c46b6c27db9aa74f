// sidecar/top/run.hpp — the two ways to look: once, and for as long as somebody watches.
#pragma once

#include "sidecar/top/options.hpp"

namespace ddt::top {

// Two looks, an interval apart, then one table or JSON document. Returns the exit status.
int run_once(const Options& options);

// Until q or a signal; the signal is raised again once the terminal is restored. Needs
// Terminal::is_usable().
int run_live(const Options& options);

}  // namespace ddt::top
