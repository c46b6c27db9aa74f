#!/usr/bin/env python3
"""Recompute every stored row and every fixed figure from what the bots say they published.

Input is the oracle: one JSON line per Record, raw fields only, in publish order per bot. Nothing here
shares code, constants or formulas with the product; the rules are those of the metrics page, done the
slow and obvious way, in decimals of 100 digits over single readings.

Units     Times are integer microseconds since 1970 UTC (nanoseconds are floored, as the columns do).
          Money, prices and figures are Decimal. A figure is rounded once, to 8 decimals, half away from
          zero; quantiles are a Bracket of values that a sketch of 1 % relative error may answer.
Errors    A malformed line raises: an oracle that cannot be read proves nothing.
"""
import datetime
import decimal
import json
import re
import sys
import zoneinfo
from collections import defaultdict
from decimal import Decimal

CONTEXT = decimal.Context(prec=100, rounding=decimal.ROUND_HALF_UP, Emin=-9999, Emax=9999)
decimal.setcontext(CONTEXT)

E8 = Decimal("0.00000001")
HOUR_US = 3600 * 1_000_000
MINUTE_US = 60 * 1_000_000
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
OCC_SYMBOL = re.compile(r"^[A-Z0-9./]{1,6}\d{6}[CP]\d{8}$")

KINDS = ("signal", "order", "trade", "equity", "position", "latency", "rate_limit", "health", "error", "metric")
CLASS_OF = {"signal": "facts", "order": "facts", "trade": "facts", "error": "facts",
            "equity": "states", "position": "states", "rate_limit": "states", "health": "states",
            "latency": "samples", "metric": "samples"}
ENDED = ("filled", "canceled", "expired", "rejected")  # replaced: its child goes on
WINDOW_KINDS = ("hour", "day", "week", "month")

# Spellings that are mapped when published; everything else is kept as it is.
SPELLINGS = {
    "side": {"long": "buy", "short": "sell", "BUY": "buy", "SELL": "sell", "LONG": "buy", "SHORT": "sell"},
    "direction": {"up": "upward", "down": "downward"},
    "order_type": {"MARKET": "market", "LIMIT": "limit"},
    "order_status": {"cancelled": "canceled", "partial_fill": "partially_filled", "fill": "filled"},
    "exit_reason": {"take_profit": "profit_target", "end_of_day": "eod"},
    "health_status": {"ok": "healthy"},
    "severity": {"warn": "warning"},
}


class Bracket:
    """Any value in [low, high] is a right answer."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def __contains__(self, value):
        return self.low <= value <= self.high

    def __repr__(self):
        return f"[{self.low}, {self.high}]"


# ── small conversions ────────────────────────────────────────────────────────────────────────────

def parse_time_us(text):
    """RFC 3339 (up to 9 fractional digits, Z or an offset) → microseconds, floored."""
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|z|[+-]\d\d:\d\d)?", text)
    if not match:
        raise ValueError(f"not a time: {text!r}")
    year, month, day, hour, minute, second = (int(match.group(i)) for i in range(1, 7))
    base = datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.timezone.utc)
    micros = int((match.group(7) or "0").ljust(9, "0")[:6])  # digits count forward in time: cutting floors
    zone = match.group(8) or "Z"
    offset_s = 0
    if zone not in "Zz":
        offset_s = (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60) * (-1 if zone[0] == "-" else 1)
    delta = base - EPOCH
    return (delta.days * 86400 + delta.seconds - offset_s) * 1_000_000 + micros


def format_time_us(time_us):
    """Microseconds → RFC 3339 UTC with six fractional digits."""
    moment = EPOCH + datetime.timedelta(microseconds=time_us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06d}Z"


def round8(value):
    """Once, at the column, half away from zero."""
    return None if value is None else Decimal(value).quantize(E8, rounding=decimal.ROUND_HALF_UP, context=CONTEXT)


def number(value):
    """An oracle's number: a decimal string (or JSON number); None and "" are not said."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise ValueError(f"not a number: {value!r}")
    parsed = Decimal(value) if isinstance(value, (str, int, Decimal)) else Decimal(str(value))
    if not parsed.is_finite():
        raise ValueError(f"not a finite number: {value!r}")
    return parsed


def text(value):
    return None if value is None or value == "" else str(value)


def word(vocabulary, value):
    value = text(value)
    return SPELLINGS.get(vocabulary, {}).get(value, value)


