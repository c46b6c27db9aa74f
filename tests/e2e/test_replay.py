#!/usr/bin/env python3
"""Real bars at full speed through the whole path: what is stored and served is what was published."""
import os
import sys
import unittest

import harness
from harness import Stack

PROFILES = int(os.environ.get("DDT_E2E_PROFILES", "4"))


class Replay(unittest.TestCase):
    def test_stored_and_served_is_what_was_published(self):
        with Stack() as stack:
            replay = stack.start_replay(harness.bars("SPY_*.csv"), profiles=PROFILES, extra=["--keep-times"])
            stack.wait_until_stored(replay)
            stack.assert_ledger_is_clean(self)
            print(stack.compare(), file=sys.stderr)

    def test_windows_are_what_was_published(self):
        with Stack() as stack:
            replay = stack.start_replay(harness.bars("SPY_*.csv"), profiles=2)
            stack.wait_until_stored(replay)
            stack.wait_until_windows_are_written()
            print(stack.compare(windows=True), file=sys.stderr)

    def test_a_restart_at_rest_counts_nothing_again(self):
        with Stack() as stack:
            replay = stack.start_replay(harness.bars("SPY_20131004.csv"), profiles=2)
            stack.wait_until_stored(replay)
            before = stack.lanes()
            for _ in range(2):
                self.assertEqual(stack.sidecar.stop(), 0, stack.sidecar.log_tail())
                stack.forget(stack.sidecar)
                stack.redis_command("DEL", f"ddt:{{{harness.SIDECAR_ID}}}:status")
                stack.start_sidecar()
                harness.wait_until(lambda: stack.sidecar.must_run() and stack.sidecar_has_spoken(),
                                   harness.READY_TIMEOUT_S, "the sidecar again")
            self.assertEqual(stack.lanes(), before)
            stack.compare()


if __name__ == "__main__":
    unittest.main()
