"""The whole path, private: Redis, MariaDB, the sidecar, the API and replay bots in a temporary place.

Every process is in a group of its own, dies with the test (PR_SET_PDEATHSIG) and is stopped by its own
id. Databases and logs live under a temporary directory, Segments under /dev/shm/ddt-test-*; both are
removed. Only the standard library and the programs under test ($DDT_BIN_DIR).
"""
import contextlib
import ctypes
import getpass
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
SOURCE_DIR = pathlib.Path(os.environ.get("DDT_SOURCE_DIR", HERE.parent.parent))
BIN_DIR = pathlib.Path(os.environ.get("DDT_BIN_DIR", SOURCE_DIR / "build" / "dev" / "bin"))
ORACLE_DIR = HERE.parent / "oracle"
sys.path.insert(0, str(ORACLE_DIR))
import compare  # noqa: E402
import recompute  # noqa: E402

DATABASE = "ddt"
SIDECAR_ID = "test"
READY_TIMEOUT_S = float(os.environ.get("DDT_E2E_READY_TIMEOUT_S", "60"))
STORED_TIMEOUT_S = float(os.environ.get("DDT_E2E_STORED_TIMEOUT_S", "120"))
STOP_TIMEOUT_S = 30
MADE_DAYS = 5  # as many as there are of a symbol in the shared data: the limits above are for that much
POLL_S = 0.02
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)
# A test that is told to end still stops and removes what it made.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


class Failed(AssertionError):
    """A process did not do what the test relies on; the message carries the end of its log."""


