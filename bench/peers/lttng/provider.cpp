// A module of its own, loaded by bench/peers/lttng.cpp once everything is prepared: LTTng's library looks for its daemon
// when it is loaded.
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "bench/peers/lttng/events.inc"

extern "C" {

bool ddt_bench_say_heard(std::uint32_t i) {
  lttng_ust_tracepoint(ddt_bench, heard, i, 1'500'000 + i);
  return true;
}

bool ddt_bench_say_unheard(std::uint32_t i) {
  lttng_ust_tracepoint(ddt_bench, unheard, i, 1'500'000 + i);
  return true;
}
}
