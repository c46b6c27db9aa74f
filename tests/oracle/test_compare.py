#!/usr/bin/env python3
"""A comparison that cannot fail proves nothing: every kind of fault must be found, and the truth pass.

A private MariaDB and a small HTTP server are filled with what the oracle says should be there; then one
thing at a time is made wrong.
"""
import contextlib
import http.server
import io
import json
import pathlib
import re
import sys
import tempfile
import threading
import unittest
import urllib.parse
from decimal import Decimal as D

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
import compare  # noqa: E402
import harness  # noqa: E402
import recompute  # noqa: E402

TINY = D("0.00000001")

# The columns that are read, without any key, so that a duplicate can be put in.
TABLES = """
CREATE TABLE dd_trade_performance (id BIGINT AUTO_INCREMENT PRIMARY KEY, profile_id INT, symbol VARCHAR(32),
  trade_type VARCHAR(50), side VARCHAR(50), entry_price DECIMAL(20,8), exit_price DECIMAL(20,8),
  reference_price DECIMAL(20,8), quantity DECIMAL(20,8), multiplier DECIMAL(20,8), fees DECIMAL(20,8),
  pnl DECIMAL(30,8), pnl_pct DECIMAL(20,8), slippage DECIMAL(20,8), entry_time DATETIME(6), exit_time DATETIME(6),
  duration_seconds DECIMAL(18,6), bar_strength DECIMAL(20,8), candle_size DECIMAL(20,8), direction VARCHAR(50),
  exit_reason VARCHAR(50), trade_id VARCHAR(64), order_id VARCHAR(64), signal_id VARCHAR(64),
  script_name VARCHAR(50), event_time DATETIME(6), revision INT UNSIGNED, metadata JSON) CHARSET utf8mb4;
CREATE TABLE dd_orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, profile_id INT, order_id VARCHAR(64),
  status VARCHAR(50), parent_order_id VARCHAR(64), signal_id VARCHAR(64), symbol VARCHAR(32), order_type VARCHAR(50),
  side VARCHAR(50), quantity DECIMAL(20,8), filled_quantity DECIMAL(20,8), limit_price DECIMAL(20,8),
  filled_price DECIMAL(20,8), api_latency_ms DECIMAL(20,6), script_name VARCHAR(50),
  event_time DATETIME(6), metadata JSON) CHARSET utf8mb4;
CREATE TABLE dd_signals (id BIGINT AUTO_INCREMENT PRIMARY KEY, profile_id INT, signal_id VARCHAR(64),
  fate VARCHAR(50), reason VARCHAR(50), script_name VARCHAR(50), symbol VARCHAR(32), direction VARCHAR(50),
  bar_strength DECIMAL(20,8), close_price DECIMAL(20,8), candle_size DECIMAL(20,8), volume DECIMAL(20,8),
  event_time DATETIME(6), metadata JSON) CHARSET utf8mb4;
CREATE TABLE dd_system_health (id BIGINT AUTO_INCREMENT PRIMARY KEY, profile_id INT, script_name VARCHAR(50),
  metric_name VARCHAR(100), metric_value DECIMAL(30,8), status VARCHAR(50), timestamp DATETIME(6), metadata JSON,
  bucket DATETIME(6)) CHARSET utf8mb4;
CREATE TABLE dd_equity_minute (profile_id INT, minute DATETIME, open DECIMAL(20,8), high DECIMAL(20,8),
  low DECIMAL(20,8), close DECIMAL(20,8), open_time DATETIME(6), high_time DATETIME(6), low_time DATETIME(6),
  close_time DATETIME(6), mdd DECIMAL(20,8), mdd_pct DECIMAL(20,8), unrealized_pnl DECIMAL(20,8),
  realized_pnl DECIMAL(20,8), margin_used DECIMAL(20,8), margin_available DECIMAL(20,8), open_positions_count INT,
  cash_flow DECIMAL(20,8), readings INT UNSIGNED) CHARSET utf8mb4;
CREATE TABLE dd_lane_positions (segment_id INT, stored_samples BIGINT, stored_states BIGINT, stored_facts BIGINT,
  dropped_samples BIGINT DEFAULT 0, dropped_states BIGINT DEFAULT 0, dropped_facts BIGINT DEFAULT 0,
  refused BIGINT DEFAULT 0, rejected BIGINT DEFAULT 0, lost BIGINT DEFAULT 0, produced BIGINT,
  retired_at DATETIME(6)) CHARSET utf8mb4;
CREATE TABLE dd_rejected (id BIGINT AUTO_INCREMENT PRIMARY KEY, reason VARCHAR(200)) CHARSET utf8mb4;
CREATE TABLE dd_telemetry_metrics (id BIGINT AUTO_INCREMENT PRIMARY KEY, profile_id INT, metric_type VARCHAR(50),
  metric_name VARCHAR(100), labels VARCHAR(190), window_type VARCHAR(20), window_start DATETIME(6),
  window_end DATETIME(6), metric_value DECIMAL(30,8)) CHARSET utf8mb4;
"""


