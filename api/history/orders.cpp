#include "api/history/orders.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "api/history/pieces.hpp"
#include "api/history/rows.hpp"

namespace ddt::api {
namespace {

const std::string kColumns =
    "o.order_id, o.parent_order_id, o.status, o.order_type, o.side, o.quantity, "
    "o.filled_quantity, o.limit_price, o.filled_price, o.event_time, o.script_name";

model::OrderRow order_of(const sql::Row& row) {
  return {.order_id = text_of(row, 0),
          .parent_order_id = text_of(row, 1),
          .status = text_of(row, 2),
          .order_type = text_of(row, 3),
          .side = text_of(row, 4),
          .quantity_e8 = e8_of(row, 5),
          .filled_quantity_e8 = e8_of(row, 6),
          .limit_price_e8 = e8_of(row, 7),
          .filled_price_e8 = e8_of(row, 8),
          .event_time_ns = time_ns_of(row, 9)};
}

std::string placeholders(std::size_t count) {
  std::string text = "?";
  for (std::size_t i = 1; i < count; ++i) text += ",?";
  return text;
}

void add(const sql::Rows& rows, model::OrderClosure& closure) {
  for (const sql::Row& row : rows) closure.add(order_of(row), text_of(row, 10));
}

constexpr std::size_t kStretchesLeftOut = 4;

// Rows of these orders, and of orders that name one of them as parent, that lie outside of the stretches, whose rows
// are known already (of more than kStretchesLeftOut stretches some come once more).
Status read_legs(Stores& stores, std::int32_t profile_id, std::span<const std::string> order_ids,
                 std::span<const model::Stretch> known, model::OrderClosure& closure) {
  static const std::string kSql = [] {
    // The indexes are said: nothing then looks for how many rows each id has (Stores).
    const auto from = [](const char* index) {
      return "SELECT " + kColumns + " FROM dd_orders o FORCE INDEX (" + index +
             ") WHERE o.profile_id = ? AND ";
    };
    std::string rest = " IN (" + placeholders(kIdsPerQuery) + ")";
    for (std::size_t i = 0; i < kStretchesLeftOut; ++i)
      rest += " AND NOT (o.event_time >= ? AND o.event_time < ?)";
    return from("uq_order_status") + "o.order_id" + rest + " UNION ALL " +
           from("idx_order_parent") + "o.parent_order_id" + rest;
  }();
  std::vector<sql::Value> ends;
  for (std::size_t i = 0; i < kStretchesLeftOut; ++i) {
    const model::Stretch one = i < known.size() ? known[i] : model::Stretch{};
    ends.insert(ends.end(), {time_value(one.from_ns), time_value(one.to_ns)});
  }
  for (std::size_t at = 0; at < order_ids.size(); at += kIdsPerQuery) {
    const auto part = order_ids.subspan(at, std::min(kIdsPerQuery, order_ids.size() - at));
    std::vector<sql::Value> half{std::int64_t{profile_id}};
    for (std::size_t i = 0; i < kIdsPerQuery; ++i) {
      half.emplace_back(part[std::min(i, part.size() - 1)]);
    }
    half.insert(half.end(), ends.begin(), ends.end());
    std::vector<sql::Value> params = half;
    params.insert(params.end(), std::make_move_iterator(half.begin()),
                  std::make_move_iterator(half.end()));
    const auto rows = stores.query(kSql, params);
    if (!rows) return rows.error();
    add(*rows, closure);
  }
  return Done{};
}

// Every chain that has a row in one of the stretches, whole.
Result<std::vector<model::KnownChain>> chains_of(Stores& stores, std::int32_t profile_id,
                                                 std::span<const model::Stretch> stretches) {
  static const std::string kSql = "SELECT " + kColumns +
                                  " FROM dd_orders o FORCE INDEX (idx_order_time) WHERE "
                                  "o.profile_id = ? AND o.event_time >= ? AND o.event_time < ?";
  const auto rows = rows_in(stores, profile_id, kSql, stretches);
  if (!rows) return rows.error();
  model::OrderClosure closure;
  add(*rows, closure);
  for (auto wanted = closure.take_wanted(); !wanted.empty(); wanted = closure.take_wanted()) {
    if (auto done = read_legs(stores, profile_id, wanted, stretches, closure); !done)
      return done.error();
  }
  return closure.chains();
}

// When anything was said of chains of which something was said in these hours.
std::set<std::int64_t> times_of(std::span<const model::KnownChain> chains,
                                std::span<const model::Stretch> hours) {
  std::set<std::int64_t> times;
  for (const model::KnownChain& chain : chains) {
    const bool has_news = std::ranges::any_of(hours, [&chain](const model::Stretch& hour) {
      return chain.has_row_in(hour.from_ns, hour.to_ns);
    });
    if (has_news) times.insert(chain.times_ns.begin(), chain.times_ns.end());
  }
  return times;
}

// The pieces without state whose rows are still to be read, in order of time.
std::vector<PieceOfRange> take_bare(std::vector<PieceOfRange>& pieces) {
  const auto bare = std::ranges::stable_partition(
      pieces, [](const PieceOfRange& of) { return of.piece.type.has_value(); });
  std::vector<PieceOfRange> taken(std::make_move_iterator(bare.begin()),
                                  std::make_move_iterator(bare.end()));
  pieces.erase(bare.begin(), bare.end());
  return taken;
}

const PieceOfRange* piece_at(std::span<const PieceOfRange> pieces, std::int64_t time_ns) {
  const auto after = std::ranges::upper_bound(
      pieces, time_ns, {}, [](const PieceOfRange& of) { return of.piece.stretch.from_ns; });
  if (after == pieces.begin() || time_ns >= (after - 1)->piece.stretch.to_ns) return nullptr;
  return &*(after - 1);
}

// What the chains did in these pieces.
void add_chains(std::span<const PieceOfRange> pieces, std::span<const model::KnownChain> chains,
                const std::optional<model::WindowType>& window, OrderHistory& history) {
  for (const model::KnownChain& chain : chains) {
    const PieceOfRange* last = nullptr;
    std::optional<model::Window> last_window;
    for (const std::int64_t time_ns : chain.times_ns) {  // in order
      const PieceOfRange* of = piece_at(pieces, time_ns);
      if (of == nullptr) continue;
      const model::Stretch& stretch = of->piece.stretch;
      if (of != last && of->is_in_range) history.range.add(chain, stretch.from_ns, stretch.to_ns);
      if (of != last) last_window.reset();
      last = of;
      if (!window || (last_window && last_window->contains(time_ns))) continue;
      last_window = model::window_containing(*window, time_ns);
      history.windows[*last_window].add(chain, std::max(stretch.from_ns, last_window->start_ns),
                                        std::min(stretch.to_ns, last_window->end_ns));
    }
  }
}

void add_states(std::span<const PieceOfRange> pieces,
                const std::optional<model::WindowType>& window, OrderHistory& history) {
  for (const auto& [piece, is_in_range] : pieces) {
    const auto orders = *model::span_in<model::OrderSpans>(model::sections_of(piece.state)->first);
    if (window && !orders.by_script.empty())
      history.windows[model::window_containing(*window, piece.stretch.from_ns)].merge(orders);
    if (is_in_range) history.range.merge(orders);
  }
}

Result<OrderHistory> read_history(Stores& stores, std::int32_t profile_id, const Range& range,
                                  const std::optional<model::WindowType>& window) {
  auto pieces =
      pieces_of_range(stores, profile_id, "order", range, whole_windows(range, window), window);
  if (!pieces) return pieces.error();
  auto stretches = hours_with_news(stores, profile_id, "order");
  if (!stretches) return stretches.error();
  const std::vector<model::Stretch> hours = *stretches;
  OrderHistory history;
  const auto add_rows = [&]() -> Result<std::vector<model::KnownChain>> {
    const std::vector<PieceOfRange> bare = take_bare(*pieces);
    for (const PieceOfRange& of : bare) stretches->push_back(of.piece.stretch);
    auto chains = chains_of(stores, profile_id, *stretches);
    if (chains) add_chains(bare, *chains, window, history);
    stretches->clear();
    return chains;
  };
  const auto chains = add_rows();
  if (!chains) return chains.error();
  const auto times = times_of(*chains, hours);
  if (!times.empty()) {
    if (auto done = take_back_states(stores, profile_id, "order", times, *pieces); !done)
      return done.error();
    if (const auto others = add_rows(); !others) return others.error();
  }
  add_states(*pieces, window, history);
  return history;
}

}  // namespace

Result<OrderHistory> order_history(Stores& stores, std::int32_t profile_id, const Range& range,
                                   const std::optional<model::WindowType>& window) {
  return stores.in_snapshot([&] { return read_history(stores, profile_id, range, window); });
}

}  // namespace ddt::api
