#!/usr/bin/env python3
"""Stores that forget in mid-replay: Redis flushed, Redis restarted empty, MariaDB killed. No difference."""
import os
import random
import signal
import sys
import threading
import time
import unittest

import harness
from harness import Stack, wait_until

FLUSHES = int(os.environ.get("DDT_E2E_FLUSHES", "6"))
PROFILES = int(os.environ.get("DDT_E2E_PROFILES", "8"))
SLICE_RUN_S = 0.005  # the bots run so long,
SLICE_HELD_S = 0.4   # and are held so long, over and over: a replay outlasts any trouble
HELD_S_MAX = 1.3     # a rollup commits every second


class SlowBots:
    """with SlowBots(replay): … — the bots of a replay publish a little at a time, until the block ends."""

    def __init__(self, replay):
        self.replay, self.over = replay, threading.Event()
        self.slices = threading.Thread(target=self.run_in_slices)

    def run_in_slices(self):
        while not self.over.is_set():
            self.replay.signal_group(signal.SIGCONT)
            time.sleep(SLICE_RUN_S)
            self.replay.signal_group(signal.SIGSTOP)
            self.over.wait(SLICE_HELD_S)

    def __enter__(self):
        self.slices.start()

    def __exit__(self, *_):
        self.over.set()
        self.slices.join()
        self.replay.signal_group(signal.SIGCONT)


class ForgetfulStores(unittest.TestCase):
    def replay_with(self, trouble, times):
        """Replays the SPY bars, makes trouble in the middle of it, and wants everything as it was said."""
        dice = random.Random(os.environ.get("DDT_E2E_SEED", "1"))
        with Stack() as stack:
            replay = stack.start_replay(harness.bars("SPY_*.csv"), profiles=PROFILES)
            wait_until(lambda: stack.oracle.exists() and stack.oracle.stat().st_size > 0, 30, "the first publish",
                       poll_s=0.001)
            with SlowBots(replay):
                for _ in range(times):
                    time.sleep(dice.random() * HELD_S_MAX)  # before, while or after the sidecar commits
                    trouble(stack)
                    self.assertTrue(replay.is_running(), "the replay was over before the last trouble")
            stack.wait_until_stored(replay)
            stack.assert_ledger_is_clean(self)
            print(f"{times} times: {stack.compare()}", file=sys.stderr)

    def test_flushall(self):
        self.replay_with(lambda stack: stack.redis_command("FLUSHALL"), FLUSHES)

    def test_redis_restarted_empty(self):
        self.replay_with(lambda stack: stack.wipe_redis_and_restart(), 3)

    def test_mariadb_killed(self):
        self.replay_with(lambda stack: stack.kill_mariadb_and_restart(away_s=0.5), 2)

    def test_an_acknowledgement_ends_with_the_redis_that_gave_it(self):
        """Redis acknowledges, forgets, and then MySQL is silent so long that Redis's word counts: the word of the
        Redis that is there now, not of the one that has forgotten."""
        with Stack() as stack:
            replay = stack.start_replay(harness.bars("SPY_*.csv"), profiles=PROFILES)
            wait_until(lambda: stack.oracle.exists() and stack.oracle.stat().st_size > 0, 30, "the first publish",
                       poll_s=0.001)
            stack.mariadb.signal_group(signal.SIGSTOP)
            time.sleep(0.5)  # appended and acknowledged, not committed
            stack.redis_command("FLUSHALL")
            time.sleep(4)
            stack.mariadb.signal_group(signal.SIGCONT)
            stack.wait_until_stored(replay)
            stack.assert_ledger_is_clean(self)
            print(stack.compare(), file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
