#include "sidecar/model/orders.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <string_view>
#include <tuple>
#include <unordered_map>

namespace ddt::model {
namespace {

struct EndWord {
  std::string_view status;
  ChainEnd end;
};
// Of several ends at one instant the first of these is the leg's.
constexpr std::array<EndWord, 5> kEndWords{{{"filled", ChainEnd::filled},
                                            {"canceled", ChainEnd::canceled},
                                            {"expired", ChainEnd::expired},
                                            {"rejected", ChainEnd::rejected},
                                            {"replaced", ChainEnd::replaced}}};

std::size_t end_rank(std::string_view status) {
  std::size_t rank = 0;
  while (rank < kEndWords.size() && kEndWords[rank].status != status) ++rank;
  return rank;  // kEndWords.size() when it is no end
}

// All rows of one order_id.
struct Leg {
  std::string_view order_id, parent_order_id, order_type, side;
  std::int64_t first_seen_ns = 0;
  ChainEnd end = ChainEnd::open;
  std::int64_t end_time_ns = kNoTime;
  std::int64_t converted_ns = kNoTime;  // when it said `converted`
  std::int64_t quantity_e8 = kNullE8, filled_quantity_e8 = kNullE8;
  std::int64_t limit_price_e8 = kNullE8, filled_price_e8 = kNullE8;
  std::uint32_t illegal_transitions = 0;

