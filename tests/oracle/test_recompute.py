#!/usr/bin/env python3
"""The oracle itself: small cases whose answers were worked out by hand."""
import json
import pathlib
import sys
import unittest
from decimal import Decimal as D

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import recompute  # noqa: E402
from recompute import Oracle, ProfileFigures, parse_time_us  # noqa: E402

ALWAYS = (0, parse_time_us("2099-01-01T00:00:00Z"))


def at(clock, day="2024-03-04"):
    return f"{day}T{clock}Z"


def trade(exit_clock="15:00:00", **fields):
    base = {"kind": "trade", "profile_id": 7, "script_name": "order_monitor", "event_time": at(exit_clock),
            "symbol": "SPY", "trade_type": "breakout", "side": "buy", "quantity": "10", "entry_price": "100",
            "exit_price": "101", "fees": "0", "entry_time": at("14:30:00"), "exit_time": at(exit_clock),
            "exit_reason": "profit_target"}
    return {**base, **fields}


def equity(clock, level, **fields):
    return {"kind": "equity", "profile_id": 7, "script_name": "equity_monitor", "event_time": at(clock),
            "account_equity": level, **fields}


def order(order_id, status, clock, **fields):
    return {"kind": "order", "profile_id": 7, "script_name": "order_monitor", "event_time": at(clock), "symbol": "SPY",
            "order_id": order_id, "order_type": "limit", "side": "buy", "status": status, "quantity": "10", **fields}


def latency(clock, value_ms, script="order_monitor"):
    return {"kind": "latency", "profile_id": 7, "script_name": script, "event_time": at(clock), "endpoint": "orders",
            "latency_ms": value_ms, "outcome": 200}


def signal(signal_id, clock="14:30:00", **fields):
    return {"kind": "signal", "profile_id": 7, "script_name": "breakout_detector", "event_time": at(clock),
            "symbol": "SPY", "signal_id": signal_id, "fate": "detected", "direction": "upward", **fields}


def oracle(*records):
    return Oracle(json.dumps(record) for record in records)


def figures(*records):
    return ProfileFigures(oracle(*records), 7)


class Times(unittest.TestCase):
    def test_nanoseconds_are_floored_to_microseconds(self):
        self.assertEqual(parse_time_us("1970-01-01T00:00:01.000000999Z"), 1_000_000)
        self.assertEqual(parse_time_us("1970-01-01T00:00:01.9999999Z"), 1_999_999)

    def test_offsets_and_missing_fraction(self):
        self.assertEqual(parse_time_us("1970-01-01T01:00:00+01:00"), 0)
        self.assertEqual(parse_time_us("1969-12-31T19:00:00.5-05:00"), 500_000)

    def test_before_1970(self):
        self.assertEqual(parse_time_us("1969-12-31T23:59:59.25Z"), -750_000)

    def test_format_is_the_inverse(self):
        for time_us in (0, 1, 1_381_000_000_123_456, 4_102_444_799_999_999):
            self.assertEqual(parse_time_us(recompute.format_time_us(time_us)), time_us)

    def test_rubbish_is_refused(self):
        for bad in ("", "2024-03-04", "2024-02-30T00:00:00Z", "yesterday"):
            with self.assertRaises(ValueError):
                parse_time_us(bad)


class Rounding(unittest.TestCase):
    def test_half_goes_away_from_zero(self):
        self.assertEqual(recompute.round8(D("0.000000005")), D("0.00000001"))
        self.assertEqual(recompute.round8(D("-0.000000005")), D("-0.00000001"))
        self.assertEqual(recompute.round8(D("0.00000000499999999999")), D("0"))

    def test_large_values_keep_every_digit(self):
        self.assertEqual(recompute.round8(D("9223372036854775807.123456785")), D("9223372036854775807.12345679"))


