#include <algorithm>
#include <string_view>

#include "sidecar/model/orders.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::model {
namespace {

void note_end(const OrderChain& chain, OrderFigures& figures) {
  ++figures.ended_orders;
  switch (chain.end) {
    case ChainEnd::filled:
      ++figures.filled_orders;
      break;
    case ChainEnd::canceled:
      ++figures.canceled_orders;
      break;
    case ChainEnd::expired:
      ++figures.expired_orders;
      break;
    case ChainEnd::rejected:
      ++figures.rejected_orders;
      break;
    case ChainEnd::replaced:
    case ChainEnd::open:
      break;
  }
  if (chain.partially_filled) ++figures.partially_filled;
  if (chain.end == ChainEnd::filled) {
    figures.time_to_fill_us.add((chain.end_time_ns - chain.first_seen_ns) / kNsPerUs);
  }
  if (!chain.limit_first) return;
  ++figures.limit_first_ended;
  if (!chain.converted) return;
  ++figures.converted_orders;
  figures.converted_quantity_e8.add(chain.converted_quantity_e8);
  figures.time_to_conversion_us.add((chain.converted_time_ns - chain.first_seen_ns) / kNsPerUs);
  if (chain.conversion_cost_bps_e8) {
    figures.conversion_cost_bps_e8.add(*chain.conversion_cost_bps_e8);
    figures.conversion_cost_sum_e8.add(*chain.conversion_cost_bps_e8);
  }
}

class FigureList {
 public:
  void count(std::string_view name, std::uint64_t value) {
    figures_.push_back({std::string(name), static_cast<int128>(value) * kE8, {}});
  }
  void share(std::string_view name, std::uint64_t part, std::uint64_t all,
             std::string_view reason) {
    if (all == 0) return null(name, reason);
    const int128 pct =
        divide_rounded(static_cast<int128>(part) * 100 * kE8, static_cast<int128>(all));
    figures_.push_back({std::string(name), pct, {}});
  }
  void seconds(std::string_view name, const QuantileSketch& sketch_us, std::uint32_t permille,
               std::string_view reason) {
    const auto value = sketch_us.quantile(permille);
    if (!value) return null(name, reason);
    figures_.push_back({std::string(name), int128{*value} * (kE8 / 1'000'000), {}});
  }
  void value(std::string_view name, int128 value_e8) {
    figures_.push_back({std::string(name), value_e8, {}});
  }
  void null(std::string_view name, std::string_view reason) {
    figures_.push_back({std::string(name), {}, std::string(reason)});
  }
  std::vector<Figure> take() && { return std::move(figures_); }

 private:
  std::vector<Figure> figures_;
};

}  // namespace

OrderFigures order_figures(std::span<const OrderChain> chains, std::int64_t from_ns,
                           std::int64_t to_ns) {
  OrderFigures figures;
  for (const OrderChain& chain : chains) {
    if (chain.first_seen_ns >= to_ns) continue;
    if (chain.first_seen_ns >= from_ns) ++figures.total_orders;
    if (chain.end == ChainEnd::open || chain.end_time_ns >= to_ns) {
      ++figures.open_orders;
      figures.oldest_open_age_ns =
          std::max(figures.oldest_open_age_ns, to_ns - chain.first_seen_ns);
    } else if (chain.end_time_ns >= from_ns) {
      note_end(chain, figures);
    } else {
      continue;  // over before the range
    }
    figures.illegal_transitions += chain.illegal_transitions;
  }
  return figures;
}

OrderFigures order_figures(std::span<const OrderRow> rows, std::int64_t from_ns,
                           std::int64_t to_ns) {
  return order_figures(std::span<const OrderChain>(order_chains(rows, to_ns)), from_ns, to_ns);
}

std::vector<Figure> OrderFigures::figures() const {
  FigureList list;
  list.count("total_orders", total_orders);
  list.count("filled_orders", filled_orders);
  list.count("canceled_orders", canceled_orders);
  list.count("rejected_orders", rejected_orders);
  list.count("expired_orders", expired_orders);
  list.count("partially_filled", partially_filled);
  list.count("open_orders", open_orders);
  if (open_orders == 0) {
    list.null("oldest_open_age", "no_open_orders");
  } else {
    list.value("oldest_open_age", divide_rounded(int128{oldest_open_age_ns} * kE8, kNsPerSecond));
  }
  list.share("fill_rate", filled_orders, ended_orders, "no_ended_orders");
  list.share("cancel_rate", canceled_orders, ended_orders, "no_ended_orders");
  list.share("conversion_rate", converted_orders, limit_first_ended, "no_ended_limit_orders");
  if (converted_quantity_e8.overflow) {
    list.null("converted_quantity", "overflow");
  } else {
    list.value("converted_quantity", converted_quantity_e8.value);
  }
  list.seconds("time_to_fill_p50", time_to_fill_us, 500, "no_filled_orders");
  list.seconds("time_to_fill_p95", time_to_fill_us, 950, "no_filled_orders");
  list.seconds("time_to_conversion_p50", time_to_conversion_us, 500, "no_converted_orders");
  list.seconds("time_to_conversion_p95", time_to_conversion_us, 950, "no_converted_orders");
  if (conversion_cost_bps_e8.n() == 0) {
    list.null("conversion_cost_bps", "no_converted_orders");
  } else if (conversion_cost_sum_e8.overflow) {
    list.null("conversion_cost_bps", "overflow");
  } else {
    list.value("conversion_cost_bps",
               divide_rounded(conversion_cost_sum_e8.value,
                              static_cast<int128>(conversion_cost_bps_e8.n())));
  }
  list.count("illegal_transitions", illegal_transitions);
  return std::move(list).take();
}

}  // namespace ddt::model
