#!/usr/bin/env python3
"""ddt-top as its users start it: once, live in a terminal, beside bots that die, without permission."""
import contextlib
import ctypes
import fcntl
import json
import os
import pathlib
import pty
import pwd
import random
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import unittest

SOURCE_DIR = pathlib.Path(os.environ.get("DDT_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BIN_DIR = pathlib.Path(os.environ.get("DDT_BIN_DIR", SOURCE_DIR / "build" / "dev" / "bin"))
TOP = str(BIN_DIR / "ddt-top")
TIMEOUT_S = float(os.environ.get("DDT_TOP_TIMEOUT_S", "30"))
PROFILES = 2
BOTS = 3 * PROFILES + 1
LIBC = ctypes.CDLL(None)
ENVIRONMENT = {**{name: value for name, value in os.environ.items() if not name.startswith("DDT_")},
               "TERM": "xterm", "LC_ALL": "C"}
ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"


def dies_with_parent():
    LIBC.prctl(1, signal.SIGKILL, 0, 0, 0)


def wait_until(condition, what):
    deadline = time.monotonic() + TIMEOUT_S
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {TIMEOUT_S} s: {what() if callable(what) else what}")
        time.sleep(0.02)
    return value


class Bots:
    """ddt-replay in a directory of its own under /dev/shm; killed and removed at the end."""

    def __init__(self, test, started=True):
        self.directory = pathlib.Path(f"/dev/shm/ddt-test-{random.SystemRandom().getrandbits(64):016x}")
        self.directory.mkdir(mode=0o700)
        test.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.replay = None
        if not started:
            return
        self.replay = subprocess.Popen(
            [BIN_DIR / "ddt-replay", "--profiles", str(PROFILES), "--days", "2", "--speed", "60", "--dir", self.directory],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, preexec_fn=dies_with_parent,
            env=ENVIRONMENT)
        test.addCleanup(self.kill)
        wait_until(self.have_spoken, "bots that publish")

    def have_spoken(self):
        view = json.loads(top("--json", "--interval", "0.1", directory=self.directory).stdout)
        return view["totals"]["lanes"] == BOTS and all(
            lane["position"] > 50 for segment in view["segments"] for lane in segment["lanes"])

    def signal(self, number):
        os.killpg(self.replay.pid, number)

    def kill(self):
        if self.replay.poll() is None:
            self.signal(signal.SIGKILL)
        self.replay.wait()

    def segments(self):
        return sorted(path.name for path in self.directory.glob("seg-*"))


def top(*arguments, directory=None, environment=None, **more):
    command = [TOP, "--no-redis", *arguments]
    if directory:
        command += ["--directory", str(directory)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL,
                          env={**ENVIRONMENT, **(environment or {})}, **more)


class Once(unittest.TestCase):
    def test_shows_every_lane_of_living_bots(self):
        bots = Bots(self)
        done = top("--once", "--interval", "0.2", directory=bots.directory)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        rows = [line.split() for line in done.stdout.splitlines() if " alive " in line and "Segments" not in line]
        self.assertEqual(len(rows), BOTS, done.stdout)
        self.assertEqual({row[1] for row in rows},
                         {"breakout_detector", "profile_listener", "order_monitor", "equity_monitor"})
        self.assertNotIn("\x1b", done.stdout, "no colours in a pipe")

    def test_without_a_terminal_is_what_is_shown_without_an_option(self):
        bots = Bots(self, started=False)
        done = top("--interval", "0.1", directory=bots.directory)
        self.assertEqual(done.returncode, 0)
        self.assertIn("no Segments", done.stdout)

    def test_json_says_who_and_how_much(self):
        bots = Bots(self)
        view = json.loads(top("--json", "--interval", "0.5", directory=bots.directory).stdout)
        self.assertEqual([segment["name"] for segment in view["segments"]], bots.segments())
        self.assertEqual(view["totals"]["alive"], BOTS)
        self.assertFalse(view["sidecar"]["asked"])
        for segment in view["segments"]:
            self.assertEqual(segment["owner"]["uid"], os.geteuid())
            self.assertEqual(segment["owner"]["user"], pwd.getpwuid(os.geteuid()).pw_name)
            maps = pathlib.Path(f"/proc/{segment['owner']['pid']}/maps").read_text()
            self.assertIn(segment["name"], maps, "the pid is the bot's")
            for lane in segment["lanes"]:
                self.assertEqual(lane["held_lines"], lane["position"], "nobody releases anything")
                self.assertGreater(lane["produced"], 0)
                self.assertIsNotNone(lane["records_per_s"])
                self.assertIsNone(lane["committed"])

    def test_knows_the_killed_from_the_stuck(self):
        bots = Bots(self)
        bots.signal(signal.SIGSTOP)
        before = json.loads(top("--json", "--interval", "0.2", directory=bots.directory).stdout)
        self.assertEqual(before["totals"]["alive"], BOTS, "stuck is alive")
        self.assertEqual(before["totals"]["records_per_s"], 0)
        bots.kill()
        after = json.loads(top("--json", "--interval", "0.1", directory=bots.directory).stdout)
        self.assertEqual(after["totals"]["gone"], BOTS)
        self.assertEqual(after["totals"]["held_lines"], before["totals"]["held_lines"])

    def test_of_a_directory_that_is_not_there_is_an_error(self):
        for option in ("--once", "--json"):
            done = top(option, directory="/dev/shm/ddt-test-nothing-here")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("No such file", done.stderr)

    def test_without_permission_says_so(self):
        bots = Bots(self)
        me = os.geteuid()
        nobody = dict(user=65534, group=65534, extra_groups=[]) if me == 0 else {}
        if me != 0:
            os.chmod(bots.directory, 0)
        done = top("--once", directory=bots.directory, **nobody)
        self.assertEqual((done.returncode, done.stdout), (1, ""), "the directory cannot be listed")
        self.assertIn("Permission denied", done.stderr)
        # It can be listed, and one Segment cannot be opened: all others are shown.
        os.chmod(bots.directory, 0o755)
        for name in bots.segments()[1:]:
            os.chmod(bots.directory / name, 0o644)
        os.chmod(bots.directory / bots.segments()[0], 0 if me != 0 else 0o600)
        done = top("--json", "--interval", "0.1", directory=bots.directory, **nobody)
        self.assertEqual(done.returncode, 0, done.stderr)
        view = json.loads(done.stdout)
        self.assertEqual((view["totals"]["unreadable"], view["totals"]["alive"]), (1, BOTS - 1))
        self.assertIn("Permission denied", view["segments"][0]["problem"])

    def test_survives_what_was_truncated_and_scribbled(self):
        bots = Bots(self)
        bots.kill()
        names = bots.segments()
        os.truncate(bots.directory / names[0], 1)
        os.truncate(bots.directory / names[1], 0x20000)
        with open(bots.directory / names[2], "r+b") as segment:
            segment.write(b"\xff" * 64)
        with open(bots.directory / names[3], "r+b") as segment:
            segment.seek(0x1000 + 64)  # the script's name
            segment.write(b"\x0c\x1b[2J\x1b]0;evil")
        for arguments in (["--json"], ["--once"]):
            done = top(*arguments, "--interval", "0.1", directory=bots.directory)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertNotIn("\x1b", done.stdout, "a name steers no terminal")
        view = json.loads(top("--json", "--interval", "0.1", directory=bots.directory).stdout)
        self.assertEqual(view["totals"]["unreadable"], 3)


class Options(unittest.TestCase):
    def test_name_every_problem_at_once(self):
        done = top("--bogus", "--interval", "never", "--set", "redis.nothing=1", "dump")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(len(done.stderr.splitlines()), 4, done.stderr)
        self.assertTrue(all(line.startswith("ddt-top: ") for line in done.stderr.splitlines()))

    def test_help_says_all_of_them(self):
        done = top("--help")
        self.assertEqual(done.returncode, 0)
        for option in ("--once", "--json", "--directory", "--interval", "--no-redis", "--config", "--set", "dump"):
            self.assertIn(option, done.stdout)


class Dump(unittest.TestCase):
    def test_of_a_killed_bot_has_every_record(self):
        bots = Bots(self)
        bots.kill()
        view = json.loads(top("--json", "--interval", "0.1", directory=bots.directory).stdout)
        for segment in view["segments"]:
            done = top("dump", segment["name"], "--json", directory=bots.directory)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertEqual([line["type"] for line in lines[:2]], ["segment", "lane"])
            self.assertEqual(lines[0]["owner"]["state"], "gone")
            self.assertTrue(lines[0]["times_are_known"], "no sidecar ever saw it, the bot's own pair is enough")
            records, stop = lines[2:-1], lines[-1]
            self.assertEqual({line["type"] for line in records}, {"record"})
            self.assertEqual([line["ordinal"] for line in records], list(range(segment["lanes"][0]["produced"])))
            self.assertEqual((stop["type"], stop["records"], stop["position"]),
                             ("stop", len(records), segment["lanes"][0]["position"]))
            self.assertIn(stop["reason"], ("end", "unfinished"))
            # The same for people, by its path.
            text = top("dump", str(bots.directory / segment["name"])).stdout
            self.assertEqual(len(re.findall(r"^  \d+  \d{4}-\d\d-\d\dT", text, re.M)), len(records))
            self.assertIn(segment["script_name"], text)

    def test_of_hostile_bytes_ends_and_cannot_steer_a_terminal(self):
        bots = Bots(self)
        bots.kill()
        dice = random.Random(1)
        name = bots.segments()[0]
        sane = (bots.directory / name).read_bytes()[:0x20000 + 64 * 512]
        for _ in range(60):
            with open(bots.directory / name, "r+b") as segment:
                segment.write(sane)
                for _ in range(dice.randrange(1, 30)):
                    segment.seek(dice.choice([80, 0x1000, 0x9000, 0x20000, 0x20000]) + dice.randrange(64 * 300))
                    segment.write(dice.choice([b"\x1b[2J\x9b", b"\xff" * 8, bytes(8), dice.randbytes(8)]))
            for more in ([], ["--json"]):
                done = subprocess.run([TOP, "dump", bots.directory / name, *more], capture_output=True, check=False,
                                      timeout=TIMEOUT_S, env=ENVIRONMENT)
                self.assertIn(done.returncode, (0, 1), done.stderr)
                self.assertNotIn(b"\x1b", done.stdout + done.stderr)
                self.assertNotIn(b"\xc2\x9b", done.stdout if not more else b"")
                for line in done.stdout.decode().splitlines() if more else []:
                    json.loads(line)

    def test_of_nothing_is_an_error(self):
        bots = Bots(self, started=False)
        (bots.directory / "seg-junk").write_text("junk")
        for name in ("seg-missing", "seg-junk", str(bots.directory)):
            done = top("dump", name, directory=bots.directory)
            self.assertEqual((done.returncode, done.stdout), (1, ""), name)
            self.assertTrue(done.stderr.startswith("ddt-top: "))


class Screen:
    """ddt-top in a pseudo-terminal, and what a terminal would show of it."""

    def __init__(self, test, *arguments, lines=24, columns=80):
        self.output = b""
        self.master, slave = pty.openpty()
        test.addCleanup(os.close, self.master)
        self.resize(lines, columns)
        self.before = termios.tcgetattr(slave)

        def take_terminal():
            dies_with_parent()
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        self.child = subprocess.Popen([TOP, "--no-redis", "--interval", "0.2", *map(str, arguments)], stdin=slave,
                                      stdout=slave, stderr=slave, preexec_fn=take_terminal, env=ENVIRONMENT)
        test.addCleanup(self.kill)
        self.slave = slave
        test.addCleanup(os.close, slave)

    def kill(self):
        self.child.kill()
        self.child.wait()

    def resize(self, lines, columns):
        self.lines, self.columns = lines, columns
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys):
        os.write(self.master, keys)

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            with contextlib.suppress(OSError):
                if data := os.read(self.master, 65536):
                    self.output += data
                    continue
            break

    def frame(self):
        """The lines of the last whole screen, without colours."""
        self.read()
        frames = self.output.split(b"\x1b[H")
        whole = [frame for frame in frames[1:] if frame.endswith(b"\x1b[J") or b"\x1b[J" in frame]
        if not whole:
            return []
        text = whole[-1].split(b"\x1b[J")[0].decode()
        return [re.sub(r"\x1b\[[0-9;]*[mK]", "", line).rstrip("\r") for line in text.split("\n")]

    def wait_for(self, condition, what):
        return wait_until(lambda: (frame := self.frame()) and condition(frame) and frame,
                          lambda: f"{what}: {self.frame()} {self.output[-500:]}")

    def wait_for_rows(self, rows=BOTS):
        return self.wait_for(lambda frame: sum(" alive " in line for line in frame[2:]) == rows, f"{rows} rows")

    def status(self):
        wait_until(lambda: self.child.poll() is not None, lambda: f"an end: {self.output[-300:]}")
        self.read()
        return self.child.returncode


class Live(unittest.TestCase):
    def assert_restored(self, screen):
        self.assertEqual(termios.tcgetattr(screen.slave), screen.before, "the terminal's own settings")
        self.assertEqual(screen.output.count(ENTER), screen.output.count(LEAVE))
        self.assertGreater(screen.output.rfind(b"\x1b[?25h"), screen.output.rfind(b"\x1b[?25l"), "the cursor is back")
        self.assertGreater(screen.output.rfind(b"\x1b[?7h"), screen.output.rfind(b"\x1b[?7l"), "wrapping is back")
        self.assertGreater(screen.output.rfind(LEAVE), screen.output.rfind(ENTER))

    def test_shows_bots_on_80_by_24_and_q_ends_it(self):
        bots = Bots(self)
        screen = Screen(self, "--directory", bots.directory)
        frame = screen.wait_for_rows()
        self.assertEqual(len(frame), 24)
        self.assertLessEqual(max(map(len, frame)), 80)
        self.assertIn("q quit", frame[-1])
        self.assertIn("COMMIT", "".join(frame))
        self.assertNotEqual(termios.tcgetattr(screen.slave), screen.before, "keys come one by one, unechoed")
        screen.type(b"q")
        self.assertEqual(screen.status(), 0)
        self.assert_restored(screen)

    def test_refreshes_and_follows_who_comes_and_goes(self):
        bots = Bots(self)
        screen = Screen(self, "--directory", bots.directory)
        screen.wait_for_rows()
        bots.kill()
        screen.wait_for(lambda frame: any(f"{BOTS} gone" in line for line in frame), "all gone")
        for name in bots.segments():
            (bots.directory / name).unlink()
        screen.wait_for(lambda frame: "no Segments" in frame, "an empty directory")
        bots.directory.rmdir()
        screen.wait_for(lambda frame: any("cannot be read" in line for line in frame), "no directory")
        bots.directory.mkdir(mode=0o700)
        screen.wait_for(lambda frame: "no Segments" in frame, "an empty directory again")
        screen.type(b"q")
        self.assertEqual(screen.status(), 0)

    def test_resizes_sorts_and_scrolls(self):
        bots = Bots(self)
        screen = Screen(self, "--directory", bots.directory)
        screen.wait_for_rows()
        screen.resize(12, 180)
        frame = screen.wait_for(lambda frame: len(frame) == 12 and any("JOURN" in line for line in frame), "a wide, low screen")
        self.assertIn(f"of {BOTS}", frame[-1])
        first = [line for line in frame if " alive " in line and "Segments" not in line][0]
        screen.type(b"\x1b[6~")
        screen.wait_for(lambda frame: not any(line == first for line in frame) and f"{BOTS} of {BOTS}" in frame[-1],
                        "the last page")
        screen.type(b"g>r")  # by script, the last first
        screen.resize(24, 80)

        def by_script(frame):
            scripts = [line.split()[1] for line in frame if " alive " in line and "Segments" not in line]
            return len(scripts) == BOTS and scripts == sorted(scripts, reverse=True)
        screen.wait_for(by_script, "sorted by script, reversed")
        screen.type(b"q")
        self.assertEqual(screen.status(), 0)

    def test_restores_the_terminal_whatever_ends_it(self):
        bots = Bots(self, started=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGSEGV, signal.SIGABRT,
                       signal.SIGBUS, signal.SIGFPE, signal.SIGILL):
            with self.subTest(signal=number.name):
                screen = Screen(self, "--directory", bots.directory)
                screen.wait_for(lambda frame: "no Segments" in frame, "a screen")
                screen.child.send_signal(number)
                self.assertEqual(screen.status(), -number, "our parent sees what ended us")
                self.assert_restored(screen)

    def test_control_c_ends_it(self):
        bots = Bots(self, started=False)
        screen = Screen(self, "--directory", bots.directory)
        screen.wait_for(lambda frame: "no Segments" in frame, "a screen")
        screen.type(b"\x03")
        self.assertEqual(screen.status(), -signal.SIGINT)
        self.assert_restored(screen)

    def test_gives_the_terminal_back_while_it_is_stopped(self):
        bots = Bots(self, started=False)
        screen = Screen(self, "--directory", bots.directory)
        screen.wait_for(lambda frame: "no Segments" in frame, "a screen")
        # An orphaned process group is not stopped by SIGTSTP: what matters here is what is given back and taken again.
        screen.child.send_signal(signal.SIGTSTP)
        wait_until(lambda: screen.read() or screen.output.count(LEAVE) == 1, "the terminal given back")
        screen.child.send_signal(signal.SIGCONT)
        wait_until(lambda: screen.read() or screen.output.count(ENTER) == 2, "and taken again")
        screen.type(b"q")
        self.assertEqual(screen.status(), 0)
        self.assert_restored(screen)

    def test_maps_nothing(self):
        bots = Bots(self)
        screen = Screen(self, "--directory", bots.directory)
        screen.wait_for_rows()
        maps = pathlib.Path(f"/proc/{screen.child.pid}/maps")
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            self.assertNotIn(str(bots.directory), maps.read_text(), "of a Segment nothing is mapped, writable or not")
        screen.type(b"q")
        self.assertEqual(screen.status(), 0)

    def test_needs_no_right_to_write(self):
        # Opened for writing these files would be refused; and what is open for reading only cannot be mapped writable.
        bots = Bots(self)
        nobody = dict(user=65534, group=65534, extra_groups=[]) if os.geteuid() == 0 else {}
        os.chmod(bots.directory, 0o555)
        for name in bots.segments():
            os.chmod(bots.directory / name, 0o444)
        self.assertNotEqual(subprocess.run(["sh", "-c", f": >>{bots.directory / bots.segments()[0]}"], check=False,
                                           capture_output=True, **nobody).returncode, 0, "no right to write")
        view = json.loads(top("--json", "--interval", "0.1", directory=bots.directory, **nobody).stdout)
        os.chmod(bots.directory, 0o700)
        self.assertEqual((view["totals"]["alive"], view["totals"]["unreadable"]), (BOTS, 0))
        self.assertTrue(all(segment["lanes"][0]["position"] > 0 for segment in view["segments"]))

    def test_changes_no_byte_of_a_segment(self):
        bots = Bots(self)
        bots.kill()
        before = {name: (bots.directory / name).read_bytes() for name in bots.segments()}
        blocks = {name: (bots.directory / name).stat().st_blocks for name in bots.segments()}
        screen = Screen(self, "--directory", bots.directory)
        screen.wait_for(lambda frame: any(f"{BOTS} gone" in line for line in frame), "a screen")
        screen.type(b"q")
        self.assertEqual(screen.status(), 0)
        for name in bots.segments():
            self.assertEqual(top("dump", name, directory=bots.directory).returncode, 0)
        self.assertEqual(before, {name: (bots.directory / name).read_bytes() for name in bots.segments()})
        self.assertEqual(blocks, {name: (bots.directory / name).stat().st_blocks for name in bots.segments()},
                         "not a page was allocated by looking")


if __name__ == "__main__":
    unittest.main(verbosity=2 if "-v" in sys.argv else 1)
