#include "sidecar/model/order_span.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>
#include <unordered_map>

namespace ddt::model {
namespace {

constexpr std::int64_t kEver = std::numeric_limits<std::int64_t>::max();

template <typename Figures>
auto counts_of(Figures& f) {
  return std::tie(f.total_orders, f.ended_orders, f.filled_orders, f.canceled_orders,
                  f.rejected_orders, f.expired_orders, f.partially_filled, f.limit_first_ended,
                  f.converted_orders, f.illegal_transitions);
}
template <typename Figures>
auto sums_of(Figures& f) {
  return std::tie(f.converted_quantity_e8, f.conversion_cost_sum_e8);
}
template <typename Figures>
auto sketches_of(Figures& f) {
  return std::tie(f.time_to_fill_us, f.time_to_conversion_us, f.conversion_cost_bps_e8);
}

template <typename Left, typename Right, typename Use>
void each_pair(const Left& a, const Right& b, Use use) {
  [&]<std::size_t... I>(std::index_sequence<I...>) { (use(std::get<I>(a), std::get<I>(b)), ...); }
  (std::make_index_sequence<std::tuple_size_v<Left>>{});
}

// Rows of one order that came after its first end.
std::vector<std::int64_t> illegal_times(std::span<const OrderRow> rows) {
  std::map<std::string_view, std::int64_t> first_end;
  for (const OrderRow& row : rows) {
    if (!is_end_status(row.status)) continue;
    const auto [at, is_new] = first_end.emplace(row.order_id, row.event_time_ns);
    if (!is_new) at->second = std::min(at->second, row.event_time_ns);
  }
  std::vector<std::int64_t> times;
  for (const OrderRow& row : rows) {
    const auto end = first_end.find(row.order_id);
    if (end != first_end.end() && row.event_time_ns > end->second)
      times.push_back(row.event_time_ns);
  }
  std::ranges::sort(times);
  return times;
}

std::uint64_t count_between(const std::vector<std::int64_t>& times, std::int64_t from_ns,
                            std::int64_t to_ns) {
  return static_cast<std::uint64_t>(std::ranges::lower_bound(times, to_ns) -
                                    std::ranges::lower_bound(times, from_ns));
}

}  // namespace

// ── chains ───────────────────────────────────────────────────────────────────────────────────────

bool KnownChain::has_row_in(std::int64_t from_ns, std::int64_t to_ns) const {
  return count_between(times_ns, from_ns, to_ns) > 0;
}

void OrderClosure::want(const std::string& order_id) {
  if (seen_.insert(order_id).second) wanted_.push_back(order_id);
}

void OrderClosure::add(OrderRow row, std::string script_name) {
  want(row.order_id);
  if (!row.parent_order_id.empty()) want(row.parent_order_id);
  if (!keys_.emplace(row.order_id, row.status).second) return;
  rows_.push_back({std::move(row), std::move(script_name)});
}

// Joined by parent_order_id, a parent that was never seen included.
std::vector<KnownChain> OrderClosure::chains() const {
  std::vector<std::size_t> parent;
  const auto find = [&parent](std::size_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  };
  std::unordered_map<std::string_view, std::size_t> index_of;
  const auto index = [&](std::string_view order_id) {
    const auto [at, is_new] = index_of.try_emplace(order_id, parent.size());
    if (is_new) parent.push_back(at->second);
    return at->second;
  };
  for (const Known& known : rows_) {
    const std::size_t own = index(known.row.order_id);
    if (!known.row.parent_order_id.empty())
      parent[find(own)] = find(index(known.row.parent_order_id));
  }
  std::map<std::size_t, std::vector<const Known*>> members;
  for (const Known& known : rows_) members[find(index(known.row.order_id))].push_back(&known);

  std::vector<KnownChain> chains;
  std::vector<OrderRow> rows;
  for (const auto& [root, of_chain] : members) {
    rows.clear();
    KnownChain chain;
    for (const Known* known : of_chain) {
      rows.push_back(known->row);
      chain.times_ns.push_back(known->row.event_time_ns);
      if (!known->script_name.empty()) chain.scripts.insert(known->script_name);
    }
    auto judged = order_chains(rows, kEver);
    if (judged.empty()) continue;
    chain.chain = std::move(judged.front());
    std::ranges::sort(chain.times_ns);
    if (chain.chain.illegal_transitions > 0) chain.illegal_ns = illegal_times(rows);
    chains.push_back(std::move(chain));
  }
  return chains;
}

// ── spans ────────────────────────────────────────────────────────────────────────────────────────

void OrderSpan::add(const KnownChain& chain, std::int64_t from_ns, std::int64_t to_ns) {
  const auto first = std::ranges::lower_bound(chain.times_ns, from_ns);
  const auto end = std::lower_bound(first, chain.times_ns.end(), to_ns);
  if (first == end) return;
  rows += static_cast<std::uint64_t>(end - first);
  last_row_ns = std::max(last_row_ns, *(end - 1));
  OrderSpan one;
  one.figures = order_figures(std::span(&chain.chain, 1), from_ns, to_ns);
  one.figures.illegal_transitions = count_between(chain.illegal_ns, from_ns, to_ns);
  merge(one);
}

void OrderSpan::merge(const OrderSpan& other) {
  each_pair(counts_of(figures), counts_of(other.figures),
            [](std::uint64_t& a, std::uint64_t b) { a += b; });
  each_pair(sums_of(figures), sums_of(other.figures),
            [](CheckedSum& a, const CheckedSum& b) { a.merge(b); });
  each_pair(sketches_of(figures), sketches_of(other.figures),
            [](QuantileSketch& a, const QuantileSketch& b) { a.merge(b); });
  rows += other.rows;
  last_row_ns = std::max(last_row_ns, other.last_row_ns);
}

std::vector<Figure> OrderSpan::known_figures() const {
  auto all = figures.figures();
  std::erase_if(all, [](const Figure& figure) {
    return figure.name == "open_orders" || figure.name == "oldest_open_age";
  });
  return all;
}

void OrderSpan::encode(ByteWriter& writer) const {
  std::apply([&](const auto&... count) { (writer.varint(count), ...); }, counts_of(figures));
  std::apply(
      [&](const auto&... sum) { ((writer.boolean(sum.overflow), writer.i128(sum.value)), ...); },
      sums_of(figures));
  std::apply([&](const auto&... sketch) { (sketch.encode(writer), ...); }, sketches_of(figures));
  writer.varint(rows);
  writer.zigzag(last_row_ns);
}

std::optional<OrderSpan> OrderSpan::decode(ByteReader& reader) {
  OrderSpan span;
  bool holds = true;
  std::apply(
      [&](auto&... count) {
        ((count = reader.varint(), holds = holds && count <= kSamplesMax), ...);
      },
      counts_of(span.figures));
  std::apply(
      [&](auto&... sum) { ((sum.overflow = reader.boolean(), sum.value = reader.i128()), ...); },
      sums_of(span.figures));
  const auto read = [&](QuantileSketch& sketch) {
    auto decoded = QuantileSketch::decode(reader);
    holds = holds && decoded;
    if (decoded) sketch = std::move(*decoded);
  };
  std::apply([&](auto&... sketch) { (read(sketch), ...); }, sketches_of(span.figures));
  span.rows = reader.varint();
  span.last_row_ns = reader.zigzag();
  if (!reader.ok() || !holds || span.rows > kSamplesMax) return std::nullopt;
  return span;
}

void OrderSpans::add(const KnownChain& chain, std::int64_t from_ns, std::int64_t to_ns) {
  if (!chain.has_row_in(from_ns, to_ns)) return;
  by_script[""].add(chain, from_ns, to_ns);
  for (const std::string& script : chain.scripts) by_script[script].add(chain, from_ns, to_ns);
}

void OrderSpans::merge(const OrderSpans& other) {
  for (const auto& [script, span] : other.by_script) by_script[script].merge(span);
}

const OrderSpan& OrderSpans::of(std::string_view script_name) const {
  static const OrderSpan kNone;
  const auto found = by_script.find(script_name);
  return found == by_script.end() ? kNone : found->second;
}

void OrderSpans::encode(ByteWriter& writer) const {
  writer.varint(by_script.size());
  for (const auto& [script, span] : by_script) {
    writer.text(script);
    span.encode(writer);
  }
}

std::optional<OrderSpans> OrderSpans::decode(ByteReader& reader) {
  OrderSpans spans;
  const std::size_t count = reader.count(2);
  for (std::size_t i = 0; i < count; ++i) {
    std::string script = reader.text();
    auto span = OrderSpan::decode(reader);
    if (!span) return std::nullopt;
    spans.by_script.emplace(std::move(script), std::move(*span));
  }
  if (!reader.ok()) return std::nullopt;
  return spans;
}

}  // namespace ddt::model
