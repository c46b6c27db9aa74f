// sidecar/top/dump.hpp — everything a Segment still holds, for people and for programs.
#pragma once

#include "sidecar/top/options.hpp"

namespace ddt::top {

// Prints the header, the names, and of each Lane its control block, every whole Record from `released`
// on, and where and why it stops. Returns the exit status: 1 when it is no Segment of ours to read.
int run_dump(const Options& options);

}  // namespace ddt::top