class Trades(unittest.TestCase):
    def row(self, **fields):
        return recompute.trade_rows(oracle(trade(**fields)))[0]

    def test_long(self):
        row = self.row(exit_price="101.25", fees="1.5", reference_price="99.9")
        self.assertEqual(row["pnl"], D("11"))            # 1.25·10 − 1.5
        self.assertEqual(row["pnl_pct"], D("1.1"))       # 11 / 1000
        self.assertEqual(row["slippage"], D("0.1"))      # 100 − 99.9: paid more, a cost
        self.assertEqual(row["duration_seconds"], D(1800))

    def test_short_earns_when_the_price_falls(self):
        row = self.row(side="sell", exit_price="98", fees="0.25", reference_price="100.5")
        self.assertEqual(row["pnl"], D("19.75"))         # (100 − 98)·10 − 0.25
        self.assertEqual(row["slippage"], D("0.5"))      # −(100 − 100.5): sold for less, a cost

    def test_option_is_times_100_unless_said(self):
        option = {"symbol": "SPY241218C00604000", "entry_price": "1.20", "exit_price": "1.50", "quantity": "2"}
        self.assertEqual(self.row(**option)["multiplier"], D(100))
        self.assertEqual(self.row(**option)["pnl"], D(60))
        self.assertEqual(self.row(**option, multiplier="10")["pnl"], D(6))
        self.assertEqual(self.row(symbol="BTC/USD")["multiplier"], D(1))
        self.assertEqual(self.row(symbol="SPY241218X00604000")["multiplier"], D(1))

    def test_pnl_is_rounded_once(self):
        row = self.row(entry_price="0.00000001", exit_price="0.00000002", quantity="0.5")
        self.assertEqual(row["pnl"], D("0.00000001"))    # 0.000000005, half away from zero
        self.assertEqual(row["pnl_pct"], D(100))
        short = self.row(side="sell", entry_price="0.00000001", exit_price="0.00000002", quantity="0.5")
        self.assertEqual(short["pnl"], D("-0.00000001"))

    def test_pnl_pct_comes_from_the_unrounded_pnl(self):
        row = self.row(entry_price="3", exit_price="3.00000001", quantity="0.1")
        self.assertEqual(row["pnl"], D("0"))             # 1e-9
        self.assertEqual(row["pnl_pct"], D("0.00000033"))  # 1e-9 / 0.3 · 100 = 3.33e-7

    def test_undefined_is_null(self):
        self.assertIsNone(self.row(side="hold")["pnl"])
        self.assertIsNone(self.row(side="hold")["slippage"])
        self.assertIsNone(self.row(exit_price=None)["pnl"])
        self.assertIsNone(self.row()["slippage"])
        self.assertEqual(self.row(entry_price="0")["pnl"], D(1010))
        self.assertIsNone(self.row(entry_price="0")["pnl_pct"])
        self.assertIsNone(self.row(entry_time=None)["duration_seconds"])

    def test_exit_not_said_is_the_event_time(self):
        row = self.row(exit_time=None, event_time=at("16:00:00"))
        self.assertEqual(row["exit_time_us"], parse_time_us(at("16:00:00")))
        self.assertEqual(row["duration_seconds"], D(5400))

    def test_spellings_are_mapped(self):
        self.assertEqual(self.row(side="short")["side"], "sell")
        self.assertEqual(self.row(exit_reason="end_of_day")["exit_reason"], "eod")
        self.assertEqual(self.row(exit_reason="a whim")["exit_reason"], "a whim")

    def test_a_repeated_trade_id_corrects(self):
        rows = recompute.trade_rows(oracle(
            trade(trade_id="t", exit_price="101"), trade(trade_id="t", exit_price="102"), trade(trade_id="u"),
            trade(trade_id="t", exit_price="103"), trade(trade_id="t", profile_id=8), trade(), trade()))
        self.assertEqual([(r["profile_id"], r["trade_id"], r["pnl"], r["revision"]) for r in rows],
                         [(7, "t", 30, 2), (7, "u", 10, 0), (8, "t", 10, 0), (7, None, 10, 0), (7, None, 10, 0)])

    def test_partial_sells_are_trades_of_their_own(self):
        rows = recompute.trade_rows(oracle(trade(quantity="4"), trade(quantity="6", exit_price="99")))
        self.assertEqual([r["pnl"] for r in rows], [D(4), D(-6)])


