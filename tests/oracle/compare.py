#!/usr/bin/env python3
"""Compare what is stored and served with what the bots published.

    compare.py --oracle FILE --mysql-socket S --database D --api http://127.0.0.1:8000 [--windows]

MySQL is read through the `mariadb` command line client, REST through urllib; both sides are compared as
multisets of rows and as exact decimals. Every difference is printed (the first 50) and counted.
Exit code: 0 no difference, 1 differences, 2 could not compare.
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter, defaultdict
from decimal import Decimal

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import recompute  # noqa: E402
from recompute import Bracket, parse_time_us, format_time_us  # noqa: E402

SHOWN_DIFFERENCES_MAX = 50
HTTP_TIMEOUT_S = 20
HTTP_RETRIES = 3  # only for 503, which says by itself that a store is not reachable right now

FIXED = {
    "breakout": ("success_rate", "avg_slippage", "avg_profit_per_trade", "total_signals", "profitable_trades",
                 "losing_trades"),
    "equity": ("current_equity", "total_pnl", "unrealized_pnl", "realized_pnl", "margin_utilization_pct",
               "max_drawdown", "max_drawdown_pct"),
    "orders": ("total_orders", "filled_orders", "canceled_orders", "avg_api_latency_ms", "conversion_rate"),
    "system": ("api_latency_avg_ms", "api_latency_p95_ms", "api_latency_p99_ms", "rate_limit_remaining",
               "error_count"),
    "performance": ("total_trades", "winning_trades", "losing_trades", "total_pnl", "avg_pnl", "win_rate", "avg_win",
                    "avg_loss"),
}
PATH = {
    "breakout": "/api/v1/metrics/breakout/{}", "equity": "/api/v1/metrics/equity/{}",
    "orders": "/api/v1/metrics/orders/{}", "system": "/api/v1/metrics/system/{}",
    "performance": "/api/v1/trades/{}/performance",
}


class Unreadable(Exception):
    """A side could not be read at all."""


# ── the two sides ────────────────────────────────────────────────────────────────────────────────

class Mysql:
    """Rows through the command line client. Column kinds: t text, n number, d date-time, j JSON, b binary."""

    def __init__(self, user="root", database="ddt", socket=None, port=None, password=None, host="127.0.0.1"):
        client = shutil.which("mariadb") or shutil.which("mysql")
        if client is None:
            raise Unreadable("no mariadb client in PATH")
        self.command = [client, "--no-defaults", "--batch", "--raw", "--skip-column-names",
                        "--default-character-set=utf8mb4", f"--user={user}", f"--database={database}"]
        self.command += [f"--socket={socket}"] if socket else [f"--host={host}", f"--port={port}", "--protocol=tcp"]
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", **({"MYSQL_PWD": password} if password else {})}

    def query(self, sql):
        done = subprocess.run(self.command, input="SET time_zone='+00:00';\n" + sql, capture_output=True,
                              env=self.environment, encoding="utf-8", errors="surrogateescape", check=False)
        if done.returncode != 0:
            raise Unreadable(f"mysql: {sql[:120]}: {done.stderr.strip()}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def rows(self, table, columns, where="1=1"):
        """[{column: value}]; texts travel as hex, so a tab, a newline or the text NULL cannot mislead."""
        shown = []
        for name, kind in columns.items():
            if kind in "tjb":
                shown.append(f"IFNULL(HEX(`{name}`),'-')")
            elif kind == "d":
                shown.append(f"IFNULL(DATE_FORMAT(`{name}`,'%Y-%m-%dT%H:%i:%s.%fZ'),'-')")
            else:
                shown.append(f"IFNULL(`{name}`,'-')")
        rows = []
        for fields in self.query(f"SELECT {','.join(shown)} FROM `{table}` WHERE {where};"):
            if len(fields) != len(columns):
                raise Unreadable(f"mysql: {table}: a row of {len(fields)} fields instead of {len(columns)}")
            rows.append({name: self._value(kind, field) for (name, kind), field in zip(columns.items(), fields)})
        return rows

    @staticmethod
    def _value(kind, field):
        if field == "-" or (field == "" and kind == "t"):
            return None
        if kind == "t":
            return bytes.fromhex(field).decode("utf-8", "surrogateescape")
        if kind == "j":
            return json.loads(bytes.fromhex(field), parse_float=Decimal) if field else None
        if kind == "b":
            return field.lower()
        if kind == "d":
            return parse_time_us(field)
        return Decimal(field)


class Rest:
    def __init__(self, base):
        self.base = base.rstrip("/")
        self.requests = 0

    def get(self, path, **parameters):
        """(parsed body, headers) of a 200; anything else is a difference for the caller to report."""
        url = path if path.startswith("http") else self.base + path
        if parameters:
            url += "?" + urllib.parse.urlencode(parameters)
        for attempt in range(HTTP_RETRIES):
            self.requests += 1
            try:
                with urllib.request.urlopen(url, timeout=HTTP_TIMEOUT_S) as reply:
                    body = reply.read().decode("utf-8")
                    return json.loads(body, parse_float=Decimal, parse_constant=self._no_constant), reply.headers
            except urllib.error.HTTPError as error:
                detail = error.read(300).decode("utf-8", "replace")
                if error.code == 503 and attempt + 1 < HTTP_RETRIES:
                    time.sleep(0.5)
                    continue
                raise ReplyError(f"{url}: {error.code} {detail}") from error
            except ValueError as error:
                raise ReplyError(f"{url}: not JSON: {error}") from error
            except OSError as error:
                raise Unreadable(f"{url}: {error}") from error
        raise ReplyError(f"{url}: no answer")

    @staticmethod
    def _no_constant(name):
        raise ValueError(f"{name} is not JSON")

    def pages(self, path, pages_max=10_000, **parameters):
        """All items of a paged array."""
        items, headers = self.get(path, **parameters)
        if not isinstance(items, list):
            raise ReplyError(f"{path}: an array was expected")
        items = list(items)
        for _ in range(pages_max):
            following = re.search(r'<([^>]+)>\s*;[^,]*\brel="?next"?', headers.get("Link") or "")
            if not following:
                return items
            more, headers = self.get(urllib.parse.urljoin(self.base + path, following.group(1)))
            items += more
        raise ReplyError(f"{path}: more than {pages_max} pages")


class ReplyError(Exception):
    """REST answered, but not as it must."""


# ── differences ──────────────────────────────────────────────────────────────────────────────────

def show(value):
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (set, frozenset)):
        return "one of {" + ", ".join(sorted(str(show(v)) for v in value)) + "}"
    return str(value) if isinstance(value, Bracket) else repr(value) if isinstance(value, str) else str(value)


class Report:
    def __init__(self, stream=sys.stdout):
        self.stream = stream
        self.rows = self.figures = self.differences = 0

    def difference(self, message):
        self.differences += 1
        if self.differences <= SHOWN_DIFFERENCES_MAX:
            print(f"difference: {message}", file=self.stream)
        elif self.differences == SHOWN_DIFFERENCES_MAX + 1:
            print("difference: … (more are counted, not shown)", file=self.stream)

    def figure(self, where, want, have):
        self.figures += 1
        if not matches(want, have):
            self.difference(f"{where}: want {show(want)}, have {show(have)}")

    def multiset(self, what, columns, want, have, key):
        """Rows as multisets; what is left over is paired by key so that the field at fault is named."""
        self.rows += len(want)
        want_left, have_left = multiset_difference(columns, want, have)
        have_by_key = defaultdict(list)
        for row in have_left:
            have_by_key[tuple(row[k] for k in key)].append(row)
        for row in want_left:
            name = f"{what} {' '.join(f'{k}={show(row[k])}' for k in key)}"
            twins = have_by_key.get(tuple(row[k] for k in key))
            if twins:
                twin = twins.pop()
                wrong = [f"{c} want {show(row[c])}, have {show(twin[c])}" for c in columns if row[c] != twin[c]]
                self.difference(f"{name}: {'; '.join(wrong)}")
            else:
                self.difference(f"{name}: missing")
        for rows in have_by_key.values():
            for row in rows:
                self.difference(f"{what} {' '.join(f'{k}={show(row[k])}' for k in key)}: not published (or twice)")

    def summary(self):
        print(f"compared {self.rows} rows, {self.figures} figures: {self.differences} differences", file=self.stream)
        return 1 if self.differences else 0


def multiset_difference(columns, want, have):
    """(rows only in want, rows only in have), each with its multiplicity."""
    def left_over(rows, others):
        counts, out = Counter(tuple(r[c] for c in columns) for r in others), []
        for row in rows:
            values = tuple(row[c] for c in columns)
            if counts[values] > 0:
                counts[values] -= 1
            else:
                out.append(row)
        return out
    return left_over(want, have), left_over(have, want)


def matches(want, have):
    if isinstance(want, (set, frozenset)):
        return any(matches(choice, have) for choice in want)
    if want is None or have is None:
        return want is None and have is None
    if isinstance(want, Bracket):
        return isinstance(have, (int, Decimal)) and not isinstance(have, bool) and Decimal(have) in want
    if isinstance(want, (int, Decimal)):
        return isinstance(have, (int, Decimal)) and not isinstance(have, bool) and Decimal(want) == Decimal(have)
    return want == have


# ── MySQL ────────────────────────────────────────────────────────────────────────────────────────

TRADE_KINDS = {"profile_id": "n", "trade_id": "t", "symbol": "t", "trade_type": "t", "side": "t", "entry_price": "n",
               "exit_price": "n", "reference_price": "n", "quantity": "n", "multiplier": "n", "fees": "n", "pnl": "n",
               "pnl_pct": "n", "slippage": "n", "entry_time": "d", "exit_time": "d", "duration_seconds": "n",
               "bar_strength": "n", "candle_size": "n", "direction": "t", "exit_reason": "t", "order_id": "t",
               "signal_id": "t", "script_name": "t", "event_time": "d", "revision": "n", "metadata": "j"}
TIMES = {"entry_time": "entry_time_us", "exit_time": "exit_time_us", "event_time": "event_time_us",
         "open_time": "open_time_us", "high_time": "high_time_us", "low_time": "low_time_us",
         "close_time": "close_time_us", "minute": "minute_us"}


def with_time_names(row):
    named = {TIMES.get(name, name): value for name, value in row.items()}
    if "metadata" in named:
        named["metadata"] = recompute.canonical_json(named["metadata"])
    return named


def mysql_trades(mysql, where="1=1"):
    return [with_time_names(row) for row in mysql.rows("dd_trade_performance", TRADE_KINDS, where)]


def compare_trades(report, oracle, mysql):
    report.multiset("dd_trade_performance", recompute.TRADE_COLUMNS, recompute.trade_rows(oracle),
                    mysql_trades(mysql), ("profile_id", "trade_id", "symbol", "exit_time_us"))


def mysql_orders(mysql):
    kinds = {"profile_id": "n", "order_id": "t", "status": "t", "event_time": "d", "filled_quantity": "n",
             "parent_order_id": "t", "signal_id": "t", "symbol": "t", "order_type": "t", "side": "t", "quantity": "n",
             "limit_price": "n", "filled_price": "n", "api_latency_ms": "n", "script_name": "t", "metadata": "j"}
    return [with_time_names(row) for row in mysql.rows("dd_orders", kinds)]


def order_key(row):
    return int(row["profile_id"]), row["order_id"], row["status"]


def compare_orders(report, oracle, mysql):
    want = {order_key(row): row for row in recompute.order_rows(oracle)}
    report.rows += len(want)
    seen = Counter()
    for row in mysql_orders(mysql):
        key = order_key(row)
        name = f"dd_orders profile_id={key[0]} order_id={key[1]} status={key[2]}"
        seen[key] += 1
        if key not in want:
            report.difference(f"{name}: not published")
            continue
        if seen[key] > 1:
            report.difference(f"{name}: {seen[key]} rows")
        for field in ("event_time_us", "filled_quantity", *recompute.ORDER_ANY_FIELDS):
            if not matches(want[key][field], row[field]):
                report.difference(f"{name}: {field} want {show(want[key][field])}, have {show(row[field])}")
    for key in want.keys() - seen.keys():
        report.difference(f"dd_orders profile_id={key[0]} order_id={key[1]} status={key[2]}: missing")


def mysql_signals(mysql):
    kinds = {"profile_id": "n", "signal_id": "t", "fate": "t", "reason": "t", "script_name": "t", "symbol": "t",
             "direction": "t", "bar_strength": "n", "close_price": "n", "candle_size": "n", "volume": "n",
             "event_time": "d", "metadata": "j"}
    return [with_time_names(row) for row in mysql.rows("dd_signals", kinds)]


def compare_signals(report, oracle, mysql):
    report.multiset("dd_signals", recompute.SIGNAL_COLUMNS, recompute.signal_rows(oracle), mysql_signals(mysql),
                    ("profile_id", "signal_id", "script_name", "fate"))


def mysql_errors(mysql):
    rows = []
    for row in mysql.rows("dd_system_health", {"profile_id": "n", "script_name": "t", "status": "t", "timestamp": "d",
                                               "metadata": "j"}, "metric_name='error'"):
        metadata = row["metadata"] or {}
        rows.append({"profile_id": row["profile_id"], "script_name": row["script_name"], "severity": row["status"],
                     "code": metadata.get("code") or None, "text": metadata.get("text") or None,
                     "event_time_us": row["timestamp"]})
    return rows


def compare_errors(report, oracle, mysql):
    report.multiset("dd_system_health error", recompute.ERROR_COLUMNS, recompute.error_rows(oracle),
                    mysql_errors(mysql), ("profile_id", "script_name", "event_time_us", "code"))


def compare_health_hours(report, oracle, mysql):
    want = {(profile_id, *key): choices for profile_id in oracle.profiles()
            for key, choices in recompute.health_hours(oracle, profile_id).items()}
    report.rows += len(want)
    seen = Counter()
    kinds = {"profile_id": "n", "script_name": "t", "metric_name": "t", "metric_value": "n", "status": "t",
             "timestamp": "d", "bucket": "d"}
    for row in mysql.rows("dd_system_health", kinds, "bucket IS NOT NULL"):
        key = (int(row["profile_id"]), row["script_name"], row["metric_name"], row["bucket"])
        name = f"dd_system_health profile_id={key[0]} {key[1]} {key[2]} {format_time_us(key[3])}"
        seen[key] += 1
        if seen[key] > 1:
            report.difference(f"{name}: {seen[key]} rows")
        have = (row["timestamp"], row["status"] if key[2] == "health" else row["metric_value"])
        if key not in want:
            report.difference(f"{name}: not published")
        elif have not in want[key]:
            report.difference(f"{name}: want {show(want[key])}, have {have}")
    for key in want.keys() - seen.keys():
        report.difference(f"dd_system_health profile_id={key[0]} {key[1]} {key[2]} {format_time_us(key[3])}: missing")


def compare_equity_minutes(report, oracle, mysql):
    want = {(profile_id, row["minute_us"]): row for profile_id in oracle.profiles()
            for row in recompute.equity_minutes(oracle, profile_id)}
    report.rows += len(want)
    kinds = {"profile_id": "n", "minute": "d", "open": "n", "high": "n", "low": "n", "close": "n", "open_time": "d",
             "high_time": "d", "low_time": "d", "close_time": "d", "mdd": "n", "mdd_pct": "n", "unrealized_pnl": "n",
             "realized_pnl": "n", "margin_used": "n", "margin_available": "n", "open_positions_count": "n",
             "cash_flow": "n", "readings": "n"}
    seen = Counter()
    for row in mysql.rows("dd_equity_minute", kinds):
        row = with_time_names(row)
        key = (int(row["profile_id"]), row["minute_us"])
        name = f"dd_equity_minute profile_id={key[0]} {format_time_us(key[1])}"
        seen[key] += 1
        if seen[key] > 1:
            report.difference(f"{name}: {seen[key]} rows")
        if key not in want:
            report.difference(f"{name}: not published")
            continue
        for field in recompute.EQUITY_MINUTE_COLUMNS:
            if not matches(want[key][field], row[field]):
                report.difference(f"{name}: {field} want {show(want[key][field])}, have {show(row[field])}")
        if want[key]["mdd_pct"] is not None and not matches(want[key]["mdd_pct"], row["mdd_pct"]):
            report.difference(f"{name}: mdd_pct want {show(want[key]['mdd_pct'])}, have {show(row['mdd_pct'])}")
    for key in want.keys() - seen.keys():
        report.difference(f"dd_equity_minute profile_id={key[0]} {format_time_us(key[1])}: missing")


LEDGER_SUMS = ("stored_samples", "stored_states", "stored_facts", "dropped_samples", "dropped_states", "dropped_facts",
               "refused", "rejected", "lost", "produced")


def mysql_ledger(mysql):
    """Sums over dd_lane_positions, and how many lanes there are and are not retired yet."""
    sums = ",".join(f"COALESCE(SUM({name}),0)" for name in LEDGER_SUMS)
    values = mysql.query(f"SELECT {sums},COUNT(*),COALESCE(SUM(retired_at IS NULL),0) FROM dd_lane_positions;")[0]
    return dict(zip((*LEDGER_SUMS, "lanes", "live_lanes"), (int(Decimal(v)) for v in values)))


def compare_ledger(report, oracle, mysql):
    """Every Record of the oracle is stored once, by class; nothing was dropped, refused, rejected or lost."""
    have, want = mysql_ledger(mysql), oracle.count_by_class()
    for name, count in want.items():
        report.figure(f"dd_lane_positions stored_{name}", count, have[f"stored_{name}"])
    report.figure("dd_lane_positions produced", sum(want.values()), have["produced"])
    for name in LEDGER_SUMS[3:9]:
        report.figure(f"dd_lane_positions {name}", 0, have[name])
    report.figure("dd_rejected rows", 0, int(mysql.query("SELECT COUNT(*) FROM dd_rejected;")[0][0]))


def compare_window_rows(report, oracle, mysql, zone):
    """dd_telemetry_metrics: no row of a known name may be wrong, none with something to say may be missing."""
    want, ends = {}, {}
    for profile_id in oracle.profiles():
        figures = recompute.ProfileFigures(oracle, profile_id)
        for kind in recompute.WINDOW_KINDS:
            for start_us, end_us in figures.windows(kind, zone):
                ends[kind, start_us] = end_us
                for (metric_type, name, labels), value in figures.window_rows(kind, start_us, end_us).items():
                    want[profile_id, metric_type, name, labels, kind, start_us] = value
    kinds = {"profile_id": "n", "metric_type": "t", "metric_name": "t", "labels": "t", "window_type": "t",
             "window_start": "d", "window_end": "d", "metric_value": "n"}
    seen = Counter()
    for row in mysql.rows("dd_telemetry_metrics", kinds):
        key = (int(row["profile_id"]), row["metric_type"], row["metric_name"], row["labels"] or "",
               row["window_type"], row["window_start"])
        name = f"dd_telemetry_metrics {' '.join(str(part) for part in key[:5])} {format_time_us(key[5])}"
        seen[key] += 1
        if seen[key] > 1:
            report.difference(f"{name}: {seen[key]} rows")
        if key in want:
            report.figure(name, want[key], row["metric_value"])
            report.figure(f"{name} window_end", ends[key[4], key[5]], row["window_end"])
        elif (key[4], key[5]) not in ends and row["metric_value"]:
            report.difference(f"{name}: nothing happened in this Window, have {show(row['metric_value'])}")
    for key, value in want.items():
        if key not in seen and key[1] != "system" and says_something(value):
            report.difference(f"dd_telemetry_metrics {' '.join(str(part) for part in key[:5])} "
                              f"{format_time_us(key[5])}: missing, want {show(value)}")


def says_something(value):
    if isinstance(value, Bracket):
        return True
    if isinstance(value, (set, frozenset)):
        return any(says_something(v) for v in value)
    return value is not None and value != 0


# ── REST ─────────────────────────────────────────────────────────────────────────────────────────

def ranges_of(oracle, figures):
    """Ranges that cover everything, whole days, and two trades to the microsecond (half-open both ways)."""
    first, last = oracle.span_us()
    everything = (recompute.window_of("month", first)[0], recompute.window_of("month", last)[1])
    ranges = [("everything", *everything)]
    days = sorted({recompute.window_of("day", t)[0] for t in (first, (first + last) // 2, last)})
    ranges += [("day", start, start + 24 * recompute.HOUR_US) for start in days]
    exits = sorted({row["exit_time_us"] for row in figures.trades})
    if len(exits) >= 3:
        ranges.append(("from a trade up to another", exits[len(exits) // 3], exits[-1]))
    ranges.append(("nothing in it", everything[1], everything[1] + 24 * recompute.HOUR_US))
    return ranges


def compare_object(report, where, endpoint, want, reply, with_reasons):
    """One object with an endpoint's figures: fixed fields must be there, others must be right if there."""
    if not isinstance(reply, dict):
        report.difference(f"{where}: an object was expected, have {type(reply).__name__}")
        return
    reasons = reply.get("reasons") or {}
    for name in FIXED[endpoint]:
        if name not in reply:
            report.figures += 1
            report.difference(f"{where} {name}: the field is not there, want {show(want[name])}")
            continue
        if endpoint == "equity" and not want["readings"] and name.startswith("max_drawdown"):
            report.figure(f"{where} {name}", {None, Decimal(0)}, reply[name])  # nothing fell: either is true
            continue
        report.figure(f"{where} {name}", want[name], reply[name])
        if with_reasons and reply[name] is None and not reasons.get(name):
            report.difference(f"{where} {name}: null without a reason")
    for name, value in want.get("optional", {}).items():
        if name in reply:
            report.figure(f"{where} {name}", value, reply[name])
    if with_reasons and endpoint == "performance" and want.get("reason") and \
            want["reason"] not in [str(v) for v in reasons.values()]:
        report.difference(f"{where}: reasons do not say {want['reason']}: {reasons}")
    if with_reasons and endpoint == "equity" and want.get("unadjusted") and \
            not any("unadjusted" in str(v) for v in reasons.values()):
        report.difference(f"{where}: reasons do not say unadjusted: {reasons}")


