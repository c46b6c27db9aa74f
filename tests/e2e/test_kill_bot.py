#!/usr/bin/env python3
"""SIGKILL of bots while they publish: their whole Records arrive, their Segments are retired.

A bot writes a Record into the oracle after it has published it, so a kill may leave one published Record
per bot that the oracle does not know. Nothing else may differ.
"""
import os
import random
import sys
import time
import unittest

import harness
import recompute
import compare
from harness import Failed, Stack, wait_until

BOT_KILLS = int(os.environ.get("DDT_E2E_BOT_KILLS", "5"))


class KillBot(unittest.TestCase):
    def test_whole_records_arrive_and_the_segment_is_retired(self):
        dice = random.Random(os.environ.get("DDT_E2E_SEED", "1"))
        with Stack() as stack:
            replay = stack.start_replay(harness.bars("SPY_*.csv"), profiles=4)
            killed = self.kill_some_bots(stack, replay, dice)
            self.assertGreater(len(killed), 0, "no bot could be killed while it published")
            # The replay may call it a failure that its bots died; the other bots must end by themselves.
            wait_until(lambda: not harness.descendants(replay.pid) and not replay.is_running(),
                       harness.STORED_TIMEOUT_S, "the other bots to end")
            wait_until(lambda: self.all_is_retired(stack), harness.STORED_TIMEOUT_S,
                       lambda: f"retirement: {stack.lanes()} {stack.segments()}\n{stack.sidecar.log_tail()}", 0.1)
            self.check_tombstones(stack, killed)
            self.cut_torn_line(stack.oracle)
            self.check_rows(stack, len(killed))

    def kill_some_bots(self, stack, replay, dice):
        killed = []
        deadline = time.monotonic() + 60
        while len(killed) < BOT_KILLS and replay.is_running() and time.monotonic() < deadline:
            mapped = [(pid, harness.segment_of(pid, stack.telemetry_dir)) for pid in harness.descendants(replay.pid)]
            mapped = [(pid, segment) for pid, segment in mapped if segment]
            if not mapped:
                time.sleep(0.002)
                continue
            pid, segment = dice.choice(mapped)
            time.sleep(dice.random() * 0.05)
            if harness.segment_of(pid, stack.telemetry_dir) == segment:
                os.kill(pid, 9)
                killed.append(segment)
        return killed

    @staticmethod
    def all_is_retired(stack):
        stack.sidecar.must_run()
        lanes = stack.lanes()
        return lanes and lanes["lanes"] and not lanes["live_lanes"] and not stack.segments()

    def check_tombstones(self, stack, killed):
        rows = stack.mysql().rows("dd_lane_positions", {"segment_name": "t", "retired_at": "d"})
        for segment in killed:
            mine = [row for row in rows if segment in (row["segment_name"] or "")]
            self.assertTrue(mine, f"{segment} has no tombstone")
            self.assertTrue(all(row["retired_at"] for row in mine), mine)
            self.assertFalse((stack.telemetry_dir / segment).exists(), segment)

    @staticmethod
    def cut_torn_line(oracle):
        """A kill inside write() may leave the oracle's very last line torn."""
        data = oracle.read_bytes()
        if not data.endswith(b"\n"):
            oracle.write_bytes(data[:data.rfind(b"\n") + 1])

    def check_rows(self, stack, kills):
        oracle, mysql = recompute.Oracle.from_file(stack.oracle), stack.mysql()
        extra_facts = 0
        for name, columns, want, have in (
                ("trades", recompute.TRADE_COLUMNS, recompute.trade_rows(oracle), compare.mysql_trades(mysql)),
                ("signals", recompute.SIGNAL_COLUMNS, recompute.signal_rows(oracle), compare.mysql_signals(mysql)),
                ("errors", recompute.ERROR_COLUMNS, recompute.error_rows(oracle), compare.mysql_errors(mysql))):
            missing, extra = compare.multiset_difference(columns, want, have)
            self.assertEqual(missing, [], f"{name} lost")
            extra_facts += len(extra)
        want = {compare.order_key(row) for row in recompute.order_rows(oracle)}
        have = [compare.order_key(row) for row in compare.mysql_orders(mysql)]
        self.assertEqual(want - set(have), set(), "orders lost")
        self.assertEqual(len(have), len(set(have)), "orders twice")
        extra_facts += len(set(have) - want)
        self.assertLessEqual(extra_facts, kills)

        lanes, counts = stack.lanes(), oracle.count_by_class()
        extra = {name: lanes[f"stored_{name}"] - count for name, count in counts.items()}
        self.assertTrue(all(count >= 0 for count in extra.values()), f"fewer stored than published: {extra}")
        self.assertLessEqual(sum(extra.values()), kills, f"more stored than published: {extra}")
        for name in compare.LEDGER_SUMS[3:9]:
            self.assertEqual(lanes[name], 0, f"{name}: {lanes}")
        self.assertEqual(lanes["produced"], sum(lanes[f"stored_{name}"] for name in counts), lanes)
        ledger = stack.ledger()
        for term in ("residual", "dropped", "rejected", "lost", "in_flight"):
            self.assertEqual(ledger.get(term), 0, f"{term} in {ledger}")
        print(f"{kills} bots killed, {sum(counts.values())} Records in the oracle, {sum(extra.values())} published "
              f"but not written down", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
