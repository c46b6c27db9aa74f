"""The whole demo with the real binaries: --exit stores everything, Ctrl-C stops in order, old data is picked up."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

ROOT = Path(os.environ.get("DDT_SOURCE_DIR", Path(__file__).parents[2]))
TERMS = ("produced", "stored", "dropped", "rejected", "lost", "in_flight", "residual")
NAMES = ("replay", "sidecar", "api", "redis", "mariadb")
PATIENCE_S = 300


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def working_in(directory):
    """Processes whose working directory is the given one or below."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            where = os.readlink(f"/proc/{entry}/cwd") if entry.isdigit() else ""
        except OSError:
            continue  # It has ended meanwhile.
        if where == directory or where.startswith(directory + "/"):
            found.append(int(entry))
    return found


class Run(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)
        # Longer than a socket's path may be: the scripts must not depend on it.
        self.data = os.path.join(os.path.realpath(self.place.name), "d" * 110)
        self.port, self.ws_port = free_ports(2)
        name = hashlib.sha256(self.data.encode()).hexdigest()[:12]
        self.telemetry_dir = Path(f"/dev/shm/ddt-{name}")
        self.addCleanup(self.leave_nothing)

    def leave_nothing(self):
        for process in working_in(self.data):
            os.kill(process, signal.SIGKILL)
        subprocess.run(["rm", "-rf", self.telemetry_dir], check=True)

    def start(self, *arguments):
        process = subprocess.Popen(
            [ROOT / "scripts" / "run", "--no-install", "--data", self.data, "--port", self.port, "--ws-port",
             self.ws_port, "--profiles", "2", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "DDT_BIN_DIR": os.environ["DDT_BIN_DIR"]})
        self.addCleanup(process.stdout.close)
        return process

    def finish(self, process):
        output, _ = process.communicate(timeout=PATIENCE_S)
        return process.returncode, output

    def read_until(self, process, part):
        output = ""
        for line in process.stdout:
            output += line
            if part in line:
                return output
        self.fail(f"the script ended without '{part}':\n{output}")

    def ledger(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/health/system", timeout=10) as reply:
            return json.load(reply)["ledger"]

    def ledger_in(self, output):
        """The ledger that --exit printed."""
        lines = output.split("\nledger\n", 1)[1].splitlines()
        ledger = {term: int(value) for term, value in (line.split() for line in lines[:len(TERMS)])}
        self.assertEqual(set(TERMS), set(ledger))
        return ledger

    def assert_nothing_is_left(self):
        self.assertEqual([], working_in(self.data))
        self.assertFalse(self.telemetry_dir.exists())

    def test_exit_stores_everything_and_a_second_run_goes_on(self):
        oracle = Path(self.place.name, "oracle.jsonl")
        stored = 0
        for _ in range(2):
            status, output = self.finish(self.start("--exit", "--speed", "max", "--oracle", str(oracle)))
            self.assertEqual(0, status, output)
            ledger = self.ledger_in(output)
            said = oracle.read_text(encoding="utf-8").count("\n")
            self.assertEqual(said, ledger["produced"])
            self.assertEqual(said, ledger["stored"])
            self.assertGreater(ledger["stored"], stored)
            stored = ledger["stored"]
            self.assertEqual(0, sum(ledger[term] for term in TERMS if term not in ("produced", "stored")))
            self.assert_nothing_is_left()

    def test_ctrl_c_stops_in_order_and_leaves_nothing(self):
        process = self.start()
        output = self.read_until(process, "Ctrl-C")
        self.assertIn(f"http://127.0.0.1:{self.port}/", output)
        self.assertGreaterEqual(self.ledger()["produced"], 0)
        process.send_signal(signal.SIGINT)
        status, output = self.finish(process)
        self.assertEqual(0, status, output)
        stops = [line.split()[-1] for line in output.splitlines() if line.startswith("stopping ")]
        self.assertEqual(list(NAMES), stops)
        self.assert_nothing_is_left()

    def test_a_killed_run_is_cleared_away_and_its_records_stored(self):
        process = self.start()
        self.read_until(process, "Ctrl-C")
        deadline = time.monotonic() + PATIENCE_S
        while self.ledger()["produced"] == 0 and time.monotonic() < deadline:
            time.sleep(0.1)
        process.kill()
        process.wait()
        # One sidecar was killed with it, as by a crash of the machine's owner; the rest runs on unwatched.
        os.kill(int(Path(self.data, "run", "sidecar.pid").read_text()), signal.SIGKILL)
        status, output = self.finish(self.start("--exit", "--speed", "max"))
        self.assertEqual(0, status, output)
        self.assertIn("which an earlier run left behind", output)
        self.assertGreater(self.ledger_in(output)["stored"], 0)
        self.assert_nothing_is_left()


if __name__ == "__main__":
    unittest.main(verbosity=2)
