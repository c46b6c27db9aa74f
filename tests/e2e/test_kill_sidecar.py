#!/usr/bin/env python3
"""SIGKILL of the sidecar, twenty times between the first publish and the last commit: nothing is lost,
nothing is counted twice.

Most bots are held back with SIGSTOP and let go a few before each kill, so that every sidecar has bots that
publish while it is killed, and the last kill comes before the last commit on any machine. At each kill the
sidecar is first stopped, so that "not everything is committed yet" is seen and not guessed.
"""
import contextlib
import os
import random
import signal
import sys
import time
import unittest

import harness
from harness import Failed, Stack, wait_until

KILLS = int(os.environ.get("DDT_E2E_KILLS", "20"))
PROFILES = int(os.environ.get("DDT_E2E_PROFILES", "8"))
LANE_LINES = 512
PROGRESS_TIMEOUT_S = 60
AT_WORK_S_MAX = 0.5  # how long a sidecar works before it is killed, beyond the first sign of progress


def stored(stack):
    lanes = stack.lanes()
    return sum(lanes[name] for name in ("stored_samples", "stored_states", "stored_facts")) if lanes else 0


def published(stack):
    """Whole lines of the oracle: a lower bound of what the bots have published."""
    try:
        with open(stack.oracle, "rb") as lines:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: lines.read(1 << 20), b""))
    except FileNotFoundError:
        return 0


class HeldBots:
    """The bots of a replay, stopped as they appear, to be let go one after the other."""

    def __init__(self, replay, count):
        self.pids = []
        wait_until(lambda: self.hold_new(replay) or len(self.pids) >= count or not replay.is_running(), 30,
                   lambda: f"{count} bots, saw {len(self.pids)}", poll_s=0.0005)

    def hold_new(self, replay):
        for pid in harness.descendants(replay.pid):
            if pid not in self.pids:
                self.pids.append(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)

    def let_go(self, count):
        """As many as make `count` in all."""
        for pid in self.pids[:count]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


class KillSidecar(unittest.TestCase):
    def test_twenty_kills_lose_nothing_and_count_nothing_twice(self):
        dice = random.Random(os.environ.get("DDT_E2E_SEED", "1"))
        with Stack() as stack:
            replay = stack.start_replay(harness.bars("SPY_*.csv"), profiles=PROFILES,
                                        extra=["--lane-lines", LANE_LINES])
            bots = HeldBots(replay, 3 * PROFILES + 1)
            kills_while_pending = commits_seen = 0
            for kill in range(KILLS):
                before = stored(stack)
                bots.let_go(1 + len(bots.pids) * kill // KILLS)
                self.let_it_work(stack, dice, before)
                stack.sidecar.signal_group(signal.SIGSTOP)
                after, said = stored(stack), published(stack)
                commits_seen += after > before
                self.assertGreater(said, 0, "nothing was published yet")
                self.assertTrue(said > after or replay.is_running(),
                                f"kill {kill + 1}: all of {said} Records are committed already")
                kills_while_pending += 1
                stack.kill_sidecar()
                stack.start_sidecar()
            bots.let_go(len(bots.pids))
            self.assertEqual(kills_while_pending, KILLS)
            self.assertGreater(commits_seen, KILLS // 3, "kills between commits prove little")
            stack.wait_until_stored(replay)
            stack.assert_ledger_is_clean(self)
            print(f"{kills_while_pending} kills, commits before {commits_seen} of them; {stack.compare()}",
                  file=sys.stderr)

    def let_it_work(self, stack, dice, before):
        """Until this sidecar has committed something (three times of four) and a random while more."""
        deadline = time.monotonic() + PROGRESS_TIMEOUT_S
        wants_commit = dice.random() < 0.75
        while wants_commit and stored(stack) <= before:
            stack.sidecar.must_run()
            if time.monotonic() > deadline:
                raise Failed(f"no commit within {PROGRESS_TIMEOUT_S} s: {stack.lanes()}\n{stack.sidecar.log_tail()}")
            time.sleep(0.01)
        time.sleep(dice.random() * AT_WORK_S_MAX)


if __name__ == "__main__":
    unittest.main()
