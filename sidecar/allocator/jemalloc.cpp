// sidecar/allocator/jemalloc.cpp — what jemalloc is told at start-up, in programs that run a sidecar's threads.
//
// Blocks come and go by the megabyte. Given back to the kernel, each burst pays a page fault for every eight facts,
// several times what decoding them costs (bench/drain_bench: 1.9 instead of 4.7 M facts/s, bench/rollup_bench: 0.56
// instead of 0.82). So nothing is given back: a sidecar keeps the most that it ever needed, which its queue, the
// pages of the journal that it reads, and a Window's rows bound.

extern "C" const char* malloc_conf;
const char* malloc_conf = "oversize_threshold:0,dirty_decay_ms:-1";