def compare_windows(report, where, endpoint, reply, want_of, expected):
    """`windows` of a reply: those with something to say are there, all that are there are right."""
    windows = reply.get("windows")
    if not isinstance(windows, list):
        report.difference(f"{where}: no windows")
        return
    seen = set()
    for window in windows:
        start = parse_time_us(window["window_start"])
        if start in seen:
            report.difference(f"{where} {window['window_start']}: twice")
        seen.add(start)
        if start in expected:
            compare_object(report, f"{where} {window['window_start']}", endpoint, want_of(start, expected[start]),
                           window, with_reasons=False)
    for start, end in expected.items():
        want = want_of(start, end)
        if start not in seen and any(says_something(want[name]) for name in FIXED[endpoint]):
            report.difference(f"{where} {format_time_us(start)}: the window is missing")


def compare_endpoint(report, rest, endpoint, figures, label, from_us, to_us, window=None, zone="UTC"):
    path = PATH[endpoint].format(figures.profile_id)
    where = f"{path} ({label})" + (f" window={window}" if window else "")
    parameters = {"from": format_time_us(from_us), "to": format_time_us(to_us)}
    if window:
        parameters["window"] = window
    try:
        reply, _ = rest.get(path, **parameters)
    except ReplyError as error:
        report.difference(str(error))
        return
    expected = dict(figures.windows(window, zone)) if window else {}
    if endpoint != "system":
        compute = getattr(figures, endpoint)
        compare_object(report, where, endpoint, compute(from_us, to_us), reply, with_reasons=not window)
        if isinstance(reply, dict) and reply.get("profile_id") != figures.profile_id:
            report.difference(f"{where}: profile_id {reply.get('profile_id')}")
        if window and isinstance(reply, dict):
            compare_windows(report, where, endpoint, reply, compute, expected)
        return
    if not isinstance(reply, list):
        report.difference(f"{where}: an array was expected")
        return
    want = figures.system(from_us, to_us)
    names = [entry.get("script_name") for entry in reply]
    for name, count in Counter(names).items():
        if count > 1:
            report.difference(f"{where}: {name} {count} times")
        if name not in want:
            report.difference(f"{where}: {name} published nothing")
    for script, figures_of_script in want.items():
        if script not in names:
            if figures_of_script["reported"]:
                report.difference(f"{where}: {script} is missing")
            continue
        entry = reply[names.index(script)]
        compare_object(report, f"{where} {script}", endpoint, figures_of_script, entry, with_reasons=False)
        if not isinstance(entry.get("status"), str) or not entry["status"]:
            report.difference(f"{where} {script}: status {entry.get('status')!r}")
        if window:
            compare_windows(report, f"{where} {script}", endpoint, entry,
                            lambda start, end, s=script: figures.system(start, end)[s], expected)


