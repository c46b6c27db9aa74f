// shm/base/check.hpp — checks for our own bugs, in Release too. For sidecar and api only: a bot is
// never aborted, whatever is wrong with us.
#pragma once

#include <cstdio>
#include <cstdlib>

#define DDT_CHECK(condition)                                                             \
  do {                                                                                   \
    if (!(condition)) [[unlikely]] {                                                     \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
