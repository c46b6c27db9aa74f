"""A second sidecar on the same telemetry directory refuses, says why, and leaves the first one alone."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

BIN_DIR = Path(os.environ.get("DDT_BIN_DIR", Path(__file__).parents[2] / "build" / "dev" / "bin"))
START_TIMEOUT_S = 60


class SecondSidecar(unittest.TestCase):
    def setUp(self):
        self.telemetry = tempfile.mkdtemp(prefix="ddt-test-", dir="/dev/shm")
        self.logs = Path(tempfile.mkdtemp(prefix="ddt-test-"))
        self.addCleanup(shutil.rmtree, self.telemetry, ignore_errors=True)
        self.addCleanup(shutil.rmtree, self.logs, ignore_errors=True)
        self.started = 0

    def start(self, directory=None):
        """A sidecar whose stores are never there: it waits for them, and serves its directory meanwhile."""
        self.started += 1
        log = self.logs / f"{self.started}.log"
        settings = [f"telemetry.dir={directory or self.telemetry}", "redis.port=1", "mysql.host=127.0.0.1",
                    "mysql.port=1"]
        command = [str(BIN_DIR / "ddt-sidecar")]
        for setting in settings:
            command += ["--set", setting]
        with open(log, "wb") as output:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.addCleanup(self.end, child)
        return child, log

    @staticmethod
    def end(child):
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        child.wait()

    def wait_until_it_serves(self, child, log):
        """It has the lock as soon as it waits for MySQL."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while "waiting for MySQL" not in log.read_text():
            self.assertIsNone(child.poll(), log.read_text())
            self.assertLess(time.monotonic(), deadline, log.read_text())
            time.sleep(0.02)

    def test_on_the_same_directory_refuses_by_name_with_status_2(self):
        first, first_log = self.start()
        self.wait_until_it_serves(first, first_log)
        second, second_log = self.start()
        self.assertEqual(2, second.wait(START_TIMEOUT_S), second_log.read_text())
        self.assertIn(f"another sidecar serves {self.telemetry}", second_log.read_text())
        self.assertIsNone(first.poll(), "the first one goes on")

    def test_on_another_directory_serves(self):
        first, first_log = self.start()
        self.wait_until_it_serves(first, first_log)
        elsewhere = tempfile.mkdtemp(prefix="ddt-test-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, elsewhere, ignore_errors=True)
        second, second_log = self.start(elsewhere)
        self.wait_until_it_serves(second, second_log)

    def test_takes_over_from_one_that_was_killed_or_only_once_a_stopped_one_is(self):
        first, first_log = self.start()
        self.wait_until_it_serves(first, first_log)
        first.send_signal(signal.SIGSTOP)
        second, second_log = self.start()
        self.assertEqual(2, second.wait(START_TIMEOUT_S), "a stopped one still has its directory")
        self.end(first)
        third, third_log = self.start()
        self.wait_until_it_serves(third, third_log)


if __name__ == "__main__":
    unittest.main(verbosity=2)