  std::size_t parent =
      kNone;  // index among the legs; kNone when there is none or it was never seen
  bool has_child = false;
  std::size_t chain = 0;
  static constexpr std::size_t kNone = ~std::size_t{0};
};

void say(std::string_view& field, std::string_view said) {
  if (!said.empty()) field = said;
}
void say(std::int64_t& field, std::int64_t said_e8) {
  if (!is_null(said_e8)) field = said_e8;
}

// Rows of one order in time order.
Leg leg_of(std::span<const OrderRow* const> rows) {
  Leg leg;
  leg.order_id = rows.front()->order_id;
  leg.first_seen_ns = rows.front()->event_time_ns;
  std::int64_t first_end_ns = kNoTime;
  for (const OrderRow* row : rows) {
    say(leg.parent_order_id, row->parent_order_id);
    say(leg.order_type, row->order_type);
    say(leg.side, row->side);
    say(leg.quantity_e8, row->quantity_e8);
    if (!is_null(row->filled_quantity_e8)) {  // only grows; kNullE8 is the least int64
      leg.filled_quantity_e8 = std::max(leg.filled_quantity_e8, row->filled_quantity_e8);
    }
    say(leg.limit_price_e8, row->limit_price_e8);
    say(leg.filled_price_e8, row->filled_price_e8);
    if (row->status == "converted" && leg.converted_ns == kNoTime) {
      leg.converted_ns = row->event_time_ns;
    }
    if (first_end_ns != kNoTime && row->event_time_ns > first_end_ns) ++leg.illegal_transitions;
    const std::size_t rank = end_rank(row->status);
    if (rank == kEndWords.size()) continue;
    if (first_end_ns == kNoTime) first_end_ns = row->event_time_ns;
    // Rows of one instant come in the order of kEndWords: the first stays.
    if (leg.end_time_ns != row->event_time_ns) {
      leg.end = kEndWords[rank].end;
      leg.end_time_ns = row->event_time_ns;
    }
  }
  return leg;
}

std::vector<Leg> legs_of(std::span<const OrderRow> rows, std::int64_t to_ns) {
  std::vector<const OrderRow*> known;
  for (const OrderRow& row : rows) {
    if (row.event_time_ns < to_ns) known.push_back(&row);
  }
  const auto key = [](const OrderRow* row) {
    return std::make_tuple(std::string_view(row->order_id), row->event_time_ns,
                           end_rank(row->status), std::string_view(row->status));
  };
  std::sort(known.begin(), known.end(),
            [&key](const OrderRow* a, const OrderRow* b) { return key(a) < key(b); });
  std::vector<Leg> legs;
  for (std::size_t begin = 0; begin < known.size();) {
    std::size_t end = begin + 1;
    while (end < known.size() && known[end]->order_id == known[begin]->order_id) ++end;
    legs.push_back(leg_of(std::span(known).subspan(begin, end - begin)));
    begin = end;
  }
  return legs;
}

// Chains as disjoint sets of legs and of parents that were never seen.
class ChainSets {
 public:
  explicit ChainSets(std::size_t size) : parent_(size) {
    std::iota(parent_.begin(), parent_.end(), std::size_t{0});
  }
  std::size_t add() {
    parent_.push_back(parent_.size());
    return parent_.size() - 1;
  }
  std::size_t find(std::size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(std::size_t a, std::size_t b) { parent_[find(a)] = find(b); }

 private:
  std::vector<std::size_t> parent_;
};

void link(std::vector<Leg>& legs) {
  ChainSets sets(legs.size());
  std::unordered_map<std::string_view, std::size_t> index_of;
  for (std::size_t i = 0; i < legs.size(); ++i) index_of.emplace(legs[i].order_id, i);
  for (std::size_t i = 0; i < legs.size(); ++i) {
    Leg& leg = legs[i];
    if (leg.parent_order_id.empty() || leg.parent_order_id == leg.order_id) continue;
    const auto at = index_of.find(leg.parent_order_id);
    if (at == index_of.end()) {
      index_of.emplace(leg.parent_order_id, sets.add());
      sets.join(i, index_of[leg.parent_order_id]);
      continue;
    }
    sets.join(i, at->second);
    if (at->second >= legs.size()) continue;  // never seen
    leg.parent = at->second;
    legs[at->second].has_child = true;
  }
  for (std::size_t i = 0; i < legs.size(); ++i) legs[i].chain = sets.find(i);
}

// The earliest leg without a seen parent, and the latest-born without a child. Where links run in a
// circle there is none: then the earliest and the latest of all.
struct FirstAndLast {
  const Leg* first = nullptr;
  const Leg* last = nullptr;
};
FirstAndLast first_and_last(std::span<const Leg* const> legs) {
  const auto born = [](const Leg* a, const Leg* b) {
    return std::tie(a->first_seen_ns, a->order_id) < std::tie(b->first_seen_ns, b->order_id);
  };
  FirstAndLast found;
  for (const Leg* leg : legs) {
    if (leg->parent == Leg::kNone && (!found.first || born(leg, found.first))) found.first = leg;
    if (!leg->has_child && (!found.last || born(found.last, leg))) found.last = leg;
  }
  if (!found.first) found.first = *std::min_element(legs.begin(), legs.end(), born);
  if (!found.last) found.last = *std::max_element(legs.begin(), legs.end(), born);
  return found;
}

std::int64_t or_zero(std::int64_t value_e8) { return is_null(value_e8) ? 0 : value_e8; }

// side·(market fill − limit)/limit in bps, of a market leg that followed a limit leg.
std::optional<std::int64_t> conversion_cost(const Leg& market, const Leg& limit) {
  const int sign = sign_of_side(market.side);
  if (sign == 0 || is_null(market.filled_price_e8) || is_null(limit.limit_price_e8)) return {};
  const int128 move = (int128{market.filled_price_e8} - limit.limit_price_e8) * sign;
  const auto bps = multiply_divide(move, 10'000 * static_cast<int128>(kE8), limit.limit_price_e8);
  if (!bps || *bps > kMaxE8 || *bps < -int128{kMaxE8}) return {};
  return static_cast<std::int64_t>(*bps);
}

void note_conversion(std::span<const Leg> all, std::span<const Leg* const> legs,
                     OrderChain& chain) {
  int128 market_quantity = 0, rest_quantity = 0;
  bool has_market_leg = false;
  const auto converted_at = [&chain](std::int64_t time_ns) {
    chain.converted = true;
    const bool earlier = chain.converted_time_ns == kNoTime || time_ns < chain.converted_time_ns;
    if (earlier) chain.converted_time_ns = time_ns;
  };
  for (const Leg* leg : legs) {
    if (leg->converted_ns != kNoTime) {
      converted_at(leg->converted_ns);
      rest_quantity += int128{or_zero(leg->quantity_e8)} - or_zero(leg->filled_quantity_e8);
    }
    if (leg->order_type != "market" || leg->parent == Leg::kNone) continue;
    converted_at(leg->first_seen_ns);
    has_market_leg = true;
    market_quantity +=
        is_null(leg->quantity_e8) ? or_zero(leg->filled_quantity_e8) : leg->quantity_e8;
    const auto cost = conversion_cost(*leg, all[leg->parent]);
    if (cost && !chain.conversion_cost_bps_e8) chain.conversion_cost_bps_e8 = cost;
  }
  chain.converted_quantity_e8 =
      has_market_leg ? market_quantity : std::max<int128>(rest_quantity, 0);
}

OrderChain chain_of(std::span<const Leg> all, std::span<const Leg* const> legs) {
  const auto [first, last] = first_and_last(legs);
  OrderChain chain;
  chain.first_order_id = first->order_id;
  chain.last_order_id = last->order_id;
  chain.first_seen_ns = first->first_seen_ns;
  chain.end = last->end;
  chain.end_time_ns = last->end_time_ns;
  chain.limit_first = first->order_type == "limit";
  bool any_filled = false;
  for (const Leg* leg : legs) {
    chain.first_seen_ns = std::min(chain.first_seen_ns, leg->first_seen_ns);
    chain.illegal_transitions += leg->illegal_transitions;
    any_filled = any_filled || or_zero(leg->filled_quantity_e8) > 0;
  }
  chain.partially_filled = any_filled && chain.end != ChainEnd::filled;
  note_conversion(all, legs, chain);
  return chain;
}

}  // namespace

OrderRow row_of(const OrderEvent& event) {
  return {.order_id = event.order_id,
          .parent_order_id = event.parent_order_id,
          .status = event.status,
          .order_type = event.order_type,
          .side = event.side,
          .quantity_e8 = event.quantity_e8,
          .filled_quantity_e8 = event.filled_quantity_e8,
          .limit_price_e8 = event.limit_price_e8,
          .filled_price_e8 = event.filled_price_e8,
          .event_time_ns = event.origin.event_time_ns};
}

bool is_end_status(std::string_view status) noexcept { return end_rank(status) < kEndWords.size(); }

std::vector<OrderChain> order_chains(std::span<const OrderRow> rows, std::int64_t to_ns) {
  std::vector<Leg> legs = legs_of(rows, to_ns);
  link(legs);
  std::map<std::size_t, std::vector<const Leg*>> members;
  for (const Leg& leg : legs) members[leg.chain].push_back(&leg);
  std::vector<OrderChain> chains;
  chains.reserve(members.size());
  for (const auto& [chain, of_chain] : members) chains.push_back(chain_of(legs, of_chain));
  std::sort(chains.begin(), chains.end(), [](const OrderChain& a, const OrderChain& b) {
    return std::tie(a.first_seen_ns, a.first_order_id) <
           std::tie(b.first_seen_ns, b.first_order_id);
  });
  return chains;
}

}  // namespace ddt::model