class Performance(unittest.TestCase):
    def test_flat_is_a_third_class(self):
        answer = figures(trade(exit_price="103"), trade(exit_price="99"), trade(exit_price="100"),
                         trade(exit_price="100")).performance(*ALWAYS)
        self.assertEqual((answer["total_trades"], answer["winning_trades"], answer["losing_trades"],
                          answer["optional"]["flat_trades"]), (4, 1, 1, 2))
        self.assertEqual((answer["total_pnl"], answer["avg_pnl"], answer["win_rate"]), (D(20), D(5), D(25)))
        self.assertEqual((answer["avg_win"], answer["avg_loss"]), (D(30), D(-10)))
        self.assertEqual(answer["optional"]["profit_factor"], D(3))

    def test_fees_make_a_flat_price_a_loss(self):
        answer = figures(trade(exit_price="100", fees="0.00000001")).performance(*ALWAYS)
        self.assertEqual((answer["losing_trades"], answer["avg_loss"]), (1, D("-0.00000001")))

    def test_no_trades_is_zero_with_a_reason(self):
        answer = figures(equity("14:30:00", "1")).performance(*ALWAYS)
        self.assertEqual([answer[k] for k in ("win_rate", "avg_pnl", "avg_win", "avg_loss")], [0, 0, 0, 0])
        self.assertEqual(answer["reason"], "no_trades")

    def test_no_losses_has_no_avg_loss_and_no_profit_factor(self):
        answer = figures(trade()).performance(*ALWAYS)
        self.assertIsNone(answer["avg_loss"])
        self.assertIsNone(answer["optional"]["profit_factor"])

    def test_sums_come_from_unrounded_state(self):
        tiny = {"entry_price": "0.00000001", "exit_price": "0.00000002", "quantity": "0.4"}  # 4e-9 each
        answer = figures(trade(**tiny), trade(**tiny)).performance(*ALWAYS)
        self.assertEqual(answer["total_pnl"], D("0.00000001"))  # 8e-9; rounded rows would say 0
        self.assertEqual(answer["winning_trades"], 2)

    def test_ratios_are_rounded_half_away(self):
        answer = figures(trade(), trade(), trade(exit_price="99")).performance(*ALWAYS)
        self.assertEqual(answer["win_rate"], D("66.66666667"))
        self.assertEqual(answer["avg_pnl"], D("3.33333333"))

    def test_range_is_half_open_on_exit_time(self):
        f = figures(trade("15:00:00"), trade("15:00:00.000001", exit_price="102"), trade("16:00:00", exit_price="103"))
        low, high = parse_time_us(at("15:00:00.000001")), parse_time_us(at("16:00:00"))
        self.assertEqual(f.performance(low, high)["total_pnl"], D(20))
        self.assertEqual(f.performance(low, high + 1)["total_pnl"], D(50))

    def test_the_last_microsecond_of_a_day_stays_in_it(self):
        f = figures(trade("23:59:59.999999"))
        start, end = recompute.window_of("day", parse_time_us(at("12:00:00")))
        self.assertEqual(f.performance(start, end)["total_trades"], 1)

    def test_list_is_newest_exit_first(self):
        f = figures(trade("15:00:00", trade_id="a"), trade("17:00:00", trade_id="b"), trade("16:00:00", trade_id="c"))
        self.assertEqual([row["trade_id"] for row in f.trade_list(*ALWAYS)], ["b", "c", "a"])


class Breakout(unittest.TestCase):
    def test_only_breakout_trades_and_those_of_a_signal(self):
        answer = figures(trade(exit_price="102"), trade(trade_type="manual", signal_id="s", exit_price="97"),
                         trade(trade_type="manual", exit_price="150")).breakout(*ALWAYS)
        self.assertEqual((answer["profitable_trades"], answer["losing_trades"]), (1, 1))
        self.assertEqual((answer["success_rate"], answer["avg_profit_per_trade"]), (D(50), D(-5)))

    def test_slippage_is_weighted_by_quantity_and_signed(self):
        answer = figures(trade(reference_price="99.90", quantity="30"), trade(reference_price="100.10", quantity="10"),
                         trade(quantity="1000")).breakout(*ALWAYS)
        self.assertEqual(answer["avg_slippage"], D("0.05"))  # (0.1·30 − 0.1·10) / 40; the third has none
        self.assertEqual(answer["optional"]["slippage_cost"], D(2))

    def test_total_signals_counts_signal_ids_not_trades(self):
        answer = figures(signal("a"), signal("a", script_name="profile_listener", fate="traded"), signal("b"),
                         signal(None), signal(None), trade()).breakout(*ALWAYS)
        self.assertEqual(answer["total_signals"], 4)

    def test_without_trades_ratios_are_null(self):
        answer = figures(signal("a")).breakout(*ALWAYS)
        self.assertEqual([answer[k] for k in ("success_rate", "avg_slippage", "avg_profit_per_trade")], [None] * 3)
        self.assertEqual(answer["profitable_trades"], 0)

    def test_signals_of_other_profiles_do_not_count(self):
        self.assertEqual(figures(signal("a"), signal("b", profile_id=8)).breakout(*ALWAYS)["total_signals"], 1)


