#!/usr/bin/env python3
"""ddt-bench on the machine at hand: figures that can be, advice that follows from them, and wrong options."""
import json
import os
import pathlib
import subprocess
import unittest

TOOL = pathlib.Path(os.environ["DDT_BIN_DIR"], "ddt-bench")


def run(*arguments):
    return subprocess.run([TOOL, *arguments], capture_output=True, text=True, timeout=60, check=False)


class DdtBench(unittest.TestCase):
    def test_measures_this_machine(self):
        done = run("--json", "--seconds", "0.1")
        self.assertEqual(0, done.returncode, done.stderr)
        found = json.loads(done.stdout)
        self.assertGreater(found["cpus"], 1)
        for key in ("tsc_ghz", "rdtsc_ns", "clock_gettime_ns", "one_way_ns", "first_touch_ns", "touch_ns"):
            self.assertGreater(found[key], 0, key)
        self.assertGreaterEqual(found["sleep_without_slack_ns"], 50_000)
        self.assertGreaterEqual(found["sleep_default_ns"], 50_000)
        self.assertGreaterEqual(found["gap_max_ns"], found["gap_median_ns"])
        self.assertGreaterEqual(found["shm_bytes"], found["shm_free_bytes"])

    def test_advice_follows_from_the_figures(self):
        found = json.loads(run("--json", "--seconds", "0.1").stdout)
        advice = " ".join(found["advice"])
        self.assertEqual(not found["tsc_is_invariant"], "not invariant" in advice)
        self.assertEqual(found["one_way_ns"] > 120, "share no cache" in advice)
        self.assertEqual(found["sleep_default_ns"] > 1.5 * found["sleep_without_slack_ns"], "PR_SET_TIMERSLACK" in advice)
        self.assertEqual(found["shm_free_bytes"] // found["lane_bytes"] < 1000, "enlarge it" in advice)

    def test_text_names_every_figure_in_words(self):
        done = run("--seconds", "0.05", "--cpus", "1,0")
        self.assertEqual(0, done.returncode, done.stderr)
        for label in ("stamp: rdtsc", "a line to the other CPU", "interruptions over 1 µs", "/dev/shm"):
            self.assertIn(label, done.stdout)
        self.assertRegex(done.stdout, r"measured on CPUs\s+1,0")

    def test_wrong_options(self):
        for arguments in (["--cpus", "0"], ["--cpus", "0,0"], ["--cpus", "0,99999"], ["--seconds", "0"], ["--what"]):
            done = run(*arguments)
            self.assertEqual(2, done.returncode, arguments)
            self.assertNotEqual("", done.stderr + done.stdout)


if __name__ == "__main__":
    unittest.main()
