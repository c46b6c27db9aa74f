#!/usr/bin/env python3
"""ddt-top beside a sidecar: what is drained, journaled and committed, and what it costs to say so."""
import json
import os
import signal
import subprocess
import sys
import unittest

import harness
from harness import BIN_DIR, SIDECAR_ID, Stack, wait_until

PROFILES = 2
BOTS = 3 * PROFILES + 1
HEADER_BYTES = 0x20000
LINE_BYTES = 64


KEEPS_UP_LINES, STANDS_STILL_LINES = 600, 1_200  # the bots publish about 200 lines a second together
stack = None


def setUpModule():
    global stack
    stack = Stack(with_api=False).__enter__()
    unittest.addModuleCleanup(stack.__exit__, None, None, None)


class WithBots(unittest.TestCase):
    """Bots that have said their history and now play their last day until they are stopped."""

    @classmethod
    def setUpClass(cls):
        cls.stack = stack
        cls.bots = stack._start("replay", [BIN_DIR / "ddt-replay", "--profiles", PROFILES, "--days", 2, "--speed", 240,
                                           "--dir", stack.telemetry_dir])
        cls.addClassCleanup(cls.end_bots)

    @classmethod
    def end_bots(cls):
        cls.bots.stop()
        stack.forget(cls.bots)
        wait_until(lambda: not stack.segments(), harness.STORED_TIMEOUT_S, "all Segments to retire")

    def top(self, *more):
        command = [BIN_DIR / "ddt-top", "--json", "--interval", "1.2", "--directory", self.stack.telemetry_dir, "--set",
                   f"redis.port={self.stack.redis_port}", "--set", f"sidecar.id={SIDECAR_ID}", *more]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return json.loads(done.stdout)

    @staticmethod
    def lanes(view):
        return [lane for segment in view["segments"] for lane in segment["lanes"]]

    def wait_for(self, condition, what):
        """The first view of which the condition is true."""
        seen = {}

        def look():
            seen["view"] = self.top()
            return condition(seen["view"]) and seen["view"]
        return wait_until(look, harness.READY_TIMEOUT_S, lambda: f"{what}: {json.dumps(seen['view'])[:4000]}")

    def lag(self, view, stage):
        """Lines of all Lanes that are not that far, or None where one is not known."""
        lags = [lane[f"{stage}_lag_lines"] for lane in self.lanes(view)]
        return None if None in lags else sum(lags)

    def keeps_up(self, view, lines_max=KEEPS_UP_LINES):
        lanes = self.lanes(view)
        return (len(lanes) == BOTS and all(lane["position"] > 0 for lane in lanes) and self.lag(view, "drain") == 0
                and self.lag(view, "commit") is not None and self.lag(view, "commit") <= lines_max)

    def wait_until_it_keeps_up(self):
        return self.wait_for(self.keeps_up, "a sidecar that keeps up")


