// sidecar/model/orders.hpp — order chains: orders linked by parent_order_id, judged as one.
//
// Input     One row per (order_id, status), as in dd_orders, of one profile; times are the earliest
// sighting
//           of that status. Rows at or after `to` are not looked at: the answer is what was known
//           at `to`. Give all rows of every chain that began before `to` and had not ended before
//           `from`.
// Leg       All rows of one order_id. Its end is its latest row of filled, canceled, expired,
// rejected or
//           replaced (at one instant: the first of these in this order). Its type, quantities and
//           parent are the latest that were said.
// Chain     Legs joined by parent_order_id, a parent that was never seen included, so that siblings
// stay
//           together. It begins with its first row. Its first leg is the earliest one without a
//           seen parent, its last leg the latest-born one without a child (then by order_id).
//
//   what the last leg says               | the chain
//   -------------------------------------+------------------------------------------------------------
//   filled, canceled, expired, rejected  | ended so, at that row's time
//   replaced, no child seen              | ended, in no class (ended_orders only)
//   replaced or anything, a child seen   | not the last leg: the child decides
//   converted, no child seen             | open: `converted` ends nothing (METRICS section 4)
//   anything else                        | open
//
// partially_filled  counts chains ended in the range without being filled although something was:
// it stands
//                   beside canceled, expired and rejected, not instead of them.
// limit-first       the first leg's order_type is `limit`.
// converted         a leg reported `converted`, or a `market` leg has a leg of the chain as parent.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "shm/base/decimal.hpp"
#include "sidecar/model/event.hpp"
#include "sidecar/model/ratio.hpp"
#include "sidecar/model/trades.hpp"

namespace ddt::model {

struct OrderRow {
  std::string order_id, parent_order_id, status, order_type, side;
  std::int64_t quantity_e8 = kNullE8, filled_quantity_e8 = kNullE8;
  std::int64_t limit_price_e8 = kNullE8, filled_price_e8 = kNullE8;
  std::int64_t event_time_ns = 0;
};
OrderRow row_of(const OrderEvent& event);

// filled, canceled, expired, rejected, replaced.
bool is_end_status(std::string_view status) noexcept;

enum class ChainEnd : std::uint8_t { open, filled, canceled, expired, rejected, replaced };

// One chain as known at `to`.
struct OrderChain {
  std::string first_order_id, last_order_id;
  std::int64_t first_seen_ns = 0;
  ChainEnd end = ChainEnd::open;
  std::int64_t end_time_ns = kNoTime;
  bool limit_first = false, converted = false;
  bool partially_filled = false;  // something was filled, and it is not (or not yet) filled
  std::int64_t converted_time_ns = kNoTime;
  int128 converted_quantity_e8 = 0;
  std::optional<std::int64_t> conversion_cost_bps_e8;  // side·(market fill − limit)/limit·1e4
  std::uint32_t illegal_transitions = 0;  // rows of a leg that came after its first end status
};

// Chains begun before to_ns, by (first seen, first order_id).
std::vector<OrderChain> order_chains(std::span<const OrderRow> rows, std::int64_t to_ns);

struct OrderFigures {
  std::uint64_t total_orders = 0;  // chains first seen in the range
  std::uint64_t ended_orders = 0;  // chains that ended in the range, replaced ones included
  std::uint64_t filled_orders = 0, canceled_orders = 0, rejected_orders = 0, expired_orders = 0;
  std::uint64_t partially_filled = 0;
  std::uint64_t open_orders = 0;                              // at to_ns
  std::int64_t oldest_open_age_ns = 0;                        // at to_ns; 0 when none is open
  std::uint64_t limit_first_ended = 0, converted_orders = 0;  // of chains that ended in the range
  CheckedSum converted_quantity_e8;
  std::uint64_t illegal_transitions = 0;  // of chains that were alive in the range
  QuantileSketch time_to_fill_us,
      time_to_conversion_us;  // of chains filled / converted, ended in the range
  QuantileSketch conversion_cost_bps_e8;
  CheckedSum conversion_cost_sum_e8;

  // total_orders, filled_orders, canceled_orders, rejected_orders, expired_orders,
  // partially_filled, open_orders, oldest_open_age, fill_rate, cancel_rate, conversion_rate,
  // converted_quantity, time_to_fill_p50/_p95, time_to_conversion_p50/_p95 (s),
  // conversion_cost_bps, illegal_transitions. Reasons: no_ended_orders, no_ended_limit_orders,
  // no_open_orders, no_filled_orders, no_converted_orders, overflow.
  std::vector<Figure> figures() const;
};

// As known at `to`.
OrderFigures order_figures(std::span<const OrderRow> rows, std::int64_t from_ns,
                           std::int64_t to_ns);
// As known by those who judged the chains, which may be later than `to`: a chain whose order was
// replaced before `to` and whose next order came after it has not ended before `to`.
OrderFigures order_figures(std::span<const OrderChain> chains, std::int64_t from_ns,
                           std::int64_t to_ns);

}  // namespace ddt::model
