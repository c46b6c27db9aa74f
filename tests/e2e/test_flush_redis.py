#!/usr/bin/env python3
"""Stores that forget in mid-replay: Redis flushed, Redis restarted empty, MariaDB killed. No difference."""
import os
import random
import signal
import sys
import time
import unittest

import harness
from harness import Stack, wait_until

FLUSHES = int(os.environ.get("DDT_E2E_FLUSHES", "6"))
PROFILES = int(os.environ.get("DDT_E2E_PROFILES", "8"))
BOTS_RUN_S = 0.02   # of each slice
HELD_S_MAX = 1.3    # a rollup commits every second


class ForgetfulStores(unittest.TestCase):
    def replay_with(self, trouble, times):
        """Replays the SPY bars, makes trouble in the middle of it, and wants everything as it was said."""
        dice = random.Random(os.environ.get("DDT_E2E_SEED", "1"))
        with Stack() as stack:
            replay = stack.start_replay(harness.bars("SPY_*.csv"), profiles=PROFILES)
            wait_until(lambda: stack.oracle.exists() and stack.oracle.stat().st_size > 0, 30, "the first publish",
                       poll_s=0.001)
            made_in_time = 0
            for _ in range(times):
                # The bots are held between troubles, so that the replay lasts; they publish during each.
                replay.signal_group(signal.SIGSTOP)
                time.sleep(dice.random() * HELD_S_MAX)  # before, while or after the sidecar commits
                replay.signal_group(signal.SIGCONT)
                time.sleep(BOTS_RUN_S)
                lanes = stack.lanes()
                made_in_time += replay.is_running() or not lanes or lanes["live_lanes"] > 0
                trouble(stack)
            replay.signal_group(signal.SIGCONT)
            self.assertEqual(made_in_time, times, "the replay was over before the last trouble")
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