def canonical_json(value):
    """One text for equal objects: numbers by value, keys in order. None and {} say the same."""
    def by_value(item):
        if isinstance(item, dict):
            return {key: by_value(item[key]) for key in sorted(item)}
        if isinstance(item, list):
            return [by_value(entry) for entry in item]
        if isinstance(item, (int, float, Decimal)) and not isinstance(item, bool):
            return "number " + format(Decimal(str(item)).normalize(), "f")
        return item
    return None if not value else json.dumps(by_value(value), ensure_ascii=False)


def divide(part, whole):
    return None if part is None or whole is None or whole == 0 else CONTEXT.divide(part, whole)


def percent(part, whole):
    ratio = divide(Decimal(part), Decimal(whole))
    return None if ratio is None else ratio * 100


def mean(values):
    return divide(sum(values, Decimal(0)), Decimal(len(values))) if values else None


# ── the oracle file ──────────────────────────────────────────────────────────────────────────────

class Oracle:
    """All Records of a run. `records[kind]` is in file order: publish order of each bot."""

    def __init__(self, lines):
        self.records = {kind: [] for kind in KINDS}
        self.by_profile = defaultdict(list)  # (kind, profile_id) → records
        self.sorted_equity = {}
        self.raw_lines = 0
        for line_number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                raw = json.loads(line, parse_float=Decimal)
                self._add(raw, line_number)
            except (ValueError, KeyError, TypeError, decimal.InvalidOperation) as error:
                raise ValueError(f"oracle line {line_number}: {error}: {line[:200]!r}") from error
            self.raw_lines += 1

    @classmethod
    def from_file(cls, path):
        with open(path, encoding="utf-8") as lines:
            return cls(lines)

    def _add(self, raw, line_number):
        kind = raw["kind"]
        if kind not in self.records:
            raise ValueError(f"unknown kind {kind!r}")
        record = dict(raw)
        record["line"] = line_number
        record["profile_id"] = int(raw["profile_id"])
        record["script_name"] = text(raw.get("script_name"))
        record["event_time_us"] = parse_time_us(raw["event_time"])
        self.records[kind].append(record)
        self.by_profile[kind, record["profile_id"]].append(record)

    def of(self, kind, profile_id=None):
        return self.records[kind] if profile_id is None else self.by_profile.get((kind, profile_id), [])

    def profiles(self):
        return sorted({profile_id for _, profile_id in self.by_profile})

    def scripts(self, profile_id):
        return sorted({r["script_name"] for kind in KINDS for r in self.of(kind, profile_id) if r["script_name"]})

    def count_by_class(self):
        counts = {"samples": 0, "states": 0, "facts": 0}
        for kind, records in self.records.items():
            counts[CLASS_OF[kind]] += len(records)
        return counts

    def span_us(self):
        """[first, last] of every time that a range can select by."""
        times = [r["event_time_us"] for records in self.records.values() for r in records]
        times += [parse_time_us(r["exit_time"]) for r in self.records["trade"] if r.get("exit_time")]
        return (min(times), max(times)) if times else (0, 0)


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────

TRADE_COLUMNS = ("profile_id", "trade_id", "symbol", "trade_type", "side", "entry_price", "exit_price",
                 "reference_price", "quantity", "multiplier", "fees", "pnl", "pnl_pct", "slippage", "entry_time_us",
                 "exit_time_us", "duration_seconds", "bar_strength", "candle_size", "direction", "exit_reason",
                 "order_id", "signal_id", "script_name", "event_time_us", "revision", "metadata")


def trade_row(record):
    """One row of dd_trade_performance from one published trade; `*_exact` are unrounded."""
    symbol = text(record["symbol"])
    side = word("side", record.get("side"))
    sign = {"buy": 1, "sell": -1}.get(side)
    quantity, entry, exit_price = (number(record.get(k)) for k in ("quantity", "entry_price", "exit_price"))
    reference, fees = number(record.get("reference_price")), number(record.get("fees"))
    multiplier = number(record.get("multiplier"))
    if multiplier is None:
        multiplier = Decimal(100) if OCC_SYMBOL.match(symbol) else Decimal(1)
    if fees is None:
        fees = Decimal(0)
    pnl = pnl_pct = slippage = None
    if sign is not None and None not in (quantity, entry, exit_price):
        pnl = sign * (exit_price - entry) * quantity * multiplier - fees
        base = entry * quantity * multiplier
        if base != 0:
            pnl_pct = CONTEXT.divide(pnl, base) * 100
    if sign is not None and entry is not None and reference is not None:
        slippage = sign * (entry - reference)
    entry_time = parse_time_us(record["entry_time"]) if record.get("entry_time") else None
    exit_time = parse_time_us(record["exit_time"]) if record.get("exit_time") else record["event_time_us"]
    return {
        "profile_id": record["profile_id"], "trade_id": text(record.get("trade_id")), "symbol": symbol,
        "trade_type": text(record.get("trade_type")), "side": side,
        "entry_price": round8(entry), "exit_price": round8(exit_price), "reference_price": round8(reference),
        "quantity": round8(quantity), "multiplier": round8(multiplier), "fees": round8(fees),
        "pnl": round8(pnl), "pnl_pct": round8(pnl_pct), "slippage": round8(slippage),
        "entry_time_us": entry_time, "exit_time_us": exit_time,
        "duration_seconds": None if entry_time is None else Decimal(exit_time - entry_time) / 1_000_000,
        "bar_strength": round8(number(record.get("bar_strength"))),
        "candle_size": round8(number(record.get("candle_size"))),
        "direction": word("direction", record.get("direction")),
        "exit_reason": word("exit_reason", record.get("exit_reason")),
        "order_id": text(record.get("order_id")), "signal_id": text(record.get("signal_id")),
        "script_name": record["script_name"], "event_time_us": record["event_time_us"], "revision": 0,
        "pnl_exact": pnl, "slippage_exact": slippage, "metadata": canonical_json(record.get("metadata")),
    }