def at(clock, day="2024-03-04"):
    return f"{day}T{clock}Z"


def sample_records():
    """Two profiles, an hour or two of everything, with texts that a tab-separated client would garble."""
    records = []
    for profile in (7, 8):
        def say(kind, clock, script="order_monitor", profile=profile, **fields):
            records.append({"kind": kind, "profile_id": profile, "script_name": script, "event_time": at(clock),
                            **fields})
        for i, exit_price in enumerate(("101.25", "99", "100", "103.00000001", "98.5")):
            say("trade", f"15:{10 + i}:00.00000{i}", symbol="SPY", trade_type="breakout", side="buy", quantity="3",
                entry_price="100", exit_price=exit_price, fees="0.01", entry_time=at(f"15:0{i}:00"),
                metadata={"bars_held": i, "note": "é", "ratio": 0.5} if i else None,
                exit_time=at(f"15:{10 + i}:00.00000{i}"), reference_price="99.98", exit_reason="profit_target",
                trade_id=f"t{i}" if i < 3 else None, signal_id=f"s{i}")
        say("trade", "15:30:00", symbol="SPY", trade_type="breakout", side="sell", quantity="1", entry_price="100",
            exit_price="99", trade_id="t1", exit_time=at("15:11:00.000001"), fees="0")
        for i in range(3):
            say("signal", f"15:0{i}:00", "breakout_detector", signal_id=f"s{i}", symbol="SPY", direction="upward",
                fate="detected", close_price="100.5", volume="1e3")
            say("signal", f"15:0{i}:01", "profile_listener", signal_id=f"s{i}", symbol="SPY", direction="upward",
                fate="suppressed", reason="NULL" if i else "a\ttab\nand – a dash")
            say("order", f"15:0{i}:02", order_id=f"o{i}", order_type="limit", side="buy", status="new",
                quantity="3", limit_price="100.01", symbol="SPY", api_latency_ms="12.5")
            say("order", f"15:0{i}:12", order_id=f"o{i}", order_type="limit", side="buy", symbol="SPY", quantity="3",
                status="filled" if i else "canceled", filled_quantity="3" if i else "1", filled_price="100")
        say("order", "15:00:13", order_id="m0", parent_order_id="o0", order_type="market", side="buy", symbol="SPY",
            status="filled", quantity="2", filled_quantity="2", filled_price="100.02")
        for i, level in enumerate(("10000", "10010.5", "9990.25", "10001", "9980")):
            say("equity", f"15:0{i // 2}:{10 + i}", "equity_monitor", account_equity=level, unrealized_pnl="1.5",
                realized_pnl="-2.25", margin_used="2500", margin_available="7500", open_positions_count=1)
        for i in range(40):
            say("latency", f"15:20:{i:02}", endpoint="POST /v2/orders", latency_ms=f"{10 + i}.123456", outcome=200)
        say("health", "15:40:00", status="healthy", error_count=1, warning_count=0, cpu_usage_pct="2.5",
            memory_usage_mb="80", expected_interval_s=60)
        say("rate_limit", "15:40:01", remaining=180, limit=200)
        say("error", "15:41:00", severity="error", code="timeout", text='a "quoted"\ttext\n')
        say("position", "15:42:00", symbol="SPY", side="buy", quantity="3")
    return records


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, (D, int)):
        return format(D(value), "f")
    return "X'" + value.encode().hex() + "'" if value else "''"


