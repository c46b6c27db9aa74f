#!/usr/bin/env python3
"""Stores that forget in mid-replay: Redis flushed, Redis restarted empty, MariaDB killed. No difference."""
import os
import sys
import time
import unittest

import harness
from harness import Stack, wait_until

FLUSHES = int(os.environ.get("DDT_E2E_FLUSHES", "6"))
PROFILES = int(os.environ.get("DDT_E2E_PROFILES", "4"))


class ForgetfulStores(unittest.TestCase):
    def replay_with(self, trouble, times, pause_s):
        """Replays the SPY bars, makes trouble in the middle of it, and wants everything as it was said."""
        with Stack() as stack:
            replay = stack.start_replay(harness.bars("SPY_*.csv"), profiles=PROFILES)
            wait_until(lambda: stack.oracle.exists() and stack.oracle.stat().st_size > 0, 30, "the first publish")
            made_in_time = 0
            for _ in range(times):
                # Slices: the bots wait while the trouble is prepared, so that it comes in the middle.
                replay.signal_group(harness.signal.SIGCONT)
                time.sleep(pause_s)
                replay.signal_group(harness.signal.SIGSTOP)
                lanes = stack.lanes()
                made_in_time += replay.is_running() or not lanes or lanes["live_lanes"] > 0
                trouble(stack)
            replay.signal_group(harness.signal.SIGCONT)
            self.assertEqual(made_in_time, times, "the replay was over before the last trouble")
            stack.wait_until_stored(replay)
            stack.assert_ledger_is_clean(self)
            print(f"{times} times: {stack.compare()}", file=sys.stderr)

    def test_flushall(self):
        self.replay_with(lambda stack: stack.redis_command("FLUSHALL"), FLUSHES, 0.06)

    def test_redis_restarted_empty(self):
        self.replay_with(lambda stack: stack.wipe_redis_and_restart(), 2, 0.1)

    def test_mariadb_killed(self):
        self.replay_with(lambda stack: stack.kill_mariadb_and_restart(away_s=1.0), 2, 0.1)


if __name__ == "__main__":
    unittest.main()
