// sidecar/burst_memory.hpp — keeps the memory of a burst for the next one.
//
// Blocks come and go by the megabyte, and the C library gives such pieces back to the kernel at once: the next burst
// then pays a page fault for every eight facts, several times what decoding them costs (bench/drain_bench: 0.6 instead
// of 4 M facts/s). As much is kept as the queue behind the drain may hold (SidecarConfig::queue_bytes_max).
#pragma once

#include <malloc.h>

namespace ddt::sidecar {

// At start-up, before there are threads.
inline void keep_burst_memory() noexcept {
  constexpr int kKeptBytes = 64 << 20;
  ::mallopt(M_MMAP_THRESHOLD, kKeptBytes / 2);  // the largest that glibc takes
  ::mallopt(M_TRIM_THRESHOLD, kKeptBytes);
}

}  // namespace ddt::sidecar
