"""What the two commands say about wrong options: everything at once, exit status 2, nothing done."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(os.environ.get("DDT_SOURCE_DIR", Path(__file__).parents[2]))


def script(name, *arguments, cwd=None):
    return subprocess.run([ROOT / "scripts" / name, *arguments], cwd=cwd, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)


class Run(unittest.TestCase):
    def test_names_every_wrong_option_at_once(self):
        with tempfile.TemporaryDirectory() as directory:
            done = script("run", "--profiles", "0", "--speed", "fast", "--bars", "none.csv", "--port", "70000",
                          "--ws-port=x", "--oracle", "missing/oracle.jsonl", "--what", "stray", "--data", cwd=directory)
            self.assertEqual(2, done.returncode, done.stderr)
            for part in ("--profiles", "'0'", "--speed", "'fast'", "none.csv", "--port", "'70000'", "--ws-port", "'x'",
                         "missing/oracle.jsonl", "'--what'", "'stray'", "--data wants a value"):
                self.assertIn(part, done.stderr)
            self.assertEqual("", done.stdout)
            self.assertEqual([], os.listdir(directory))

    def test_wants_bars_that_can_be_read_and_two_different_ports(self):
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "empty.csv").touch()
            done = script("run", "--bars", "empty.csv", "/", "--port", "9000", "--ws-port", "9000", cwd=directory)
            self.assertEqual(2, done.returncode)
            self.assertIn("empty.csv", done.stderr)
            self.assertIn("'/'", done.stderr)
            self.assertIn("two different numbers", done.stderr)

    def test_wants_a_data_directory_it_can_make(self):
        with tempfile.NamedTemporaryFile() as file:
            done = script("run", "--data", file.name + "/here")
            self.assertEqual(2, done.returncode)
            self.assertIn(file.name + "/here", done.stderr)

    def test_explains_itself(self):
        done = script("run", "--help")
        self.assertEqual(0, done.returncode)
        for option in ("--bars", "--profiles", "--speed", "--exit", "--keep-times", "--oracle", "--data", "--port",
                       "--ws-port", "--no-install"):
            self.assertIn(option, done.stdout)


class Test(unittest.TestCase):
    def test_names_every_wrong_option_at_once(self):
        done = script("test", "--preset", "fast", "--what", "-R")
        self.assertEqual(2, done.returncode)
        for part in ("'fast'", "'--what'", "-R wants a value"):
            self.assertIn(part, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
