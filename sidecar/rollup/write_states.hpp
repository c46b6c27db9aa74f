// sidecar/rollup/write_states.hpp — what Blocks fold: equity minutes, hour states, Summaries of samples.
//
// Order     Rows are first created empty in key order, then read FOR UPDATE, merged and written: several
//           hosts may write one Window without losing a side or a deadlock (READ COMMITTED).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <tuple>

#include "shm/base/result.hpp"
#include "sidecar/model/block.hpp"
#include "sidecar/rollup/write_facts.hpp"
#include "sql/client.hpp"

namespace ddt::sidecar {

Status write_equity_minutes(sql::Connection& mysql, std::span<const model::Block> blocks,
                            DirtyHours& dirty);

// (profile, script, metric, start of the hour): the key of a reading's row, in the table's key order, so that two
// hosts lock rows in one order.
using ReadingKey = std::tuple<std::int32_t, std::string, std::string, std::int64_t>;
// Ids of committed rows, as one connection has seen them: a MySQL that came back old may give them to others.
using ReadingIds = std::map<ReadingKey, std::int64_t>;

// `ids`: those that are known spare a look; those that are found are added.
Status write_hour_states(sql::Connection& mysql, std::span<const model::Block> blocks,
                         ReadingIds& ids, DirtyHours& dirty);
Status write_samples(sql::Connection& mysql, std::span<const model::Block> blocks,
                     DirtyHours& dirty);

// Marks the Windows of these hours, and those they lie in, as stale.
Status write_dirty(sql::Connection& mysql, const DirtyHours& dirty);

}  // namespace ddt::sidecar