class Drawdown(unittest.TestCase):
    def levels(self, *values):
        return recompute.drawdown([D(v) for v in values])

    def test_from_the_peak_to_a_later_trough(self):
        self.assertEqual(self.levels("100", "120", "90", "130", "110"), (D(30), D(25)))

    def test_greatest_money_and_greatest_percent_may_be_two_falls(self):
        self.assertEqual(self.levels("10", "5", "1000", "900"), (D(100), D(50)))

    def test_unrecovered_counts_to_the_last_level(self):
        self.assertEqual(self.levels("100", "80"), (D(20), D(20)))

    def test_one_level_and_a_rising_series_fall_nowhere(self):
        self.assertEqual(self.levels("100"), (D(0), D(0)))
        self.assertEqual(self.levels("1", "2", "3"), (D(0), D(0)))

    def test_percent_only_under_a_positive_peak(self):
        self.assertEqual(self.levels("-10", "-30"), (D(20), D(0)))
        self.assertEqual(self.levels("0", "-5"), (D(5), D(0)))
        self.assertEqual(self.levels("10", "-5"), (D(15), D(150)))


class Equity(unittest.TestCase):
    def test_last_reading_wins_by_event_time(self):
        answer = figures(
            equity("15:00:00", "1010.5", unrealized_pnl="-2.25", realized_pnl="12.75", margin_used="404.2"),
            equity("14:30:00", "1000", unrealized_pnl="0", realized_pnl="0", margin_used="0")).equity(*ALWAYS)
        self.assertEqual((answer["current_equity"], answer["total_pnl"]), (D("1010.5"), D("10.5")))
        self.assertEqual(answer["margin_utilization_pct"], D(40))
        self.assertTrue(answer["unadjusted"])

    def test_margin_may_pass_100_and_is_null_without_equity(self):
        self.assertEqual(figures(equity("14:30:00", "50", margin_used="75")).equity(*ALWAYS)["margin_utilization_pct"],
                         D(150))
        for level in ("0", "-1"):
            self.assertIsNone(figures(equity("14:30:00", level, margin_used="75")).equity(*ALWAYS)
                              ["margin_utilization_pct"])

    def test_opening_level_counts(self):
        f = figures(equity("14:59:30", "100"), equity("15:00:10", "90"), equity("15:01:00", "95"))
        answer = f.equity(parse_time_us(at("15:00:00")), parse_time_us(at("16:00:00")))
        self.assertEqual((answer["max_drawdown"], answer["max_drawdown_pct"]), (D(10), D(10)))

    def test_a_peak_before_the_last_level_before_the_range_does_not_count(self):
        f = figures(equity("14:00:00", "500"), equity("14:59:30", "100"), equity("15:00:10", "90"))
        self.assertEqual(f.equity(parse_time_us(at("15:00:00")), parse_time_us(at("16:00:00")))["max_drawdown"], D(10))

    def test_cash_flow_is_taken_out(self):
        answer = figures(equity("14:30:00", "1000", cash_flow="0"), equity("14:31:00", "600", cash_flow="-400"),
                         equity("14:32:00", "1550", cash_flow="1000"), equity("14:33:00", "1600")).equity(*ALWAYS)
        # adjusted: 1000, 1000, 950, 1000
        self.assertEqual((answer["max_drawdown"], answer["max_drawdown_pct"]), (D(50), D(5)))
        self.assertFalse(answer["unadjusted"])

    def test_range_snaps_outward_to_minutes(self):
        f = figures(equity("15:00:10", "100"), equity("15:00:50", "90"), equity("15:01:30", "80"),
                    equity("15:02:00", "10"))
        answer = f.equity(parse_time_us(at("15:00:30")), parse_time_us(at("15:01:10")))
        self.assertEqual((answer["readings"], answer["max_drawdown"], answer["current_equity"]), (3, D(20), D(80)))

    def test_nothing_in_the_range_is_null(self):
        answer = figures(equity("15:00:00", "100")).equity(0, 1)
        self.assertIsNone(answer["current_equity"])
        self.assertIsNone(answer["max_drawdown"])

    def test_minutes(self):
        rows = recompute.equity_minutes(oracle(
            equity("15:00:50", "95", cash_flow="1"), equity("15:00:10", "100", realized_pnl="3"),
            equity("15:00:20", "80", cash_flow="2"), equity("15:01:00", "70", open_positions_count=2)), 7)
        first, second = rows
        self.assertEqual([first[k] for k in ("open", "high", "low", "close", "readings", "cash_flow")],
                         [D(100), D(100), D(80), D(95), 3, D(3)])
        self.assertEqual(first["mdd"], D(22))  # 100 → 80 − 2
        self.assertIsNone(first["realized_pnl"])  # of the last reading, which did not say
        self.assertEqual((second["open_positions_count"], second["mdd"], second["mdd_pct"], second["cash_flow"]),
                         (2, D(0), D(0), None))


