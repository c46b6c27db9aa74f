// sidecar/rollup/write_facts.hpp — facts of Blocks → rows, kept one by one.
//
// Once      A fact's key is (segment, lane, position); a trade's trade_id and an order's (order_id, status)
//           find the row they correct or repeat. The caller's transaction moves the positions.
#pragma once

#include <set>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "shm/base/result.hpp"
#include "sidecar/model/block.hpp"
#include "sidecar/model/time.hpp"
#include "sidecar/model/window.hpp"
#include "sql/client.hpp"

namespace ddt::sidecar {

// An Event and where it lies.
struct Fact {
  const model::Block* block;
  const model::Event* event;
};

// Which figures a transaction has made stale: (profile, metric type, hour start). The type is a literal.
using DirtyHours = std::set<std::tuple<std::int32_t, std::string_view, std::int64_t>>;
inline void mark(DirtyHours& dirty, std::int32_t profile_id, std::string_view metric_type,
                 std::int64_t time_ns) {
  dirty.emplace(profile_id, metric_type, model::hour_start_ns(model::unix_hour(time_ns)));
}

// By profile: most keys begin with it, and neighbours in an index cost less. A profile's own keep their order.
std::vector<Fact> facts_of(std::span<const model::Block> blocks);

// Writes them all, or fails as a whole.
Status write_facts(sql::Connection& mysql, std::span<const Fact> facts, DirtyHours& dirty);

}  // namespace ddt::sidecar