def rest_trade(item):
    """A trade of the reply as a row; numbers must be JSON numbers, times RFC 3339."""
    row = {}
    for name, kind in TRADE_KINDS.items():
        value = item.get(name)
        if value == "" or value is None:
            value = None
        elif kind == "n":
            value = Decimal(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) \
                else f"not a number: {value!r}"
        elif kind == "d":
            value = parse_time_us(value)
        elif kind == "j":
            value = recompute.canonical_json(value) if isinstance(value, dict) else f"not an object: {value!r}"
        row[TIMES.get(name, name)] = value
    return row


def compare_trade_list(report, rest, figures, label, from_us, to_us, limit):
    path = f"/api/v1/trades/{figures.profile_id}"
    try:
        items = rest.pages(path, **{"from": format_time_us(from_us), "to": format_time_us(to_us), "limit": limit})
        have = [rest_trade(item) for item in items]
    except (ReplyError, ValueError) as error:
        report.difference(f"{path} ({label}): {error}")
        return
    report.multiset(f"{path} ({label})", recompute.TRADE_COLUMNS, figures.trade_list(from_us, to_us), have,
                    ("profile_id", "trade_id", "symbol", "exit_time_us"))
    exits = [row["exit_time_us"] for row in have]
    if exits != sorted(exits, reverse=True):
        report.difference(f"{path} ({label}): not newest exit first")


