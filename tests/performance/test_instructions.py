"""How many instructions a publish of each kind takes: exact, on any machine, however busy it is.

Callgrind counts a program that publishes N Records and one that publishes none; the difference is the
publishes' own. A bound is the count found, plus a tenth: whoever makes a publish longer sees it here, and
whoever makes it shorter lowers the bound. DDT_BUILD_TYPE says which compiler flags the count belongs to.
"""

import os
import re
import subprocess
import tempfile
import unittest

PROGRAM = os.path.join(os.environ["DDT_BIN_DIR"], "publish_loop")
RECORDS = 2000  # fit half of a Lane, two lines each

# Instructions per publish as found, its loop and the making of its struct included: g++ 12, x86-64.
FOUND = {
    "RelWithDebInfo": {"latency": 39, "metric": 39, "equity": 311, "position": 469, "rate_limit": 274, "health": 309,
                       "signal": 563, "order": 772, "trade": 679, "error": 358},
    "Release": {"latency": 39, "metric": 39, "equity": 230, "position": 317, "rate_limit": 191, "health": 243,
                "signal": 354, "order": 398, "trade": 436, "error": 270},
}


def instructions(kind, records):
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--vgdb=no", f"--callgrind-out-file={directory}/out", PROGRAM, kind, str(records)],
            capture_output=True, text=True, timeout=120, env={**os.environ, "TMPDIR": directory})
        if done.returncode != 0:
            raise AssertionError(f"{kind}: exit status {done.returncode}\n{done.stderr}")
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


class Instructions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.found = FOUND[os.environ["DDT_BUILD_TYPE"]]
        none = instructions("none", 0)
        cls.counted = {kind: (instructions(kind, RECORDS) - none) / RECORDS for kind in cls.found}

    def test_no_publish_is_a_tenth_longer_than_it_was(self):
        for kind, found in self.found.items():
            with self.subTest(kind=kind):
                self.assertLessEqual(self.counted[kind], found * 1.1,
                                     f"a publish of {kind} took {found} instructions and now takes {self.counted[kind]:.1f}")

    def test_every_publish_is_counted_whole(self):
        for kind, counted in self.counted.items():
            with self.subTest(kind=kind):
                self.assertGreater(counted, 20, "a publish cannot be this short: it was optimised away, or did nothing")


if __name__ == "__main__":
    unittest.main()
