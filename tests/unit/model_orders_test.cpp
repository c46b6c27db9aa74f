// Order chains: the decision table in orders.hpp, row by row.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "sidecar/model/orders.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::model {
namespace {

constexpr std::int64_t kLater = 1'000'000'000'000;

struct Leg {
  std::string id, parent, type;
};

OrderRow row(const Leg& leg, std::string_view status, std::int64_t second) {
  OrderRow made;
  made.order_id = leg.id;
  made.parent_order_id = leg.parent;
  made.order_type = leg.type;
  made.status = status;
  made.side = "buy";
  made.event_time_ns = second * kNsPerSecond;
  return made;
}

const Leg kLimit{"L", "", "limit"};
const Leg kMarket{"M", "L", "market"};
const Leg kLimit2{"L2", "L", "limit"};

OrderFigures all(const std::vector<OrderRow>& rows) { return order_figures(rows, 0, kLater); }

std::string figure(const OrderFigures& figures, std::string_view name) {
  const auto list = figures.figures();
  const Figure* found = find(list, name);
  if (found == nullptr) return "absent";
  return found->value_e8 ? decimal_string(*found->value_e8, 8) : "null:" + found->reason;
}

TEST(OrderChains, EndAsTheirLastLegEnds) {
  const struct {
    const char* status;
    ChainEnd end;
  } kTable[] = {{"filled", ChainEnd::filled},         {"canceled", ChainEnd::canceled},
                {"expired", ChainEnd::expired},       {"rejected", ChainEnd::rejected},
                {"replaced", ChainEnd::replaced},     {"converted", ChainEnd::open},
                {"partially_filled", ChainEnd::open}, {"some_new_word", ChainEnd::open}};
  for (const auto& [status, end] : kTable) {
    const std::vector<OrderRow> single{row(kLimit, "new", 1), row(kLimit, status, 2)};
    const auto chains = order_chains(single, kLater);
    ASSERT_EQ(chains.size(), 1U);
    EXPECT_EQ(chains[0].end, end) << status;
    // The same at the end of a chain of two.
    const std::vector<OrderRow> two{row(kLimit, "new", 1), row(kLimit, "replaced", 2),
                                    row(kLimit2, "new", 3), row(kLimit2, status, 4)};
    const auto joined = order_chains(two, kLater);
    ASSERT_EQ(joined.size(), 1U);
    EXPECT_EQ(joined[0].end, end) << status;
    EXPECT_EQ(joined[0].last_order_id, "L2");
    EXPECT_EQ(joined[0].first_seen_ns, kNsPerSecond);
  }
}

TEST(OrderChains, AnEndOfALegWithAChildIsNotTheChains) {
  for (const char* status : {"canceled", "replaced", "converted", "filled"}) {
    const std::vector<OrderRow> rows{row(kLimit, status, 1), row(kMarket, "new", 2)};
    const OrderFigures figures = all(rows);
    EXPECT_EQ(figures.open_orders, 1U) << status;
    EXPECT_EQ(figures.ended_orders, 0U) << status;
    EXPECT_EQ(figures.total_orders, 1U) << status;
  }
}

TEST(OrderFigures, OfAConvertedChain) {
  std::vector<OrderRow> rows{row(kLimit, "new", 10), row(kLimit, "partially_filled", 12),
                             row(kLimit, "canceled", 20), row(kMarket, "new", 21),
                             row(kMarket, "filled", 22)};
  rows[0].quantity_e8 = 100 * kE8;
  rows[0].limit_price_e8 = 10 * kE8;
  rows[1].filled_quantity_e8 = 40 * kE8;
  rows[3].quantity_e8 = 60 * kE8;
  rows[4].filled_price_e8 = 10 * kE8 + kE8 / 100;
  const OrderFigures figures = all(rows);
  EXPECT_EQ(figure(figures, "total_orders"), "1");
  EXPECT_EQ(figure(figures, "filled_orders"), "1");
  EXPECT_EQ(figure(figures, "canceled_orders"), "0");
  EXPECT_EQ(figure(figures, "partially_filled"), "0");
  EXPECT_EQ(figure(figures, "fill_rate"), "100");
  EXPECT_EQ(figure(figures, "cancel_rate"), "0");
  EXPECT_EQ(figure(figures, "conversion_rate"), "100");
  EXPECT_EQ(figure(figures, "converted_quantity"), "60");
  EXPECT_EQ(figure(figures, "time_to_fill_p50"), "12");
  EXPECT_EQ(figure(figures, "time_to_conversion_p95"), "11");
  EXPECT_EQ(figure(figures, "conversion_cost_bps"), "10");
  EXPECT_EQ(figure(figures, "open_orders"), "0");
  EXPECT_EQ(figure(figures, "oldest_open_age"), "null:no_open_orders");
}

TEST(OrderFigures, ALegThatSaidConvertedCountsOnceItsChainEnds) {
  std::vector<OrderRow> rows{row(kLimit, "new", 1), row(kLimit, "converted", 2)};
  rows[0].quantity_e8 = 5 * kE8;
  rows[1].filled_quantity_e8 = 2 * kE8;
  EXPECT_EQ(figure(all(rows), "conversion_rate"), "null:no_ended_limit_orders");
  rows.push_back(row(kLimit, "filled", 3));
  const OrderFigures figures = all(rows);
  EXPECT_EQ(figure(figures, "conversion_rate"), "100");
  EXPECT_EQ(figure(figures, "converted_quantity"), "3");
}

TEST(OrderFigures, OnlyLimitFirstChainsConvert) {
  const Leg stop{"S", "", "stop"}, after_stop{"SM", "S", "market"}, lone{"X", "", "market"};
  const std::vector<OrderRow> rows{row(stop, "canceled", 1), row(after_stop, "filled", 2),
                                   row(lone, "filled", 3), row(kLimit, "filled", 4)};
  const OrderFigures figures = all(rows);
  EXPECT_EQ(figures.total_orders, 3U);
  EXPECT_EQ(figures.limit_first_ended, 1U);
  EXPECT_EQ(figure(figures, "conversion_rate"), "0");
}

TEST(OrderFigures, PartialFillsStandBesideTheirEnd) {
  std::vector<OrderRow> rows{row(kLimit, "partially_filled", 1), row(kLimit, "canceled", 2)};
  rows[0].filled_quantity_e8 = kE8;
  const OrderFigures figures = all(rows);
  EXPECT_EQ(figures.canceled_orders, 1U);
  EXPECT_EQ(figures.partially_filled, 1U);
}

TEST(OrderFigures, BelongToTheRangeOfBirthAndOfEnd) {
  const std::vector<OrderRow> rows{row(kLimit, "new", 10), row(kLimit, "filled", 20)};
  const auto range = [&rows](std::int64_t from, std::int64_t to) {
    return order_figures(rows, from * kNsPerSecond, to * kNsPerSecond);
  };
  EXPECT_EQ(range(10, 20).total_orders, 1U);
  EXPECT_EQ(range(10, 20).ended_orders, 0U);
  EXPECT_EQ(range(10, 20).open_orders, 1U);
  EXPECT_EQ(figure(range(10, 20), "oldest_open_age"), "10");
  EXPECT_EQ(range(20, 21).total_orders, 0U);
  EXPECT_EQ(range(20, 21).filled_orders, 1U);
  EXPECT_EQ(range(21, 30).filled_orders, 0U);
  EXPECT_EQ(range(21, 30).open_orders, 0U);
  EXPECT_EQ(range(0, 10).total_orders, 0U);
}

TEST(OrderFigures, WithoutOrdersRatesAreNull) {
  const OrderFigures figures = all({});
  EXPECT_EQ(figure(figures, "total_orders"), "0");
  EXPECT_EQ(figure(figures, "fill_rate"), "null:no_ended_orders");
  EXPECT_EQ(figure(figures, "cancel_rate"), "null:no_ended_orders");
  EXPECT_EQ(figure(figures, "conversion_rate"), "null:no_ended_limit_orders");
}

TEST(OrderChains, SiblingsOfAnUnseenParentAreOneChain) {
  const Leg a{"A", "gone", "limit"}, b{"B", "gone", "market"};
  const auto chains =
      order_chains(std::vector<OrderRow>{row(a, "canceled", 1), row(b, "filled", 2)}, kLater);
  ASSERT_EQ(chains.size(), 1U);
  EXPECT_EQ(chains[0].end, ChainEnd::filled);
  EXPECT_FALSE(chains[0].converted);  // no leg of it is the parent
}

TEST(OrderChains, CirclesAndSelfParentsStillEnd) {
  const Leg a{"A", "B", "limit"}, b{"B", "A", "limit"}, self{"S", "S", "limit"};
  const auto chains = order_chains(
      std::vector<OrderRow>{row(a, "canceled", 1), row(b, "filled", 2), row(self, "expired", 3)},
      kLater);
  ASSERT_EQ(chains.size(), 2U);
  EXPECT_EQ(chains[0].end, ChainEnd::filled);
  EXPECT_EQ(chains[1].end, ChainEnd::expired);
}

TEST(OrderChains, TheLatestEndOfALegCountsAndLaterRowsAreIllegal) {
  const auto chains =
      order_chains(std::vector<OrderRow>{row(kLimit, "canceled", 5), row(kLimit, "filled", 6),
                                         row(kLimit, "accepted", 7)},
                   kLater);
  ASSERT_EQ(chains.size(), 1U);
  EXPECT_EQ(chains[0].end, ChainEnd::filled);
  EXPECT_EQ(chains[0].illegal_transitions, 2U);
  const auto tied = order_chains(
      std::vector<OrderRow>{row(kLimit, "canceled", 5), row(kLimit, "filled", 5)}, kLater);
  EXPECT_EQ(tied[0].end, ChainEnd::filled);
}

TEST(OrderChains, AChildSeenBeforeItsParentIsStillTheLast) {
  const auto chains = order_chains(
      std::vector<OrderRow>{row(kMarket, "filled", 1), row(kLimit, "canceled", 2)}, kLater);
  ASSERT_EQ(chains.size(), 1U);
  EXPECT_EQ(chains[0].end, ChainEnd::filled);
  EXPECT_EQ(chains[0].first_order_id, "L");
  EXPECT_EQ(chains[0].first_seen_ns, kNsPerSecond);
  EXPECT_TRUE(chains[0].limit_first);
}

TEST(OrderFigures, DoNotDependOnTheOrderOfRowsAndRangesAddUp) {
  std::mt19937_64 random(41);
  const char* statuses[] = {"new",      "partially_filled", "filled",   "canceled",
                            "replaced", "converted",        "rejected", "expired"};
  for (int round = 0; round < 200; ++round) {
    std::vector<OrderRow> rows;
    const auto orders = 1 + random() % 12;
    for (std::uint64_t i = 0; i < orders; ++i) {
      Leg leg{"o" + std::to_string(i), "", random() % 2 == 0 ? "limit" : "market"};
      if (random() % 2 == 0) leg.parent = "o" + std::to_string(random() % (orders + 2));
      for (std::uint64_t n = 1 + random() % 3; n > 0; --n) {
        rows.push_back(row(leg, statuses[random() % 8], static_cast<std::int64_t>(random() % 60)));
      }
    }
    const auto before = all(rows).figures();
    std::shuffle(rows.begin(), rows.end(), random);
    EXPECT_EQ(all(rows).figures(), before);
    std::uint64_t total = 0;
    for (std::int64_t second = 0; second < 60; ++second) {
      total += order_figures(rows, second * kNsPerSecond, (second + 1) * kNsPerSecond).total_orders;
    }
    EXPECT_GE(total, all(rows).total_orders);  // chains that join later were born apart
  }
}

}  // namespace
}  // namespace ddt::model
