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


class Bench(unittest.TestCase):
    def test_names_every_wrong_option_at_once(self):
        done = script("bench", "--cpus", "first", "--what", "--out")
        self.assertEqual(2, done.returncode)
        for part in ("'first'", "'--what'", "--out wants a value"):
            self.assertIn(part, done.stderr)
        self.assertEqual("", done.stdout)

    def test_writes_a_page_that_stands_alone(self):
        lines = ['{"machine": "a <CPU>"}',
                 '{"row": "sample", "section": "publish", "samples": 2, "p50": 10, "p99": 12, "p999": 20, "tm": 10.5, '
                 '"ratio": 1.1, "curve": [[0, 9.0], [99, 12.0]]}',
                 '{"figure": "drain", "section": "drain", "value": 21.5, "unit": "M/s"}',
                 '{"figure": "trade", "column": "disabled", "section": "means", "value": 0.25, "unit": "ns"}',
                 '{"figure": "trade", "column": "<own>", "section": "means", "value": 9.125, "unit": "ns"}',
                 '{"note": "a & b: not installed", "section": "peers"}',
                 '{"gate": "sample tm", "value": 1.3, "relation": "<=", "limit": 1.25, "unit": "x", "passed": false}']
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "lines").write_text("\n".join(lines))
            subprocess.run(["python3", ROOT / "scripts/lib/bench_report.py", f"{directory}/lines", directory, "abc1234",
                            "./scripts/bench --quick"],
                           check=True, timeout=60)
            page = Path(directory, "bench.html").read_text()
        for part in ("a &lt;CPU&gt;", "abc1234", "./scripts/bench --quick", "<polyline", "21.50 M/s", "FAIL", "≤ 1.25 x",
                     "<th>disabled</th><th>&lt;own&gt;</th>", "<td>trade</td><td>0.25</td><td>9.12</td>",
                     "a &amp; b: not installed"):
            self.assertIn(part, page)
        for outside in ("http:", "https:", "<script", "<link", "src="):
            self.assertNotIn(outside, page)


if __name__ == "__main__":
    unittest.main(verbosity=2)