class Orders(unittest.TestCase):
    def answer(self, *records, span=ALWAYS):
        return figures(*records).orders(*span)

    def test_a_repeated_status_counts_once(self):
        answer = self.answer(order("a", "new", "14:30:00"), order("a", "new", "14:31:00"),
                             order("a", "filled", "14:32:00"), order("a", "filled", "14:33:00"))
        self.assertEqual((answer["total_orders"], answer["filled_orders"], answer["conversion_rate"]), (1, 1, D(0)))

    def test_a_replaced_order_is_not_a_second_one(self):
        answer = self.answer(order("a", "new", "14:30:00"), order("a", "replaced", "14:31:00"),
                             order("b", "new", "14:31:00", parent_order_id="a"), order("b", "filled", "14:32:00"))
        self.assertEqual((answer["total_orders"], answer["filled_orders"], answer["canceled_orders"]), (1, 1, 0))

    def test_replaced_without_its_child_has_not_ended(self):
        answer = self.answer(order("a", "new", "14:30:00"), order("a", "replaced", "14:31:00"))
        self.assertEqual((answer["total_orders"], answer["filled_orders"]), (1, 0))
        self.assertIsNone(answer["conversion_rate"])

    def test_conversion_by_a_market_child_or_by_status(self):
        answer = self.answer(
            order("a", "new", "14:30:00"), order("a", "canceled", "14:31:00"),
            order("b", "filled", "14:31:01", parent_order_id="a", order_type="market"),
            order("c", "new", "14:30:00"), order("c", "converted", "14:31:00"), order("c", "filled", "14:31:02"),
            order("d", "filled", "14:30:00"), order("e", "canceled", "14:30:00"),
            order("m", "filled", "14:30:00", order_type="market"), order("open", "new", "14:30:00"))
        self.assertEqual((answer["total_orders"], answer["filled_orders"], answer["canceled_orders"]), (6, 4, 1))
        self.assertEqual(answer["conversion_rate"], D(50))  # a+b and c of a, c, d, e; m began as market

    def test_a_limit_child_is_not_a_conversion(self):
        answer = self.answer(order("a", "replaced", "14:30:00"),
                             order("b", "filled", "14:31:00", parent_order_id="a"))
        self.assertEqual(answer["conversion_rate"], D(0))

    def test_chains_end_where_their_last_leg_ends(self):
        records = (order("a", "new", "14:59:00"), order("a", "canceled", "14:59:30"),
                   order("b", "filled", "15:00:30", parent_order_id="a", order_type="market"))
        hour14 = (parse_time_us(at("14:00:00")), parse_time_us(at("15:00:00")))
        hour15 = (hour14[1], parse_time_us(at("16:00:00")))
        first, second = self.answer(*records, span=hour14), self.answer(*records, span=hour15)
        self.assertEqual((first["total_orders"], first["filled_orders"], first["canceled_orders"]), (1, 0, 0))
        self.assertEqual((second["total_orders"], second["filled_orders"], second["conversion_rate"]), (0, 1, D(100)))

    def test_a_status_counts_from_its_first_sighting(self):
        answer = self.answer(order("a", "filled", "15:01:00"), order("a", "filled", "14:59:00"),
                             span=(parse_time_us(at("14:00:00")), parse_time_us(at("15:00:00"))))
        self.assertEqual((answer["total_orders"], answer["filled_orders"]), (1, 1))

    def test_the_child_may_be_read_before_its_parent(self):
        answer = self.answer(order("b", "filled", "14:31:00", parent_order_id="a", order_type="market"),
                             order("a", "canceled", "14:30:30"), order("a", "new", "14:30:00"))
        self.assertEqual((answer["total_orders"], answer["conversion_rate"]), (1, D(100)))

    def test_parents_of_another_profile_do_not_link(self):
        answer = self.answer(order("a", "filled", "14:30:00", profile_id=8),
                             order("b", "filled", "14:31:00", parent_order_id="a"))
        self.assertEqual(answer["total_orders"], 1)

    def test_latency_is_per_call_over_whole_hours(self):
        answer = self.answer(latency("14:00:00", "1"), latency("14:30:00", "2", "profile_listener"),
                             latency("15:00:00", "1000"),
                             span=(parse_time_us(at("14:10:00")), parse_time_us(at("14:20:00"))))
        self.assertEqual(answer["avg_api_latency_ms"], D("1.5"))
        self.assertIsNone(self.answer(order("a", "new", "14:30:00"))["avg_api_latency_ms"])

    def test_rows_merge_sightings(self):
        rows = recompute.order_rows(oracle(
            order("a", "partially_filled", "14:31:00", filled_quantity="4", script_name="profile_listener"),
            order("a", "partially_filled", "14:30:59", filled_quantity="3", api_latency_ms="12.3456789"),
            order("a", "cancelled", "14:32:00")))
        self.assertEqual([(r["status"], r["filled_quantity"]) for r in rows],
                         [("partially_filled", D(4)), ("canceled", None)])
        self.assertEqual(rows[0]["event_time_us"], parse_time_us(at("14:30:59")))
        self.assertEqual(rows[0]["api_latency_ms"], {D("12.345679")})
        self.assertEqual(rows[0]["script_name"], {"profile_listener", "order_monitor"})
        self.assertEqual(rows[0]["limit_price"], {None})