def trade_rows(oracle, profile_id=None):
    """Rows of dd_trade_performance. A repeated trade_id corrects: the last one's values, one revision more."""
    rows, by_id = [], {}
    for record in oracle.of("trade", profile_id):
        row = trade_row(record)
        key = (row["profile_id"], row["trade_id"])
        if row["trade_id"] is not None and key in by_id:
            row["revision"] = rows[by_id[key]]["revision"] + 1
            rows[by_id[key]] = row
        else:
            by_id[key] = len(rows)
            rows.append(row)
    return rows


ORDER_ANY_FIELDS = ("parent_order_id", "signal_id", "symbol", "order_type", "side", "quantity", "limit_price",
                    "filled_price", "api_latency_ms", "script_name", "metadata")


def order_rows(oracle, profile_id=None):
    """Rows of dd_orders, one per (profile, order_id, status): earliest time, greatest filled quantity.

    Which of several sightings gave the other fields is not defined across Lanes, so each of those is the
    set of values that were said ({None} where none was).
    """
    rows = {}
    for record in oracle.of("order", profile_id):
        key = (record["profile_id"], text(record["order_id"]), word("order_status", record["status"]))
        row = rows.setdefault(key, {"profile_id": key[0], "order_id": key[1], "status": key[2],
                                    "event_time_us": record["event_time_us"], "filled_quantity": None,
                                    **{field: set() for field in ORDER_ANY_FIELDS}})
        row["event_time_us"] = min(row["event_time_us"], record["event_time_us"])
        filled = round8(number(record.get("filled_quantity")))
        if filled is not None and (row["filled_quantity"] is None or filled > row["filled_quantity"]):
            row["filled_quantity"] = filled
        said = {
            "parent_order_id": text(record.get("parent_order_id")), "signal_id": text(record.get("signal_id")),
            "symbol": text(record.get("symbol")), "order_type": word("order_type", record.get("order_type")),
            "side": word("side", record.get("side")), "quantity": round8(number(record.get("quantity"))),
            "limit_price": round8(number(record.get("limit_price"))),
            "filled_price": round8(number(record.get("filled_price"))),
            "api_latency_ms": round_latency(number(record.get("api_latency_ms"))),
            "script_name": record["script_name"], "metadata": canonical_json(record.get("metadata")),
        }
        for field, value in said.items():
            if value is not None:
                row[field].add(value)
    for row in rows.values():
        for field in ORDER_ANY_FIELDS:
            if not row[field]:
                row[field].add(None)
    return list(rows.values())


def round_latency(value_ms):
    return None if value_ms is None else value_ms.quantize(Decimal("0.000001"), rounding=decimal.ROUND_HALF_UP)


SIGNAL_COLUMNS = ("profile_id", "signal_id", "fate", "reason", "script_name", "symbol", "direction", "bar_strength",
                  "close_price", "candle_size", "volume", "event_time_us",
                  "metadata")


def signal_rows(oracle, profile_id=None):
    return [{
        "profile_id": r["profile_id"], "signal_id": text(r.get("signal_id")), "fate": text(r.get("fate")) or "detected",
        "reason": text(r.get("reason")), "script_name": r["script_name"], "symbol": text(r.get("symbol")),
        "direction": word("direction", r.get("direction")), "bar_strength": round8(number(r.get("bar_strength"))),
        "close_price": round8(number(r.get("close_price"))), "candle_size": round8(number(r.get("candle_size"))),
        "volume": round8(number(r.get("volume"))), "event_time_us": r["event_time_us"],
        "metadata": canonical_json(r.get("metadata")),
    } for r in oracle.of("signal", profile_id)]


