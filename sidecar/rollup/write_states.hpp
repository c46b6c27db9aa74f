// sidecar/rollup/write_states.hpp — what Blocks fold: equity minutes, hour states, Summaries of samples.
//
// Order     Rows are first created empty in key order, then read FOR UPDATE, merged and written: several
//           hosts may write one Window without losing a side or a deadlock (READ COMMITTED).
#pragma once

#include <span>

#include "shm/base/result.hpp"
#include "sidecar/model/block.hpp"
#include "sidecar/rollup/write_facts.hpp"
#include "sql/client.hpp"

namespace ddt::sidecar {

Status write_equity_minutes(sql::Connection& mysql, std::span<const model::Block> blocks,
                            DirtyHours& dirty);
Status write_hour_states(sql::Connection& mysql, std::span<const model::Block> blocks,
                         DirtyHours& dirty);
Status write_samples(sql::Connection& mysql, std::span<const model::Block> blocks,
                     DirtyHours& dirty);

// Marks the Windows of these hours, and those they lie in, as stale.
Status write_dirty(sql::Connection& mysql, const DirtyHours& dirty);

}  // namespace ddt::sidecar