class System(unittest.TestCase):
    def test_average_is_exact_and_per_script(self):
        answer = figures(latency("14:30:00", "0.000001"), latency("14:31:00", "0.000002"),
                         latency("14:32:00", "0.000002"), latency("14:30:00", "9", "equity_monitor")).system(*ALWAYS)
        self.assertEqual(answer["order_monitor"]["api_latency_avg_ms"], D("0.00000167"))
        self.assertEqual(answer["equity_monitor"]["api_latency_avg_ms"], D(9))

    def test_quantile_bracket_is_one_rank_and_one_percent_wide(self):
        values = [D(i) for i in range(1, 101)]  # p95 is 95
        bracket = recompute.quantile_bracket(values, "0.95")
        for good in ("95", "94", "96", "93.07", "96.96"):
            self.assertIn(D(good), bracket)
        for bad in ("93.0", "97.0", "99", "1"):
            self.assertNotIn(D(bad), bracket)

    def test_quantile_of_one_and_of_none(self):
        bracket = recompute.quantile_bracket([D(10)], "0.99")
        self.assertIn(D("10.1"), bracket)
        self.assertNotIn(D("10.2"), bracket)
        self.assertNotIn(D("9.8"), bracket)
        self.assertIsNone(recompute.quantile_bracket([], "0.5"))

    def test_last_health_and_rate_limit(self):
        health = {"kind": "health", "profile_id": 7, "script_name": "order_monitor", "status": "ok"}
        limit = {"kind": "rate_limit", "profile_id": 7, "script_name": "order_monitor"}
        answer = figures({**health, "event_time": at("15:00:00"), "error_count": 3},
                         {**health, "event_time": at("14:00:00"), "error_count": 2},
                         {**limit, "event_time": at("14:00:00"), "remaining": 190, "limit": 200},
                         {**limit, "event_time": at("14:00:01"), "remaining": 189, "limit": 200}).system(*ALWAYS)
        self.assertEqual(answer["order_monitor"]["error_count"], {D(3)})
        self.assertEqual(answer["order_monitor"]["rate_limit_remaining"], {D(189)})
        self.assertEqual(answer["order_monitor"]["statuses"], {"healthy"})

    def test_health_hours_keep_the_last_reading(self):
        health = {"kind": "health", "profile_id": 7, "script_name": "order_monitor", "status": "healthy"}
        rows = recompute.health_hours(oracle(
            {**health, "event_time": at("14:59:59.5"), "error_count": 2}, {**health, "event_time": at("15:00:00")},
            {**health, "event_time": at("14:10:00"), "error_count": 1, "status": "degraded"}), 7)
        hour = parse_time_us(at("14:00:00"))
        self.assertEqual(rows["order_monitor", "error_count", hour], {(parse_time_us(at("14:59:59.5")), D(2))})
        self.assertEqual(rows["order_monitor", "health", hour], {(parse_time_us(at("14:59:59.5")), "healthy")})
        self.assertNotIn(("order_monitor", "error_count", hour + recompute.HOUR_US), rows)