ERROR_COLUMNS = ("profile_id", "script_name", "severity", "code", "text", "event_time_us")


def error_rows(oracle, profile_id=None):
    return [{
        "profile_id": r["profile_id"], "script_name": r["script_name"],
        "severity": word("severity", r.get("severity")) or "error", "code": text(r.get("code")),
        "text": text(r.get("text")), "event_time_us": r["event_time_us"],
    } for r in oracle.of("error", profile_id)]


# ── equity ───────────────────────────────────────────────────────────────────────────────────────

def equity_readings(oracle, profile_id):
    """Readings in event time; equal times keep publish order (one Lane publishes a profile's equity)."""
    if profile_id in oracle.sorted_equity:
        return oracle.sorted_equity[profile_id]
    readings = []
    for r in oracle.of("equity", profile_id):
        readings.append({
            "time_us": r["event_time_us"], "level": number(r["account_equity"]),
            "unrealized_pnl": number(r.get("unrealized_pnl")), "realized_pnl": number(r.get("realized_pnl")),
            "margin_used": number(r.get("margin_used")), "margin_available": number(r.get("margin_available")),
            "open_positions_count": None if number(r.get("open_positions_count")) is None
            else int(number(r.get("open_positions_count"))),
            "cash_flow": number(r.get("cash_flow")), "script_name": r["script_name"],
        })
    readings.sort(key=lambda reading: reading["time_us"])  # stable
    oracle.sorted_equity[profile_id] = readings
    return readings


def drawdown(levels):
    """(max drawdown, max drawdown %) of levels in time order: from the running peak down.

    The percentage is taken only under a positive peak; both count to the last level, recovered or not.
    """
    peak = None
    drop, drop_pct = Decimal(0), Decimal(0)
    for level in levels:
        if peak is None or level > peak:
            peak = level
        drop = max(drop, peak - level)
        if peak > 0:
            drop_pct = max(drop_pct, CONTEXT.divide(peak - level, peak) * 100)
    return drop, drop_pct


def adjusted_levels(readings, opening=None):
    """Levels with the cash flow since the start taken out; `opening` is the last level before the start."""
    levels = [] if opening is None else [opening]
    flow = Decimal(0)
    for reading in readings:
        flow += reading["cash_flow"] or Decimal(0)
        levels.append(reading["level"] - flow)
    return levels


EQUITY_MINUTE_COLUMNS = ("profile_id", "minute_us", "open", "high", "low", "close", "open_time_us", "high_time_us",
                         "low_time_us", "close_time_us", "mdd", "unrealized_pnl", "realized_pnl", "margin_used",
                         "margin_available", "open_positions_count", "cash_flow", "readings")