def moment(time_us):
    return None if time_us is None else recompute.format_time_us(time_us)[:-1].replace("T", " ")


def insert(table, row):
    return f"INSERT INTO {table} ({','.join(row)}) VALUES ({','.join(literal(v) for v in row.values())});"


def spelt(canonical):
    """Metadata as JSON again, spelt otherwise than the oracle does."""
    return canonical and re.sub(r'"number (-?[\d.]+)"', r"\1", canonical).replace(": ", " :  ")


def one(value):
    return sorted(value, key=str)[0] if isinstance(value, (set, frozenset)) else value


def rows_of(oracle):
    """SQL that stores what should be stored."""
    names = {name: column for column, name in compare.TIMES.items()}

    def stored(row, columns):
        row = {**row, "metadata": spelt(one(row.get("metadata")))}
        return {names.get(c, c): moment(one(row[c])) if c.endswith("_us") else one(row[c]) for c in columns}

    sql = [insert("dd_trade_performance", stored(r, recompute.TRADE_COLUMNS)) for r in recompute.trade_rows(oracle)]
    order_columns = ("profile_id", "order_id", "status", "event_time_us", "filled_quantity",
                     *recompute.ORDER_ANY_FIELDS)
    sql += [insert("dd_orders", stored(r, order_columns)) for r in recompute.order_rows(oracle)]
    sql += [insert("dd_signals", stored(r, recompute.SIGNAL_COLUMNS)) for r in recompute.signal_rows(oracle)]
    for r in recompute.error_rows(oracle):
        sql.append(insert("dd_system_health", {
            "profile_id": r["profile_id"], "script_name": r["script_name"], "metric_name": "error",
            "status": r["severity"], "timestamp": moment(r["event_time_us"]),
            "metadata": json.dumps({"code": r["code"], "text": r["text"]})}))
    windows = {}
    for profile in oracle.profiles():
        for r in recompute.equity_minutes(oracle, profile):
            sql.append(insert("dd_equity_minute", stored(r, (*recompute.EQUITY_MINUTE_COLUMNS, "mdd_pct"))))
        for (script, metric, hour), choices in recompute.health_hours(oracle, profile).items():
            time_us, value = one(choices)
            sql.append(insert("dd_system_health", {
                "profile_id": profile, "script_name": script, "metric_name": metric, "timestamp": moment(time_us),
                "metric_value": None if metric == "health" else value, "status": value if metric == "health" else "",
                "bucket": moment(hour)}))
        figures = recompute.ProfileFigures(oracle, profile)
        for kind in recompute.WINDOW_KINDS:
            for start, end in figures.windows(kind):
                for (metric_type, name, labels), value in figures.window_rows(kind, start, end).items():
                    value = value.high - TINY if isinstance(value, recompute.Bracket) else one(value)
                    windows[profile, kind, start, metric_type, name, labels] = insert("dd_telemetry_metrics", {
                        "profile_id": profile, "metric_type": metric_type, "metric_name": name, "labels": labels,
                        "window_type": kind, "window_start": moment(start), "window_end": moment(end),
                        "metric_value": None if value is None else recompute.round8(value)})
    sql += windows.values()
    counts = oracle.count_by_class()
    sql.append(insert("dd_lane_positions", {"segment_id": 1, **{f"stored_{k}": v for k, v in counts.items()},
                                            "produced": sum(counts.values()), "retired_at": "2024-03-04 16:00:00"}))
    return "\n".join(sql)