class Windows(unittest.TestCase):
    def span(self, kind, moment, zone="UTC"):
        return tuple(recompute.format_time_us(t)[:16] for t in recompute.window_of(kind, parse_time_us(moment), zone))

    def test_hour_day_week_month(self):
        moment = "2024-12-30T23:59:59.999999Z"
        self.assertEqual(self.span("hour", moment), ("2024-12-30T23:00", "2024-12-31T00:00"))
        self.assertEqual(self.span("day", moment), ("2024-12-30T00:00", "2024-12-31T00:00"))
        self.assertEqual(self.span("week", moment), ("2024-12-30T00:00", "2025-01-06T00:00"))
        self.assertEqual(self.span("month", moment), ("2024-12-01T00:00", "2025-01-01T00:00"))

    def test_days_of_a_zone_have_23_and_25_hours(self):
        zone = "America/New_York"
        self.assertEqual(self.span("day", "2024-03-10T12:00:00Z", zone), ("2024-03-10T05:00", "2024-03-11T04:00"))
        self.assertEqual(self.span("day", "2024-11-03T12:00:00Z", zone), ("2024-11-03T04:00", "2024-11-04T05:00"))

    def test_week_53(self):
        self.assertEqual(self.span("week", "2021-01-01T00:00:00Z"), ("2020-12-28T00:00", "2021-01-04T00:00"))

    def test_windows_of_a_profile_and_their_rows(self):
        f = figures(trade("15:10:00", exit_price="102"), trade("16:10:00", exit_price="99"),
                    equity("15:10:00", "100"), equity("16:10:00", "90"))
        hours = f.windows("hour")
        self.assertEqual([recompute.format_time_us(s)[11:16] for s, _ in hours], ["15:00", "16:00"])
        second = f.window_rows("hour", *hours[1])
        self.assertEqual(second["equity", "closed_trade_pnl", ""], D(-10))
        self.assertEqual(second["equity", "max_drawdown", ""], D(10))  # the last level before it opens it
        self.assertEqual(second["breakout", "success_rate", ""], D(0))
        self.assertIsNone(second["breakout", "avg_slippage", ""])
        day = f.window_rows("day", *f.windows("day")[0])
        self.assertEqual(day["equity", "total_trades", ""], 2)


class File(unittest.TestCase):
    def test_a_bad_line_is_never_passed_over(self):
        for bad in ('{"kind": "trade"', '{"kind": "gossip", "profile_id": 7, "event_time": "2024-03-04T00:00:00Z"}',
                    '{"kind": "trade", "profile_id": 7}'):
            with self.assertRaises(ValueError):
                Oracle([bad])

    def test_counts_by_class(self):
        o = oracle(trade(), equity("14:30:00", "1"), latency("14:30:00", "1"), latency("14:30:00", "1"), signal("a"))
        self.assertEqual(o.count_by_class(), {"samples": 2, "states": 1, "facts": 2})
        self.assertEqual(o.profiles(), [7])


if __name__ == "__main__":
    unittest.main()
