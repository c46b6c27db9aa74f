#!/usr/bin/env python3
"""SIGKILL of bots while they publish: their whole Records arrive, their Segments are retired.

A killed bot cannot say how far it came, but the simulation is deterministic: an undisturbed run first
writes down all that each bot would publish. What is stored of a killed bot must then be exactly a
beginning of that, as long as its Lanes have counted, and not shorter than what it wrote down itself.
With that beginning as the oracle nothing at all may differ.
"""
import json
import os
import random
import signal
import sys
import time
import unittest

import harness
from harness import Stack, wait_until

BOT_KILLS = int(os.environ.get("DDT_E2E_BOT_KILLS", "6"))
PROFILES = int(os.environ.get("DDT_E2E_PROFILES", "4"))


LINE_START = '{"kind":'


def by_bot(path, torn_max=0):
    """{(profile_id, script_name): its lines in publish order}

    A kill inside write() leaves a torn line, and the next bot's first line is glued to it.
    """
    bots, torn = {}, 0
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                torn += 1
                start = line.rfind(LINE_START)
                if start <= 0 or not line.endswith("\n"):
                    continue
                line = line[start:]
                record = json.loads(line)
            bots.setdefault((record["profile_id"], record["script_name"]), []).append(line)
    if torn > torn_max:
        raise AssertionError(f"{torn} torn lines in the oracle after {torn_max} kills")
    return bots


class KillBot(unittest.TestCase):
    def test_whole_records_arrive_and_the_segment_is_retired(self):
        dice = random.Random(os.environ.get("DDT_E2E_SEED", "1"))
        bars = harness.bars("SPY_*.csv")
        with Stack(with_api=False) as stack:
            replay = stack.start_replay(bars, profiles=PROFILES, extra=["--keep-times"])
            stack.wait_until_stored(replay)
            undisturbed = by_bot(stack.oracle)
        with Stack() as stack:
            replay = stack.start_replay(bars, profiles=PROFILES, extra=["--keep-times"])
            killed = self.kill_some_bots(stack, replay, dice)
            self.assertGreater(len(killed), BOT_KILLS // 2, "too few bots were still publishing")
            # The replay calls it a failure that its bots died; the other bots must end by themselves.
            wait_until(lambda: not replay.is_running(), harness.STORED_TIMEOUT_S, "the other bots to end")
            wait_until(lambda: self.all_is_retired(stack), harness.STORED_TIMEOUT_S,
                       lambda: f"retirement: {stack.lanes()} {stack.segments()}\n{stack.sidecar.log_tail()}", 0.1)
            self.check_tombstones(stack, killed)
            cut = self.write_what_was_published(stack, undisturbed, killed)
            output = stack.compare()
            stack.assert_ledger_is_clean(self)
            print(f"{len(killed)} bots killed, after {cut} Records; {output}", file=sys.stderr)

    def kill_some_bots(self, stack, replay, dice):
        """The names of the Segments whose bots were killed while they had more to say."""
        killed = []
        deadline = time.monotonic() + 60
        while len(killed) < BOT_KILLS and replay.is_running() and time.monotonic() < deadline:
            mapped = [(pid, harness.segment_of(pid, stack.telemetry_dir)) for pid in harness.descendants(replay.pid)]
            mapped = [(pid, segment) for pid, segment in mapped if segment and segment not in killed]
            if not mapped:
                time.sleep(0.002)
                continue
            pid, segment = dice.choice(mapped)
            time.sleep(dice.random() * 0.05)
            if harness.segment_of(pid, stack.telemetry_dir) == segment:
                os.kill(pid, signal.SIGKILL)
                killed.append(segment)
        return killed

    @staticmethod
    def all_is_retired(stack):
        stack.sidecar.must_run()
        lanes = stack.lanes()
        return lanes and lanes["lanes"] and not lanes["live_lanes"] and not stack.segments()

    def check_tombstones(self, stack, killed):
        rows = stack.mysql().rows("dd_lane_positions", {"segment_name": "t", "retired_at": "d"})
        names = [row["segment_name"] for row in rows]
        for segment in killed:
            self.assertIn(segment, names, "no tombstone")
            self.assertFalse((stack.telemetry_dir / segment).exists(), segment)
        self.assertTrue(all(row["retired_at"] for row in rows), rows)

    def write_what_was_published(self, stack, undisturbed, killed):
        """Replaces the oracle by the beginnings that the Lanes counted. Returns how long those of the killed are."""
        rows = stack.mysql().rows("dd_lane_positions", {"segment_name": "t", "profile_id": "n", "script_name": "t",
                                                        "produced": "n"})
        wrote_down, published, cut = by_bot(stack.oracle, len(killed)), [], []
        self.assertEqual(len(rows), len(undisturbed), "a Segment of one Lane for each bot")
        for row in rows:
            bot, produced = (int(row["profile_id"]), row["script_name"]), int(row["produced"])
            mine = wrote_down.get(bot, [])
            self.assertEqual(mine, undisturbed[bot][:len(mine)], f"{bot} did not repeat itself")
            self.assertGreaterEqual(produced, len(mine), f"{bot} wrote down more than was stored")
            self.assertLessEqual(produced, len(undisturbed[bot]), bot)
            if row["segment_name"] in killed:
                cut.append(produced)
            else:
                self.assertEqual(produced, len(undisturbed[bot]), f"{bot} was not killed")
            published += undisturbed[bot][:produced]
        stack.oracle.write_text("".join(published), encoding="utf-8")
        return cut


if __name__ == "__main__":
    unittest.main()
