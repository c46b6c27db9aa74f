// sidecar/model/order_span.hpp — order chains of a span of time as a state that joins.
//
// Chain     Judged by all that is known of it (orders.hpp), whatever the span: it counts where it was first seen, where
//           it ended, and an illegal transition where it happened. So spans add up, and a day is the sum of its hours.
// Script    A chain belongs to every script that said something about it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sidecar/model/bytes.hpp"
#include "sidecar/model/orders.hpp"

namespace ddt::model {

struct KnownChain {
  OrderChain chain;
  std::vector<std::int64_t> times_ns;    // of its rows, in order
  std::vector<std::int64_t> illegal_ns;  // of rows that came after their order's first end
  std::set<std::string> scripts;

  bool has_row_in(std::int64_t from_ns, std::int64_t to_ns) const;
};

// Rows by (order_id, status), and the ids whose own rows and children are still to be read: the closure over
// parent_order_id, both ways.
class OrderClosure {
 public:
  void add(OrderRow row, std::string script_name);
  std::vector<std::string> take_wanted() { return std::exchange(wanted_, {}); }
  std::vector<KnownChain> chains() const;

 private:
  struct Known {
    OrderRow row;
    std::string script_name;
  };
  void want(const std::string& order_id);

  std::set<std::pair<std::string, std::string>> keys_;
  std::set<std::string> seen_;
  std::vector<std::string> wanted_;
  std::vector<Known> rows_;
};

// `figures` without open_orders and oldest_open_age, which no span of news can know.
struct OrderSpan {
  OrderFigures figures;
  std::uint64_t rows = 0;  // of the chains, in the span
  std::int64_t last_row_ns = kNoTime;

  void add(const KnownChain& chain, std::int64_t from_ns, std::int64_t to_ns);
  void merge(const OrderSpan& other);
  // Those of OrderFigures that a span knows.
  std::vector<Figure> known_figures() const;

  void encode(ByteWriter& writer) const;
  static std::optional<OrderSpan> decode(ByteReader& reader);
};

// By script; "" = all.
struct OrderSpans {
  std::map<std::string, OrderSpan, std::less<>> by_script;

  void add(const KnownChain& chain, std::int64_t from_ns, std::int64_t to_ns);
  void merge(const OrderSpans& other);
  const OrderSpan& of(std::string_view script_name) const;

  void encode(ByteWriter& writer) const;
  static std::optional<OrderSpans> decode(ByteReader& reader);
};

}  // namespace ddt::model