def equity_minutes(oracle, profile_id):
    """Rows of dd_equity_minute. mdd_pct is None where cash flow makes its base a matter of the range."""
    by_minute = defaultdict(list)
    for reading in equity_readings(oracle, profile_id):
        by_minute[reading["time_us"] // MINUTE_US * MINUTE_US].append(reading)
    rows = []
    for minute_us, readings in sorted(by_minute.items()):
        levels = [r["level"] for r in readings]
        flows = [r["cash_flow"] for r in readings if r["cash_flow"] is not None]
        drop, drop_pct = drawdown(adjusted_levels(readings))
        last = readings[-1]
        row = {
            "profile_id": profile_id, "minute_us": minute_us,
            "open": round8(levels[0]), "high": round8(max(levels)), "low": round8(min(levels)),
            "close": round8(levels[-1]), "open_time_us": readings[0]["time_us"], "close_time_us": last["time_us"],
            # Any of the times at which the extreme stood is right.
            "high_time_us": {r["time_us"] for r in readings if r["level"] == max(levels)},
            "low_time_us": {r["time_us"] for r in readings if r["level"] == min(levels)},
            "mdd": round8(drop), "mdd_pct": None if any(flows) else round8(drop_pct),
            "cash_flow": round8(sum(flows, Decimal(0))) if flows else None, "readings": len(readings),
        }
        for field in ("unrealized_pnl", "realized_pnl", "margin_used", "margin_available"):
            row[field] = round8(last[field])
        row["open_positions_count"] = last["open_positions_count"]
        rows.append(row)
    return rows


def equity_figures(oracle, profile_id, from_us, to_us, snap=True):
    """The equity endpoint's figures over [from, to), which snaps outward to minutes."""
    if snap:
        from_us, to_us = from_us // MINUTE_US * MINUTE_US, -(-to_us // MINUTE_US) * MINUTE_US
    readings = equity_readings(oracle, profile_id)
    before = [r for r in readings if r["time_us"] < from_us]
    inside = [r for r in readings if from_us <= r["time_us"] < to_us]
    names = ("current_equity", "total_pnl", "unrealized_pnl", "realized_pnl", "margin_utilization_pct",
             "max_drawdown", "max_drawdown_pct")
    figures = dict.fromkeys(names)
    figures["readings"] = len(inside)
    if not inside:
        return figures
    last = inside[-1]
    figures["current_equity"] = round8(last["level"])
    figures["unrealized_pnl"], figures["realized_pnl"] = round8(last["unrealized_pnl"]), round8(last["realized_pnl"])
    if last["unrealized_pnl"] is not None and last["realized_pnl"] is not None:
        figures["total_pnl"] = round8(last["unrealized_pnl"] + last["realized_pnl"])
    if last["margin_used"] is not None and last["level"] > 0:
        figures["margin_utilization_pct"] = round8(percent(last["margin_used"], last["level"]))
    drop, drop_pct = drawdown(adjusted_levels(inside, before[-1]["level"] if before else None))
    figures["max_drawdown"], figures["max_drawdown_pct"] = round8(drop), round8(drop_pct)
    figures["unadjusted"] = all(r["cash_flow"] is None for r in inside)
    figures["optional"] = {
        "account_equity": round8(last["level"]), "margin_used": round8(last["margin_used"]),
        "margin_available": round8(last["margin_available"]),
        "open_positions_count": None if last["open_positions_count"] is None
        else Decimal(last["open_positions_count"]),
    }
    return figures


# ── trades ───────────────────────────────────────────────────────────────────────────────────────

def trades_in(rows, from_us, to_us):
    """A trade is in the range that holds its exit_time; half-open, exact."""
    return [row for row in rows if from_us <= row["exit_time_us"] < to_us]


def classes(rows):
    known = [row["pnl_exact"] for row in rows if row["pnl_exact"] is not None]
    return known, [p for p in known if p > 0], [p for p in known if p < 0], [p for p in known if p == 0]


def performance_figures(rows, from_us, to_us):
    rows = trades_in(rows, from_us, to_us)
    known, wins, losses, flats = classes(rows)
    if not known:
        return {"total_trades": 0, "winning_trades": 0, "losing_trades": 0, "total_pnl": Decimal(0),
                "avg_pnl": Decimal(0), "win_rate": Decimal(0), "avg_win": Decimal(0), "avg_loss": Decimal(0),
                "optional": {"flat_trades": 0}, "reason": "no_trades"}
    gross_profit, gross_loss = sum(wins, Decimal(0)), -sum(losses, Decimal(0))
    return {
        "total_trades": len(known), "winning_trades": len(wins), "losing_trades": len(losses),
        "total_pnl": round8(sum(known, Decimal(0))), "avg_pnl": round8(mean(known)),
        "win_rate": round8(percent(len(wins), len(known))), "avg_win": round8(mean(wins)),
        "avg_loss": round8(mean(losses)),
        "optional": {"flat_trades": len(flats), "gross_profit": round8(gross_profit), "gross_loss": round8(gross_loss),
                     "profit_factor": round8(divide(gross_profit, gross_loss)), "expectancy": round8(mean(known)),
                     "largest_win": round8(max(wins)) if wins else None,
                     "largest_loss": round8(min(losses)) if losses else None},
    }


def is_breakout(row):
    return row["trade_type"] == "breakout" or row["signal_id"] is not None


def count_signals(signals):
    """One per signal_id, whoever of the profile's scripts said it; one each where there is none."""
    return len({s["signal_id"] for s in signals if s["signal_id"] is not None}) + \
        sum(1 for s in signals if s["signal_id"] is None)


def breakout_figures(rows, signals, from_us, to_us):
    rows = [row for row in trades_in(rows, from_us, to_us) if is_breakout(row)]
    signals = [s for s in signals if from_us <= s["event_time_us"] < to_us]
    known, wins, losses, flats = classes(rows)
    slipped = [r for r in rows if r["slippage_exact"] is not None and r["quantity"] is not None]
    weight = sum((r["quantity"] for r in slipped), Decimal(0))
    gross_profit, gross_loss = sum(wins, Decimal(0)), -sum(losses, Decimal(0))
    return {
        "total_signals": count_signals(signals), "profitable_trades": len(wins), "losing_trades": len(losses),
        "success_rate": round8(percent(len(wins), len(known))), "avg_profit_per_trade": round8(mean(known)),
        "avg_slippage": round8(divide(sum((r["slippage_exact"] * r["quantity"] for r in slipped), Decimal(0)), weight)),
        "optional": {
            "flat_trades": len(flats), "profit_factor": round8(divide(gross_profit, gross_loss)),
            "slippage_cost": round8(sum((r["slippage_exact"] * r["quantity"] * r["multiplier"] for r in slipped),
                                        Decimal(0))) if slipped else None,
        },
    }


# ── orders ───────────────────────────────────────────────────────────────────────────────────────

def order_chains(oracle, profile_id):
    """Chains: orders linked by parent_order_id. Each answers when it began, and how and when it ended."""
    legs = {}
    for record in oracle.of("order", profile_id):
        order_id, status = text(record["order_id"]), word("order_status", record["status"])
        leg = legs.setdefault(order_id, {"id": order_id, "first_us": record["event_time_us"], "parent": None,
                                         "type": None, "statuses": {}})
        leg["first_us"] = min(leg["first_us"], record["event_time_us"])
        leg["parent"] = leg["parent"] or text(record.get("parent_order_id"))
        leg["type"] = leg["type"] or word("order_type", record.get("order_type"))
        seen = leg["statuses"].get(status)
        leg["statuses"][status] = record["event_time_us"] if seen is None else min(seen, record["event_time_us"])

    root_of = {order_id: order_id for order_id in legs}

    def root(order_id):
        while root_of[order_id] != order_id:
            order_id = root_of[order_id]
        return order_id

    for leg in legs.values():
        if leg["parent"] in legs:
            root_of[root(leg["id"])] = root(leg["parent"])
    groups = defaultdict(list)
    for leg in legs.values():
        groups[root(leg["id"])].append(leg)

    chains = []
    for group in groups.values():
        parents = {leg["parent"] for leg in group}
        ids = {leg["id"] for leg in group}
        first = min(group, key=lambda leg: (leg["parent"] in ids, leg["first_us"]))
        last_legs = [leg for leg in group if leg["id"] not in parents]
        ends = []
        for leg in last_legs:
            terminal = [(when, status) for status, when in leg["statuses"].items() if status in ENDED]
            ends.append(max(terminal) if terminal else None)
        ended = bool(ends) and None not in ends
        ended_us, end_status = max(ends) if ended else (None, None)
        converted = any("converted" in leg["statuses"] for leg in group) or \
            any(leg["type"] == "market" and leg["parent"] in ids for leg in group)
        chains.append({"first_us": min(leg["first_us"] for leg in group), "ended_us": ended_us, "end": end_status,
                       "limit_first": first["type"] == "limit", "converted": converted})
    return chains


def orders_figures(oracle, profile_id, from_us, to_us, chains=None):
    chains = order_chains(oracle, profile_id) if chains is None else chains
    ended = [c for c in chains if c["ended_us"] is not None and from_us <= c["ended_us"] < to_us]
    limits = [c for c in ended if c["limit_first"]]
    from_hour, to_hour = snap_hours(from_us, to_us)
    latencies = [number(r["latency_ms"]) for r in oracle.of("latency", profile_id)
                 if from_hour <= r["event_time_us"] < to_hour]
    return {
        "total_orders": sum(1 for c in chains if from_us <= c["first_us"] < to_us),
        "filled_orders": sum(1 for c in ended if c["end"] == "filled"),
        "canceled_orders": sum(1 for c in ended if c["end"] == "canceled"),
        "conversion_rate": round8(percent(sum(1 for c in limits if c["converted"]), len(limits))),
        "avg_api_latency_ms": round8(mean(latencies)),
        "optional": {
            "rejected_orders": sum(1 for c in ended if c["end"] == "rejected"),
            "expired_orders": sum(1 for c in ended if c["end"] == "expired"),
        },
    }


# ── system ───────────────────────────────────────────────────────────────────────────────────────

def snap_hours(from_us, to_us):
    return from_us // HOUR_US * HOUR_US, -(-to_us // HOUR_US) * HOUR_US


def quantile_bracket(values, q):
    """What a sketch of 1 % relative error may answer for the nearest-rank quantile.

    Exact is x[ceil(q·n)]. Accepted is any value between the order statistics one rank below and one rank
    above it, widened by 1 % (and by the last decimal of the column).
    """
    if not values:
        return None
    ordered = sorted(values)
    rank = -((-Decimal(q) * len(ordered)) // 1)  # ceiling, 1-based
    rank = min(max(int(rank), 1), len(ordered))
    low, high = ordered[max(rank - 2, 0)], ordered[min(rank, len(ordered) - 1)]
    margin = Decimal("0.01")
    return Bracket(low - abs(low) * margin - E8, high + abs(high) * margin + E8)


def last_reading(readings):
    """Readings of the greatest event time; several where times are equal (any of them may have won)."""
    if not readings:
        return []
    latest = max(r["event_time_us"] for r in readings)
    return [r for r in readings if r["event_time_us"] == latest]


def system_figures(oracle, profile_id, from_us, to_us):
    """{script: figures}; samples and hourly states snap outward to hours. Sets are acceptable values."""
    from_us, to_us = snap_hours(from_us, to_us)

    def inside(kind):
        return [r for r in oracle.of(kind, profile_id) if from_us <= r["event_time_us"] < to_us]

    figures = {}
    latencies, healths, limits = inside("latency"), inside("health"), inside("rate_limit")
    for script in oracle.scripts(profile_id):
        values = [number(r["latency_ms"]) for r in latencies if r["script_name"] == script]
        health = last_reading([r for r in healths if r["script_name"] == script])
        limit = last_reading([r for r in limits if r["script_name"] == script])

        def any_of(readings, field):
            return {round8(number(r.get(field))) for r in readings} or {None}

        figures[script] = {
            "api_latency_avg_ms": round8(mean(values)),
            "api_latency_p95_ms": quantile_bracket(values, "0.95"),
            "api_latency_p99_ms": quantile_bracket(values, "0.99"),
            "rate_limit_remaining": any_of(limit, "remaining"),
            "error_count": any_of(health, "error_count"),
            "reported": bool(values or health or limit),
            "statuses": {word("health_status", r.get("status")) for r in health},
            "optional": {
                "rate_limit_limit": any_of(limit, "limit"), "warning_count": any_of(health, "warning_count"),
                "cpu_usage_pct": any_of(health, "cpu_usage_pct"), "memory_usage_mb": any_of(health, "memory_usage_mb"),
                "api_latency_count": len(values),
                "api_latency_min_ms": round8(min(values)) if values else None,
                "api_latency_max_ms": round8(max(values)) if values else None,
            },
        }
    return figures


HEALTH_NUMBERS = ("error_count", "warning_count", "cpu_usage_pct", "memory_usage_mb")


def health_hours(oracle, profile_id):
    """{(script, metric_name, hour_us): set of (time_us, value or status)}: the hour's last reading."""
    hours = defaultdict(list)
    for kind in ("health", "rate_limit"):
        for r in oracle.of(kind, profile_id):
            hours[(kind, r["script_name"], r["event_time_us"] // HOUR_US * HOUR_US)].append(r)
    rows = defaultdict(set)

    def put(script, metric, hour_us, readings, value_of):
        said = [r for r in readings if value_of(r) is not None]
        for r in last_reading(said):
            rows[(script, metric, hour_us)].add((r["event_time_us"], value_of(r)))

    for (kind, script, hour_us), readings in hours.items():
        if kind == "health":
            put(script, "health", hour_us, readings, lambda r: word("health_status", r.get("status")))
            for field in HEALTH_NUMBERS:
                put(script, field, hour_us, readings, lambda r, f=field: round8(number(r.get(f))))
        else:
            put(script, "rate_limit_remaining", hour_us, readings, lambda r: round8(number(r.get("remaining"))))
            put(script, "rate_limit_limit", hour_us, readings, lambda r: round8(number(r.get("limit"))))
    return rows


# ── Windows ──────────────────────────────────────────────────────────────────────────────────────

def window_of(kind, time_us, zone="UTC"):
    """[start, end) in microseconds. Hours are UTC hours; longer ones follow the profile's zone."""
    if kind == "hour":
        start = time_us // HOUR_US * HOUR_US
        return start, start + HOUR_US
    info = zoneinfo.ZoneInfo(zone)
    local = (EPOCH + datetime.timedelta(microseconds=time_us)).astimezone(info)
    day = datetime.date(local.year, local.month, local.day)
    if kind == "day":
        first, after = day, day + datetime.timedelta(days=1)
    elif kind == "week":
        first = day - datetime.timedelta(days=day.weekday())
        after = first + datetime.timedelta(days=7)
    elif kind == "month":
        first = day.replace(day=1)
        after = (first + datetime.timedelta(days=32)).replace(day=1)
    else:
        raise ValueError(kind)

    def midnight(date):
        moment = datetime.datetime(date.year, date.month, date.day, tzinfo=info)
        delta = moment.astimezone(datetime.timezone.utc) - EPOCH
        return (delta.days * 86400 + delta.seconds) * 1_000_000

    return midnight(first), midnight(after)


class ProfileFigures:
    """Everything of one profile, with rows computed once."""

    def __init__(self, oracle, profile_id):
        self.oracle, self.profile_id = oracle, profile_id
        self.trades = trade_rows(oracle, profile_id)
        self.signals = signal_rows(oracle, profile_id)
        self.chains = order_chains(oracle, profile_id)

    def breakout(self, from_us, to_us):
        return breakout_figures(self.trades, self.signals, from_us, to_us)

    def performance(self, from_us, to_us):
        return performance_figures(self.trades, from_us, to_us)

    def equity(self, from_us, to_us):
        return equity_figures(self.oracle, self.profile_id, from_us, to_us)

    def orders(self, from_us, to_us):
        return orders_figures(self.oracle, self.profile_id, from_us, to_us, self.chains)

    def system(self, from_us, to_us):
        return system_figures(self.oracle, self.profile_id, from_us, to_us)

    def trade_list(self, from_us, to_us):
        """Newest exit first (equal exits in any order)."""
        return sorted(trades_in(self.trades, from_us, to_us), key=lambda row: -row["exit_time_us"])

    def windows(self, kind, zone="UTC"):
        """Every Window of a kind in which anything of this profile happened."""
        times = [r["event_time_us"] for kind_of_record in KINDS
                 for r in self.oracle.of(kind_of_record, self.profile_id)]
        times += [row["exit_time_us"] for row in self.trades]
        times += [c["ended_us"] for c in self.chains if c["ended_us"] is not None]
        if kind == "hour":
            return sorted({(t // HOUR_US * HOUR_US, t // HOUR_US * HOUR_US + HOUR_US) for t in times})
        hours = {t // HOUR_US * HOUR_US for t in times}  # zones off the full hour are refused
        return sorted({window_of(kind, t, zone) for t in hours})

    def window_rows(self, kind, start_us, end_us):
        """{(metric_type, metric_name, labels): value} of dd_telemetry_metrics, where names and rule are fixed."""
        breakout, performance = self.breakout(start_us, end_us), self.performance(start_us, end_us)
        equity, orders = self.equity(start_us, end_us), self.orders(start_us, end_us)
        no_trades = performance.get("reason") == "no_trades"
        rows = {}
        for name in ("total_signals", "profitable_trades", "losing_trades", "success_rate", "avg_profit_per_trade",
                     "avg_slippage"):
            rows["breakout", name, ""] = breakout[name]
        for name in ("flat_trades", "profit_factor"):
            rows["breakout", name, ""] = breakout["optional"][name]
        for name in ("current_equity", "unrealized_pnl", "realized_pnl", "total_pnl", "max_drawdown",
                     "max_drawdown_pct"):
            rows["equity", name, ""] = equity[name]
        rows["equity", "equity_close", ""] = equity["current_equity"]
        for name in ("total_trades", "winning_trades", "losing_trades"):
            rows["equity", name, ""] = performance[name]
        rows["equity", "closed_trade_pnl", ""] = performance["total_pnl"]
        for name in ("win_rate", "avg_win", "avg_loss"):
            rows["equity", name, ""] = None if no_trades else performance[name]
        for name in ("profit_factor", "expectancy"):
            rows["equity", name, ""] = performance["optional"].get(name)
        for name in ("total_orders", "filled_orders", "canceled_orders", "conversion_rate", "avg_api_latency_ms"):
            rows["order", name, ""] = orders[name]
        for script, figures in self.system(start_us, end_us).items():
            for name in ("api_latency_avg_ms", "api_latency_p95_ms", "api_latency_p99_ms", "rate_limit_remaining",
                         "error_count"):
                rows["system", name, f"script={script}"] = figures[name]
        return rows


# ── command line: print what should be there ─────────────────────────────────────────────────────

def plain(value):
    if isinstance(value, Bracket):
        return [str(value.low), str(value.high)]
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (set, frozenset)):
        return sorted((plain(v) for v in value), key=str)
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def main(arguments):
    if len(arguments) not in (1, 3):
        print("usage: recompute.py ORACLE [FROM TO]   prints every figure of every profile as JSON", file=sys.stderr)
        return 2
    oracle = Oracle.from_file(arguments[0])
    first, last = oracle.span_us()
    from_us, to_us = (parse_time_us(arguments[1]), parse_time_us(arguments[2])) if len(arguments) == 3 \
        else (first, last + 1)
    answer = {}
    for profile_id in oracle.profiles():
        figures = ProfileFigures(oracle, profile_id)
        answer[profile_id] = {name: getattr(figures, name)(from_us, to_us)
                              for name in ("breakout", "equity", "orders", "system", "performance")}
    json.dump(plain(answer), sys.stdout, indent=1)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