class Served:
    """An HTTP server that answers as the API should, with a hook that may spoil one reply."""

    def __init__(self, oracle):
        self.figures = {p: recompute.ProfileFigures(oracle, p) for p in oracle.profiles()}
        self.spoil = lambda path, body: body
        served = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path, _, query = self.path.partition("?")
                parameters = {k: v[0] for k, v in urllib.parse.parse_qs(query).items()}
                body, link = served.answer(path, parameters)
                body = json_of(served.spoil(path, body)).encode()
                self.send_response(200)
                if link:
                    self.send_header("Link", f'<{link}>; rel="next"')
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, path, parameters):
        low, high = recompute.parse_time_us(parameters["from"]), recompute.parse_time_us(parameters["to"])
        if match := re.fullmatch(r"/api/v1/trades/(\d+)", path):
            rows = self.figures[int(match[1])].trade_list(low, high)
            limit, offset = int(parameters["limit"]), int(parameters.get("offset", 0))
            link = None
            if offset + limit < len(rows):
                link = f"{path}?" + urllib.parse.urlencode({**parameters, "offset": offset + limit})
            names = {name: column for column, name in compare.TIMES.items()}
            return [{names.get(c, c): None if row[c] is None else recompute.format_time_us(row[c])
                     if c.endswith("_us") else json.loads(spelt(row[c]) or "{}", parse_float=D) if c == "metadata" else row[c]
                     for c in recompute.TRADE_COLUMNS}
                    for row in rows[offset:offset + limit]], link
        endpoint, profile = next((e, int(m[1])) for e, p in compare.PATH.items()
                                 if (m := re.fullmatch(p.replace("{}", r"(\d+)"), path)))
        figures = self.figures[profile]
        window = parameters.get("window")
        if endpoint == "system":
            return [{"profile_id": profile, "script_name": script, "status": "offline", **self.fields(endpoint, f),
                     **({"windows": [
                         {"window_start": recompute.format_time_us(s),
                          **self.fields(endpoint, figures.system(s, e)[script])}
                         for s, e in figures.windows(window)]} if window else {})}
                    for script, f in figures.system(low, high).items()], None
        compute = getattr(figures, endpoint)
        body = {"profile_id": profile, **self.fields(endpoint, compute(low, high))}
        body["reasons"] = {name: compute(low, high).get("reason", "because") for name in compare.FIXED[endpoint]
                           if body[name] is None or compute(low, high).get("reason")}
        if endpoint == "equity":
            body["reasons"].setdefault("max_drawdown", "unadjusted")
        if window:
            body["windows"] = [{"window_start": recompute.format_time_us(s), **self.fields(endpoint, compute(s, e))}
                               for s, e in figures.windows(window)]
        return body, None

    @staticmethod
    def fields(endpoint, figures):
        values = {**{n: figures[n] for n in compare.FIXED[endpoint]}, **figures.get("optional", {})}
        return {n: (v.low + v.high) / 2 if isinstance(v, recompute.Bracket) else one(v) for n, v in values.items()}