def compare_rest(report, oracle, rest, from_us=None, to_us=None, windows=False, zone="UTC"):
    for index, profile_id in enumerate(oracle.profiles()):
        figures = recompute.ProfileFigures(oracle, profile_id)
        ranges = [("from to", from_us, to_us)] if from_us is not None else ranges_of(oracle, figures)
        for label, start, end in ranges:
            for endpoint in FIXED:
                compare_endpoint(report, rest, endpoint, figures, label, start, end)
            # Small pages for the first profile: cursors are part of the contract.
            compare_trade_list(report, rest, figures, label, start, end, limit=7 if index == 0 else 1000)
        if windows:
            label, start, end = ranges[0]
            for endpoint in FIXED:
                for kind in recompute.WINDOW_KINDS:
                    compare_endpoint(report, rest, endpoint, figures, label, start, end, kind, zone)


def compare_mysql(report, oracle, mysql, windows=False, zone="UTC"):
    compare_trades(report, oracle, mysql)
    compare_orders(report, oracle, mysql)
    compare_signals(report, oracle, mysql)
    compare_errors(report, oracle, mysql)
    compare_health_hours(report, oracle, mysql)
    compare_equity_minutes(report, oracle, mysql)
    compare_ledger(report, oracle, mysql)
    if windows:
        compare_window_rows(report, oracle, mysql, zone)


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oracle", required=True)
    parser.add_argument("--mysql-socket")
    parser.add_argument("--mysql-port", type=int)
    parser.add_argument("--mysql-user", default="root")
    parser.add_argument("--database", default="ddt")
    parser.add_argument("--api", help="base URL; without it only MySQL is compared")
    parser.add_argument("--from", dest="from_time", help="RFC 3339; with --to, the only range asked over REST")
    parser.add_argument("--to", dest="to_time")
    parser.add_argument("--windows", action="store_true", help="dd_telemetry_metrics and window=… over REST too")
    parser.add_argument("--zone", default="UTC", help="the profiles' zone, for day and longer Windows")
    options = parser.parse_args(arguments)
    if bool(options.from_time) != bool(options.to_time):
        parser.error("--from and --to belong together")
    if not options.mysql_socket and not options.mysql_port and not options.api:
        parser.error("nothing to compare with: --mysql-socket, --mysql-port or --api")
    return options


def main(arguments, stream=sys.stdout):
    options = parse_arguments(arguments)
    report = Report(stream)
    try:
        oracle = recompute.Oracle.from_file(options.oracle)
        if not oracle.raw_lines:
            raise Unreadable(f"{options.oracle}: no line: comparing nothing would always succeed")
        if options.mysql_socket or options.mysql_port:
            mysql = Mysql(options.mysql_user, options.database, options.mysql_socket, options.mysql_port)
            compare_mysql(report, oracle, mysql, options.windows, options.zone)
        if options.api:
            from_us = parse_time_us(options.from_time) if options.from_time else None
            to_us = parse_time_us(options.to_time) if options.to_time else None
            compare_rest(report, oracle, Rest(options.api), from_us, to_us, options.windows, options.zone)
    except (Unreadable, ValueError, OSError) as error:
        print(f"cannot compare: {error}", file=stream)
        return 2
    return report.summary()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
