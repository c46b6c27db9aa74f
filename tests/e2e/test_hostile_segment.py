#!/usr/bin/env python3
"""One bot's Segment lies and shrinks while others publish: the whole path goes on, and says whose it is.

The hostile bot is made by hand, byte by byte (docs/formats/segment.md): its script's name is 63 bytes that no
column takes, its one Record is good, and then its file is cut under the sidecar.
"""
import fcntl
import os
import secrets
import struct
import sys
import time
import unittest

import harness
from harness import Stack, wait_until

PROFILE = 9_999
LANE_LINES = 128
HEADER_BYTES, NAMES_AT, LANES_AT = 0x20000, 0x1000, 0x9000
MAGIC = b"\0DDTSEG1"
CLOCK_MONOTONIC, LATENCY = 1, 9


class HostileBot:
    def __init__(self, directory, script):
        segment_id = secrets.token_bytes(16)
        self.name = "seg-" + segment_id.hex()
        self.path = directory / self.name
        temporary = directory / ("tmp-" + segment_id.hex())
        self.file = open(temporary, "w+b", buffering=0)
        # An open-file-description lock on all of it: its owner lives.
        fcntl.fcntl(self.file, fcntl.F_OFD_SETLK, struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        self.file.truncate(HEADER_BYTES + 256 * LANE_LINES * 64)
        now = time.monotonic_ns()
        names = [b"", script]
        self._write(8, struct.pack("<II16sIIiIqH6xIIII", 1, LANE_LINES, segment_id, os.getpid(), os.getuid(), PROFILE,
                                   CLOCK_MONOTONIC, time.time_ns(), 1, len(names), 1, 1, 0))
        self._write(80, struct.pack("<QqQ", now, time.time_ns(), 0))
        for index, name in enumerate(names):
            self._write(NAMES_AT + 64 * index, bytes([len(name)]) + name)
        self._write(LANES_AT + 64, struct.pack("<I", 1))
        payload = struct.pack("<qHH12x", 1_000_000, 0, 200)
        self._write(HEADER_BYTES, struct.pack("<QQQQBBHi", 1, 0, 0, now, LATENCY, 0, 1, PROFILE) + payload)
        self._write(0, MAGIC)
        os.link(temporary, self.path)
        temporary.unlink()

    def _write(self, offset, data):
        os.pwrite(self.file.fileno(), data, offset)

    def cut(self, size):
        self.file.truncate(size)

    def die(self):
        self.file.close()


class HostileSegment(unittest.TestCase):
    def test_costs_nobody_anything(self):
        with Stack() as stack:
            bot = HostileBot(stack.telemetry_dir, b"\xff" * 62 + b"\x01")
            self.addCleanup(bot.die)
            replay = stack.start_replay(harness.bars("SPY_*.csv"), profiles=1)
            stored = f"SELECT COALESCE(SUM(stored_samples), 0) FROM dd_lane_positions WHERE profile_id = {PROFILE};"
            wait_until(lambda: stack.sidecar.must_run() and stack.sql_number(stored) == 1, harness.STORED_TIMEOUT_S,
                       lambda: f"its good Record in MySQL\n{stack.sidecar.log_tail()}", 0.1)
            bot.cut(4_096)
            said = wait_until(lambda: stack.sidecar.must_run() and self.quarantines(stack), 30,
                              lambda: f"its quarantine in /health\n{stack.sidecar.log_tail()}", 0.1)
            self.assertEqual([one["segment"] for one in said], [bot.name])
            self.assertIn("truncated", said[0]["reason"])
            self.assertEqual(said[0]["script_name"], "?" * 50)
            bot.die()
            stack.wait_until_stored(replay)  # retired as all others, and the file is gone
            self.assertFalse(bot.path.exists())
            ledger = stack.ledger()
            published = harness.recompute.Oracle.from_file(stack.oracle).raw_lines
            self.assertEqual(ledger["stored"], published + 1, ledger)
            self.assertEqual(ledger["residual"], 0, ledger)
            self.assertEqual(ledger["lost"], 0, ledger)
            print(f"{published} honest Records; the other Segment: {said[0]['reason']}", file=sys.stderr)

    @staticmethod
    def quarantines(stack):
        statuses = stack.get_json("/api/v1/health/system")["sidecar"]["status"]
        return [one for status in statuses.values() for one in status["quarantines"]]


if __name__ == "__main__":
    unittest.main()