def json_of(value):
    """JSON with decimals as JSON numbers, never by way of a double."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{json_of(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(json_of(v) for v in value) + "]"
    return format(value, "f") if isinstance(value, D) else json.dumps(value)


class Compare(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.resources = contextlib.ExitStack()
        cls.addClassCleanup(cls.resources.close)
        cls.stack = cls.resources.enter_context(harness.Stack(only_mariadb=True))
        directory = pathlib.Path(cls.resources.enter_context(tempfile.TemporaryDirectory(prefix="ddt-oracle-")))
        cls.file = directory / "oracle.jsonl"
        cls.file.write_text("".join(json.dumps(r) + "\n" for r in sample_records()))
        cls.oracle = recompute.Oracle.from_file(cls.file)
        cls.filling = rows_of(cls.oracle)
        cls.stack.mysql().query(TABLES)
        cls.served = Served(cls.oracle)
        cls.resources.callback(cls.served.close)

    def setUp(self):
        self.served.spoil = lambda path, body: body
        tables = re.findall(r"CREATE TABLE (\w+)", TABLES)
        self.stack.mysql().query("".join(f"DELETE FROM {t};" for t in tables) + "BEGIN;" + self.filling + "COMMIT;")

    def run_compare(self, *more, mysql=True, api=True):
        output = io.StringIO()
        arguments = ["--oracle", str(self.file), "--database", harness.DATABASE, *more]
        if mysql:
            arguments += ["--mysql-socket", str(self.stack.socket)]
        if api:
            arguments += ["--api", self.served.url]
        return compare.main(arguments, output), output.getvalue()

    def must_differ(self, *words, **sides):
        status, output = self.run_compare("--windows", **sides)
        self.assertEqual(status, 1, output)
        for word in words:
            self.assertIn(word, output)
        return output

    def spoilt_sql(self, sql, *words):
        with self.subTest(sql=sql):
            self.setUp()
            self.stack.mysql().query(sql)
            self.must_differ(*words, api=False)

    def test_the_truth_passes(self):
        status, output = self.run_compare("--windows")
        self.assertEqual((status, output.count("\n")), (0, 1), output)
        self.assertRegex(output, r"compared \d\d+ rows, \d\d\d\d+ figures: 0 differences")

    def test_a_port_serves_as_well_as_a_socket(self):
        output = io.StringIO()
        self.assertEqual(compare.main(["--oracle", str(self.file), "--mysql-port", str(self.stack.mysql_port)],
                                      output), 0, output.getvalue())

    def test_missing_rows_are_found(self):
        for table in ("dd_trade_performance", "dd_orders", "dd_signals", "dd_equity_minute", "dd_system_health"):
            self.spoilt_sql(f"DELETE FROM {table} LIMIT 1;", f"{table}", "missing")
        self.spoilt_sql("DELETE FROM dd_system_health WHERE metric_name='error' LIMIT 1;", "missing")
        self.spoilt_sql("DELETE FROM dd_telemetry_metrics WHERE metric_name='success_rate' LIMIT 1;", "missing")

    def test_duplicated_rows_are_found(self):
        for table, word in (("dd_trade_performance", "not published (or twice)"), ("dd_orders", "2 rows"),
                            ("dd_signals", "not published (or twice)"), ("dd_equity_minute", "2 rows"),
                            ("dd_telemetry_metrics", "2 rows"), ("dd_system_health", "")):
            columns = [c[0] for c in self.stack.mysql().query(f"SHOW COLUMNS FROM {table};") if c[0] != "id"]
            names = ",".join(f"`{c}`" for c in columns)
            self.spoilt_sql(f"INSERT INTO {table} ({names}) SELECT {names} FROM {table} LIMIT 1;", table, word)

    def test_every_number_is_compared_to_its_last_decimal(self):
        numbers = {
            "dd_trade_performance": ("entry_price", "exit_price", "reference_price", "quantity", "multiplier", "fees",
                                     "pnl", "pnl_pct", "slippage"),
            "dd_orders": ("quantity", "filled_quantity", "limit_price", "filled_price"),
            "dd_signals": ("close_price", "volume"),
            "dd_equity_minute": ("open", "high", "low", "close", "mdd", "mdd_pct", "unrealized_pnl", "realized_pnl",
                                 "margin_used", "margin_available"),
        }
        for table, columns in numbers.items():
            for column in columns:
                for sign in "+-":
                    self.spoilt_sql(f"UPDATE {table} SET {column}={column}{sign}0.00000001 "
                                    f"WHERE {column} IS NOT NULL LIMIT 1;", f"{column} want")
        self.spoilt_sql("UPDATE dd_system_health SET metric_value=metric_value+0.00000001 "
                        "WHERE metric_name='error_count' LIMIT 1;", "error_count")
        for name in ("total_signals", "success_rate", "avg_slippage", "max_drawdown_pct", "current_equity",
                     "conversion_rate", "avg_api_latency_ms", "win_rate"):
            self.spoilt_sql(f"UPDATE dd_telemetry_metrics SET metric_value=metric_value+0.00000001 "
                            f"WHERE metric_name='{name}' AND metric_value IS NOT NULL LIMIT 1;", name)

    def test_counts_times_texts_and_nulls_are_compared(self):
        for sql in (
                "UPDATE dd_trade_performance SET revision=revision+1 LIMIT 1;",
                "UPDATE dd_trade_performance SET exit_time=exit_time + INTERVAL 1 MICROSECOND LIMIT 1;",
                "UPDATE dd_trade_performance SET entry_time=NULL WHERE entry_time IS NOT NULL LIMIT 1;",
                "UPDATE dd_trade_performance SET duration_seconds=duration_seconds+0.000001 "
                "WHERE duration_seconds IS NOT NULL LIMIT 1;",
                "UPDATE dd_trade_performance SET pnl=NULL LIMIT 1;",
                "UPDATE dd_trade_performance SET slippage=0 WHERE slippage IS NULL LIMIT 1;",
                "UPDATE dd_trade_performance SET profile_id=7 WHERE profile_id=8 LIMIT 1;",
                "UPDATE dd_trade_performance SET side='hold' LIMIT 1;",
                "UPDATE dd_trade_performance SET trade_id='T0' WHERE trade_id='t0' LIMIT 1;",
                "UPDATE dd_orders SET event_time=event_time + INTERVAL 1 MICROSECOND LIMIT 1;",
                "UPDATE dd_orders SET parent_order_id=NULL WHERE parent_order_id IS NOT NULL LIMIT 1;",
                "UPDATE dd_orders SET api_latency_ms=api_latency_ms+0.000001 WHERE api_latency_ms>0 LIMIT 1;",
                "UPDATE dd_orders SET status='open' LIMIT 1;",
                "UPDATE dd_trade_performance SET metadata=JSON_SET(metadata,'$.bars_held',99) "
                "WHERE metadata IS NOT NULL LIMIT 1;",
                "UPDATE dd_trade_performance SET metadata=NULL WHERE metadata IS NOT NULL LIMIT 1;",
                "UPDATE dd_signals SET metadata='{\"a\":1}' LIMIT 1;",
                "UPDATE dd_orders SET metadata='{\"a\":1}' LIMIT 1;",
                "UPDATE dd_signals SET reason=NULL WHERE reason='NULL' LIMIT 1;",
                "UPDATE dd_signals SET fate='traded' LIMIT 1;",
                "UPDATE dd_equity_minute SET readings=readings+1 LIMIT 1;",
                "UPDATE dd_equity_minute SET cash_flow=0 LIMIT 1;",
                "UPDATE dd_equity_minute SET close_time=close_time + INTERVAL 1 MICROSECOND LIMIT 1;",
                "UPDATE dd_equity_minute SET high_time=high_time + INTERVAL 1 SECOND LIMIT 1;",
                "UPDATE dd_equity_minute SET minute=minute + INTERVAL 1 HOUR LIMIT 1;",
                "UPDATE dd_system_health SET metadata=JSON_SET(metadata,'$.text','other') WHERE metric_name='error' "
                "LIMIT 1;",
                "UPDATE dd_system_health SET status='degraded' WHERE metric_name='health' LIMIT 1;",
                "UPDATE dd_lane_positions SET stored_samples=stored_samples+1;",
                "UPDATE dd_lane_positions SET stored_facts=stored_facts-1, stored_states=stored_states+1;",
                "UPDATE dd_lane_positions SET lost=1;",
                "UPDATE dd_lane_positions SET dropped_samples=1;",
                "UPDATE dd_lane_positions SET produced=produced+1;",
                "INSERT INTO dd_rejected (reason) VALUES ('?');",
                "UPDATE dd_telemetry_metrics SET metric_value=0 WHERE metric_value IS NULL LIMIT 1;",
                "UPDATE dd_telemetry_metrics SET window_end=window_end + INTERVAL 1 HOUR LIMIT 1;",
                "UPDATE dd_telemetry_metrics SET window_start='2020-01-01' WHERE metric_name='total_trades' LIMIT 1;"):
            self.spoilt_sql(sql)

    def spoilt_reply(self, endpoint_path, change, *words):
        with self.subTest(path=endpoint_path, words=words):
            def spoil(path, body):
                if re.fullmatch(endpoint_path, path):
                    change(body)
                return body
            self.served.spoil = spoil
            return self.must_differ(*words, mysql=False)

    def test_every_fixed_figure_over_rest_is_compared(self):
        for endpoint, names in compare.FIXED.items():
            path = compare.PATH[endpoint].format("7")
            for name in names:
                def change(body, name=name):
                    entry = body if isinstance(body, dict) else \
                        next(e for e in body if e["script_name"] == "order_monitor")
                    entry[name] = (entry[name] or 0) * D("1.03") + D(1) if "_p9" in name else (entry[name] or 0) + TINY
                self.spoilt_reply(path, change, name)
                self.spoilt_reply(path, lambda body, n=name:
                                  [e.pop(n) for e in (body if isinstance(body, list) else [body])], "not there")

    def test_forms_are_compared(self):
        breakout, trades = "/api/v1/metrics/breakout/7", "/api/v1/trades/7"
        self.spoilt_reply(breakout, lambda b: b.update(success_rate=str(b["success_rate"])), "success_rate")
        self.spoilt_reply(breakout, lambda b: b.update(profile_id=8), "profile_id")
        self.spoilt_reply(breakout, lambda b: b.update(total_signals=None), "total_signals")
        self.spoilt_reply(breakout, lambda b: b.update(reasons={}), "null without a reason")
        self.spoilt_reply("/api/v1/metrics/equity/7", lambda b: b.update(reasons={}), "unadjusted")
        self.spoilt_reply("/api/v1/trades/7/performance", lambda b: b.update(reasons={}), "no_trades")
        self.spoilt_reply("/api/v1/metrics/system/7", lambda b: b.__delitem__(
            [e["script_name"] for e in b].index("order_monitor")), "missing")
        self.spoilt_reply("/api/v1/metrics/system/7", lambda b: b.append(dict(b[0])), "2 times")
        self.spoilt_reply("/api/v1/metrics/system/7", lambda b: b[0].update(status=None), "status")
        self.spoilt_reply(trades, lambda b: b.pop() if b else None, "missing")
        self.spoilt_reply(trades, lambda b: b.extend(b[:1]), "or twice")
        self.spoilt_reply(trades, lambda b: b.reverse(), "not newest exit first")
        self.spoilt_reply(trades, lambda b: b and b[0].update(pnl=b[0]["pnl"] + TINY), "pnl want")
        self.spoilt_reply(trades, lambda b: b and b[0].update(pnl=str(b[0]["pnl"])), "not a number")

    def test_windows_over_rest_are_compared(self):
        path = "/api/v1/trades/7/performance"
        self.spoilt_reply(path, lambda b: b.pop("windows", None), "no windows")
        self.spoilt_reply(path, lambda b: b.get("windows") and b["windows"].pop(), "window is missing")
        self.spoilt_reply(path, lambda b: b.get("windows") and b["windows"][0].update(total_trades=9), "total_trades")

    def test_what_cannot_be_compared_is_not_a_success(self):
        self.assertEqual(compare.main(["--oracle", "/nonexistent", "--api", self.served.url], io.StringIO()), 2)
        self.assertEqual(compare.main(["--oracle", str(self.file), "--api", "http://127.0.0.1:1"], io.StringIO()), 2)
        with tempfile.NamedTemporaryFile() as empty:
            self.assertEqual(compare.main(["--oracle", empty.name, "--api", self.served.url], io.StringIO()), 2)

    def test_at_most_fifty_are_shown_and_all_are_counted(self):
        self.stack.mysql().query("DELETE FROM dd_telemetry_metrics;")
        status, output = self.run_compare("--windows", api=False)
        self.assertEqual(status, 1)
        self.assertEqual(output.count("difference: dd_"), 50)
        self.assertGreater(int(re.search(r"figures: (\d+) differences", output)[1]), 50)


if __name__ == "__main__":
    unittest.main()