def wait_until(condition, timeout_s, what, poll_s=POLL_S):
    """The condition's first true value."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"not within {timeout_s:.0f} s: {what() if callable(what) else what}")
        time.sleep(poll_s)


_ports_given = set()


def free_port():
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        # Below the ephemeral range's clients nothing is guaranteed; at least never give one twice.
        if port not in _ports_given:
            _ports_given.add(port)
            return port


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Process:
    """One program in its own session, its output in a log file."""

    def __init__(self, name, command, log, environment=None, directory=None):
        self.name, self.log = name, log
        with open(log, "ab") as output:
            self.child = subprocess.Popen([str(part) for part in command], stdout=output, stderr=output,
                                          stdin=subprocess.DEVNULL, start_new_session=True,
                                          preexec_fn=_die_with_parent, cwd=directory,
                                          env={**os.environ, **(environment or {})})

    @property
    def pid(self):
        return self.child.pid

    def is_running(self):
        return self.child.poll() is None

    def signal_group(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, number)

    def kill(self):
        """SIGKILL to the whole group; returns when it is gone."""
        self.signal_group(signal.SIGKILL)
        self.child.wait()

    def stop(self, timeout_s=STOP_TIMEOUT_S):
        """SIGTERM, and SIGKILL after a while. Returns the exit status."""
        if self.is_running():
            self.signal_group(signal.SIGCONT)
            self.child.terminate()
            try:
                self.child.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self.signal_group(signal.SIGKILL)  # what it may have left in its group
        return self.child.wait()

    def log_tail(self, lines=25):
        with contextlib.suppress(OSError):
            return "\n".join(pathlib.Path(self.log).read_text(errors="replace").splitlines()[-lines:])
        return ""

    def must_run(self):
        if not self.is_running():
            raise Failed(f"{self.name} ended with status {self.child.returncode}:\n{self.log_tail()}")
        return True


class Stack:
    """with Stack() as stack: … — servers started and ready; everything stopped and removed at the end."""

    def __init__(self, with_api=True, sidecar_settings=(), api_settings=(), only_mariadb=False):
        self.with_api, self.only_mariadb = with_api, only_mariadb
        self.sidecar_settings, self.api_settings = list(sidecar_settings), list(api_settings)
        self.processes = []
        self.redis = self.mariadb = self.sidecar = self.api = None
        self.redis_port, self.api_port, self.ws_port, self.mysql_port = (free_port() for _ in range(4))
        self.root = self.telemetry_dir = None

    def __enter__(self):
        missing = [name for name in ("ddt-sidecar", "ddt-api", "ddt-replay") if not (BIN_DIR / name).exists()]
        if missing and not self.only_mariadb:
            raise Failed(f"{BIN_DIR} has no {', '.join(missing)}: set DDT_BIN_DIR")
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="ddt-e2e-"))
        self.telemetry_dir = pathlib.Path(f"/dev/shm/ddt-test-{random.SystemRandom().getrandbits(64):016x}")
        self.oracle = self.root / "oracle.jsonl"
        self.socket = self.root / "m.sock"
        try:
            self.telemetry_dir.mkdir(mode=0o700)
            self.install_mariadb()
            self.start_mariadb()
            if self.only_mariadb:
                return self
            self.start_redis()
            self.start_sidecar()
            wait_until(lambda: self.sidecar.must_run() and self.sidecar_has_spoken(), READY_TIMEOUT_S,
                       lambda: f"the sidecar's status in Redis\n{self.sidecar.log_tail()}")
            if self.with_api:
                self.start_api()
                wait_until(lambda: self.api.must_run() and self.api_is_ready(), READY_TIMEOUT_S,
                           lambda: f"the API's /ready\n{self.api.log_tail()}")
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, error, _):
        if kind is not None and os.environ.get("DDT_E2E_SHOW_LOGS"):
            for process in self.processes:
                print(f"── {process.name} ──\n{process.log_tail(60)}", file=sys.stderr)
        for process in reversed(self.processes):
            with contextlib.suppress(OSError):
                process.kill()
        self.processes.clear()
        if os.environ.get("DDT_E2E_KEEP") and kind is not None:
            print(f"kept: {self.root}", file=sys.stderr)
        elif self.root:
            shutil.rmtree(self.root, ignore_errors=True)
        if self.telemetry_dir:
            shutil.rmtree(self.telemetry_dir, ignore_errors=True)

    def _start(self, name, command, environment=None):
        process = Process(name, command, self.root / f"{name}.log", environment, self.root)
        self.processes.append(process)
        return process

    def forget(self, process):
        self.processes.remove(process)

    # ── Redis ────────────────────────────────────────────────────────────────────────────────────
    def start_redis(self):
        directory = self.root / "redis"
        directory.mkdir(exist_ok=True)
        self.redis = self._start("redis", [
            "redis-server", "--port", self.redis_port, "--bind", "127.0.0.1", "--dir", directory,
            "--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction"])
        wait_until(lambda: self.redis.must_run() and self._redis_answers(), READY_TIMEOUT_S,
                   lambda: f"Redis\n{self.redis.log_tail()}")

    def _redis_answers(self):
        try:
            return self.redis_command("PING") == "PONG"
        except (OSError, Failed):
            return False

    def redis_command(self, *words):
        """One command, its reply as text, number, None or list. Raises OSError while Redis is away."""
        with socket.create_connection(("127.0.0.1", self.redis_port), timeout=10) as connection:
            parts = [str(word).encode() for word in words]
            connection.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
            with connection.makefile("rb") as reply:
                return self._redis_reply(reply)

    def _redis_reply(self, reply):
        line = reply.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise Failed(f"Redis: {rest.decode()}")
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if rest == b"-1":
                return None
            body = reply.read(int(rest) + 2)
            return body[:-2].decode("utf-8", "replace")
        return [self._redis_reply(reply) for _ in range(int(rest))]

    def sidecar_has_spoken(self):
        return self.redis_command("EXISTS", f"ddt:{{{SIDECAR_ID}}}:status") == 1

    def wipe_redis_and_restart(self):
        """Kill Redis, forget everything it had, start it empty on the same port."""
        self.redis.kill()
        self.forget(self.redis)
        shutil.rmtree(self.root / "redis")
        self.start_redis()

    # ── MariaDB ──────────────────────────────────────────────────────────────────────────────────
    def install_mariadb(self):
        done = subprocess.run([
            "mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db",
            f"--user={getpass.getuser()}", f"--datadir={self.root / 'mysql'}", f"--tmpdir={self.root}"],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"mariadb-install-db: {done.stdout}{done.stderr}")

    def start_mariadb(self):
        server = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
        self.mariadb = self._start("mariadb", [
            server, "--no-defaults", f"--user={getpass.getuser()}", f"--datadir={self.root / 'mysql'}",
            f"--socket={self.socket}", f"--port={self.mysql_port}", "--bind-address=127.0.0.1",
            f"--pid-file={self.root / 'm.pid'}", f"--tmpdir={self.root}", "--skip-name-resolve", "--innodb-buffer-pool-size=64M"])
        wait_until(lambda: self.mariadb.must_run() and self._mariadb_answers(), READY_TIMEOUT_S,
                   lambda: f"MariaDB\n{self.mariadb.log_tail()}")
        compare.Mysql(database="mysql", socket=self.socket).query(
            f"CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4;")

    def _mariadb_answers(self):
        try:
            compare.Mysql(database="mysql", socket=self.socket).query("SELECT 1;")
            return True
        except compare.Unreadable:
            return False

    def mysql(self):
        return compare.Mysql(database=DATABASE, socket=self.socket)

    def sql_number(self, sql):
        return int(self.mysql().query(sql)[0][0])

    def kill_mariadb_and_restart(self, away_s=0.0):
        self.mariadb.kill()
        self.forget(self.mariadb)
        time.sleep(away_s)
        self.start_mariadb()

    # ── ours ─────────────────────────────────────────────────────────────────────────────────────
    def _stores(self):
        return [f"redis.port={self.redis_port}", f"mysql.unix_socket={self.socket}", "mysql.user=root",
                f"mysql.database={DATABASE}", f"sidecar.id={SIDECAR_ID}"]

    def start_sidecar(self):
        settings = [f"telemetry.dir={self.telemetry_dir}", *self._stores(), *self.sidecar_settings]
        command = [BIN_DIR / "ddt-sidecar"]
        for setting in settings:
            command += ["--set", setting]
        self.sidecar = self._start("sidecar", command)

    def kill_sidecar(self):
        self.sidecar.kill()
        self.forget(self.sidecar)

    def start_api(self):
        settings = [f"api.port={self.api_port}", f"api.ws_port={self.ws_port}", *self._stores(), *self.api_settings]
        command = [BIN_DIR / "ddt-api"]
        for setting in settings:
            command += ["--set", setting]
        self.api = self._start("api", command)

    @property
    def api_url(self):
        return f"http://127.0.0.1:{self.api_port}"

    def get_json(self, path):
        with urllib.request.urlopen(self.api_url + path, timeout=10) as reply:
            return json.loads(reply.read())

    def api_is_ready(self):
        try:
            with urllib.request.urlopen(self.api_url + "/ready", timeout=5) as reply:
                return reply.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def start_replay(self, bars=(), profiles=2, speed="max", extra=()):
        command = [BIN_DIR / "ddt-replay", "--profiles", profiles, "--speed", speed, "--dir", self.telemetry_dir,
                   "--once", "--oracle", self.oracle, *extra]
        command += ["--bars", *bars] if bars else ["--days", MADE_DAYS]
        return self._start("replay", command, {"DDT_DIR": str(self.telemetry_dir)})

    # ── at rest ──────────────────────────────────────────────────────────────────────────────────
    def segments(self):
        """Segment files that are still there (not the sidecar's lock, not temporary names)."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(p.name for p in self.telemetry_dir.iterdir()
                          if p.is_file() and p.stat().st_size > 4096)
        return []

    def lanes(self):
        """Sums over dd_lane_positions, or None where the table is not there yet or MySQL is away."""
        try:
            return compare.mysql_ledger(self.mysql())
        except compare.Unreadable:
            return None

    def wait_until_stored(self, replay, timeout_s=STORED_TIMEOUT_S, watch_sidecar=True):
        """The bots have ended, every Lane is retired, and the ledger says that nothing is in flight."""
        def finished():
            if watch_sidecar:
                self.sidecar.must_run()
            return not replay.is_running()
        wait_until(finished, timeout_s, lambda: f"the replay to end\n{replay.log_tail()}\n{self.sidecar.log_tail()}")
        if replay.child.returncode != 0:
            raise Failed(f"ddt-replay ended with status {replay.child.returncode}:\n{replay.log_tail()}")

        def retired():
            self.sidecar.must_run()
            lanes = self.lanes()
            return lanes and lanes["lanes"] and not lanes["live_lanes"] and not self.segments()
        wait_until(retired, timeout_s, lambda: f"all Lanes retired: {self.lanes()}, Segments {self.segments()}\n"
                                               f"{self.sidecar.log_tail()}", poll_s=0.1)
        if self.with_api:
            # The sidecar writes its ledger every second: an older one may be at rest too, with less in it.
            wait_until(self.ledger_has_settled, timeout_s,
                       lambda: f"the ledger at rest: {self.ledger()}, MySQL {self.lanes()}", poll_s=0.1)

    def ledger_has_settled(self):
        ledger, lanes = self.ledger(), self.lanes()
        return lanes and ledger.get("in_flight") == 0 and ledger.get("produced") == lanes["produced"]

    def ledger(self):
        try:
            ledger = self.get_json("/api/v1/health/system").get("ledger") or {}
        except (OSError, ValueError):
            return {}
        return {name: self._total(value) for name, value in ledger.items()}

    @staticmethod
    def _total(value):
        """dropped may come by class."""
        if isinstance(value, dict):
            return value.get("total", sum(v for v in value.values() if isinstance(v, int)))
        return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value

    def compare(self, windows=False):
        """compare.py as a command, as a user would run it. Returns its output; raises with it on a difference."""
        command = [sys.executable, str(ORACLE_DIR / "compare.py"), "--oracle", str(self.oracle), "--mysql-socket",
                   str(self.socket), "--database", DATABASE]
        if self.with_api:
            command += ["--api", self.api_url]
        if windows:
            command.append("--windows")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"compare.py ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def wait_until_windows_are_written(self, timeout_s=STORED_TIMEOUT_S):
        wait_until(lambda: self.sql_number("SELECT COUNT(*) FROM dd_window_state WHERE dirty IN (1,2) OR "
                                           "(script_name='' AND name='' AND figures_revision<>revision);") == 0,
                   timeout_s, "figures of all Windows written", poll_s=0.25)

    def assert_ledger_is_clean(self, test):
        """Every term of the ledger over REST, and its sum by our own arithmetic."""
        ledger = self.ledger()
        for term in ("produced", "stored", "dropped", "rejected", "lost", "in_flight", "residual"):
            test.assertIn(term, ledger)
        for term in ("residual", "dropped", "rejected", "lost", "in_flight"):
            test.assertEqual(ledger[term], 0, f"{term} in {ledger}")
        test.assertEqual(ledger["produced"], ledger["stored"], ledger)
        published = recompute.Oracle.from_file(self.oracle).raw_lines
        test.assertEqual(ledger["produced"], published, ledger)
        return ledger


def bars(*patterns):
    """Bar files of the shared data where it is there; () lets the bots make MADE_DAYS."""
    directory = SOURCE_DIR.parent / "shared" / "data" / "bars"
    return [path for pattern in patterns for path in sorted(directory.glob(pattern))]


def descendants(pid):
    """Process ids below pid, from /proc."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                stat = (entry / "stat").read_text()
                children.setdefault(int(stat.rsplit(")", 1)[1].split()[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def segment_of(pid, telemetry_dir):
    """The Segment file that a bot process has mapped, or None."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            if f"{telemetry_dir}/seg-" in line and "(deleted)" not in line:
                return pathlib.Path(line.split(None, 5)[5]).name
    return None
