#!/usr/bin/env python3
"""SIGKILL of the sidecar, twenty times between the first publish and the last commit: nothing is lost,
nothing is counted twice.

The bots are stopped and continued in slices, so that the replay cannot be over before the last kill. At
each kill the sidecar is first stopped, so that "not everything is committed yet" is seen and not guessed:
the oracle then holds more Records than MySQL has counted, or bots have not ended.
"""
import os
import random
import signal
import sys
import time
import unittest

import harness
from harness import Failed, Stack, wait_until

KILLS = int(os.environ.get("DDT_E2E_KILLS", "20"))
PROFILES = int(os.environ.get("DDT_E2E_PROFILES", "16"))
PROGRESS_TIMEOUT_S = 60
BOTS_RUN_S = 0.003   # of each slice: twenty kills must find bots that still have something to say
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


class KillSidecar(unittest.TestCase):
    def test_twenty_kills_lose_nothing_and_count_nothing_twice(self):
        dice = random.Random(os.environ.get("DDT_E2E_SEED", "1"))
        with Stack() as stack:
            replay = stack.start_replay(harness.bars("SPY_*.csv"), profiles=PROFILES)
            wait_until(lambda: published(stack) > 0, 30, "the first publish", poll_s=0.001)
            replay.signal_group(signal.SIGSTOP)
            kills_while_pending = commits_seen = 0
            try:
                for kill in range(KILLS):
                    before = stored(stack)
                    self.let_it_work(stack, replay, dice, before)
                    stack.sidecar.signal_group(signal.SIGSTOP)
                    replay.signal_group(signal.SIGSTOP)
                    after, said = stored(stack), published(stack)
                    commits_seen += after > before
                    self.assertTrue(said > after or replay.is_running(),
                                    f"kill {kill + 1}: all of {said} Records are committed already")
                    kills_while_pending += 1
                    stack.kill_sidecar()
                    stack.start_sidecar()
            finally:
                replay.signal_group(signal.SIGCONT)
            self.assertEqual(kills_while_pending, KILLS)
            self.assertGreater(commits_seen, KILLS // 2, "kills between commits prove little")
            stack.wait_until_stored(replay)
            stack.assert_ledger_is_clean(self)
            print(f"{kills_while_pending} kills, commits before {commits_seen} of them; {stack.compare()}",
                  file=sys.stderr)

    def let_it_work(self, stack, replay, dice, before):
        """Until this sidecar has committed something (three times of four) and a random while more; the bots
        publish for a moment at its start and for a moment right before the kill."""
        self.let_bots_publish(replay)
        deadline = time.monotonic() + PROGRESS_TIMEOUT_S
        wants_commit, next_slice = dice.random() < 0.75, time.monotonic() + 2
        while wants_commit and stored(stack) <= before:
            stack.sidecar.must_run()
            if time.monotonic() > deadline:
                raise Failed(f"no commit within {PROGRESS_TIMEOUT_S} s: {stack.lanes()}\n{stack.sidecar.log_tail()}")
            if time.monotonic() > next_slice:
                self.let_bots_publish(replay)
                next_slice += 2
            time.sleep(0.01)
        time.sleep(dice.random() * AT_WORK_S_MAX)
        self.let_bots_publish(replay, stop=False)

    @staticmethod
    def let_bots_publish(replay, stop=True):
        if replay.is_running():
            replay.signal_group(signal.SIGCONT)
            time.sleep(BOTS_RUN_S)
            if stop:
                replay.signal_group(signal.SIGSTOP)


if __name__ == "__main__":
    unittest.main()