class Top(WithBots):
    def test_shows_how_far_each_lane_has_come(self):
        view = self.wait_until_it_keeps_up()
        self.assertEqual(view["sidecar"]["id"], SIDECAR_ID)
        self.assertEqual(view["sidecar"]["durability"], "mysql")
        self.assertIsNone(view["sidecar"]["problem"])
        self.assertLess(view["sidecar"]["silent_s"], 10)
        self.assertEqual(view["totals"]["alive"], BOTS)
        for lane in self.lanes(view):
            self.assertLessEqual(lane["committed"], lane["acknowledged"], lane)
            self.assertLessEqual(lane["acknowledged"], lane["drained"], lane)
            self.assertIsNone(lane["quarantine_reason"])

    def test_tells_which_stage_stands_still(self):
        self.wait_until_it_keeps_up()
        # Without MySQL the drain and the journal go on, the commit does not; the sidecar still says so.
        os.kill(self.stack.mariadb.pid, signal.SIGSTOP)
        try:
            view = self.wait_for(lambda view: self.lag(view, "drain") == 0 and self.lag(view, "journal") <= KEEPS_UP_LINES
                                 and self.lag(view, "commit") > STANDS_STILL_LINES, "a lag of the commit alone")
            self.assertIsNone(view["sidecar"]["problem"])
        finally:
            os.kill(self.stack.mariadb.pid, signal.SIGCONT)
        self.wait_until_it_keeps_up()
        # A sidecar that stands still is measured against what the bots publish now.
        os.kill(self.stack.sidecar.pid, signal.SIGSTOP)
        try:
            view = self.wait_for(lambda view: (self.lag(view, "drain") or 0) > STANDS_STILL_LINES, "a lag of the drain")
            self.assertGreater(view["sidecar"]["silent_s"], 3)
        finally:
            os.kill(self.stack.sidecar.pid, signal.SIGCONT)
        self.wait_until_it_keeps_up()

    def test_survives_a_redis_that_goes_and_comes_back_empty(self):
        self.wait_until_it_keeps_up()
        self.stack.redis.kill()
        view = self.top()
        self.assertIsNotNone(view["sidecar"]["problem"])
        self.assertTrue(all(lane["committed"] is None and lane["position"] > 0 for lane in self.lanes(view)), view)
        self.stack.forget(self.stack.redis)
        self.stack.start_redis()
        self.stack.redis_command("FLUSHALL")
        self.wait_until_it_keeps_up()

    def test_says_who_might_be_meant(self):
        self.wait_until_it_keeps_up()
        view = self.top("--set", "sidecar.id=another")
        self.assertIn(SIDECAR_ID, view["sidecar"]["problem"])
        self.assertTrue(all(lane["committed"] is None for lane in self.lanes(view)))

    def test_idle_lanes_cost_the_sidecar_nothing(self):
        self.wait_until_it_keeps_up()
        key = f"ddt:{{{SIDECAR_ID}}}:lanes"
        self.assertEqual(self.stack.redis_command("HLEN", key), BOTS + 1)
        self.assertIn(self.stack.redis_command("TTL", key), range(10, 16))
        self.bots.signal_group(signal.SIGSTOP)
        try:
            self.wait_for(lambda view: self.keeps_up(view, 0), "everything committed")
            with subprocess.Popen(["redis-cli", "-p", str(self.stack.redis_port), "MONITOR"], stdout=subprocess.PIPE,
                                  text=True) as monitor:
                # The first write may still say what the last Records changed.
                writes = [line for line in (self.next_write(monitor, key) for _ in range(4))][1:]
                monitor.kill()
        finally:
            self.bots.signal_group(signal.SIGCONT)
        for write in writes:
            self.assertEqual(len(write.split('" "')), 4, f"more than the time: {write}")

    @staticmethod
    def next_write(monitor, key):
        for line in monitor.stdout:
            if f'"HSET" "{key}"' in line:
                return line
        raise AssertionError("redis-cli MONITOR ended")


class TopOfAScribbler(WithBots):
    def test_shows_why_a_lane_is_quarantined(self):
        self.wait_until_it_keeps_up()
        self.bots.signal_group(signal.SIGSTOP)  # or the bot publishes over it before the sidecar looks
        try:
            victim = self.top()["segments"][0]
            lane = victim["lanes"][0]
            with open(self.stack.telemetry_dir / victim["name"], "r+b") as segment:
                segment.seek(HEADER_BYTES + lane["position"] % victim["lane_lines"] * LINE_BYTES)
                segment.write((0x7777777777).to_bytes(8, "little"))
            view = self.wait_for(lambda view: view["totals"]["quarantined"] == 1, "a quarantined Lane")
        finally:
            self.bots.signal_group(signal.SIGCONT)
        reasons = {segment["name"]: segment["lanes"][0]["quarantine_reason"] for segment in view["segments"]}
        self.assertIn("sequence", reasons.pop(victim["name"]))
        self.assertEqual(set(reasons.values()), {None}, "all others go on")


if __name__ == "__main__":
    unittest.main(verbosity=2 if "-v" in sys.argv else 1)
