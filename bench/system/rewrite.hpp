// bench/system/rewrite.hpp — Redis's append-only file, which Redis writes anew when it has become long: a cost that a
// measurement of some seconds does not see, or sees whole.
//
// Errors    std::runtime_error.
#pragma once

#include <cstdint>

#include "sidecar/redis/client.hpp"

namespace ddt::bench {

struct AppendOnlyFile {
  std::uint64_t bytes = 0;        // now
  std::uint64_t base_bytes = 0;   // when it was last written anew
  std::uint64_t limit_bytes = 0;  // at which it is the next time
  bool is_rewritten = false;      // right now
};

AppendOnlyFile append_only_file(redis::Client& redis);
void begin_rewrite(redis::Client& redis);

}  // namespace ddt::bench
