"""Throw-away Postgres, servers as child processes, and what the kernel says of them."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 10


class BenchError(Exception):
    """What went wrong, for people; nothing is reported then."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def busy_share(seconds: float) -> float:
    """Which share of all cores is in use, by whatever runs (proc(5), the first line of stat)."""

    def ticks() -> tuple[int, int]:
        fields = [int(part) for part in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(fields), sum(fields[3:5])

    all_before, idle_before = ticks()
    time.sleep(seconds)
    all_after, idle_after = ticks()
    return 1 - (idle_after - idle_before) / max(1, all_after - all_before)


def stop(process: subprocess.Popen, how: int = signal.SIGTERM) -> None:
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Postgres:
    """A server of its own on the loopback, in a folder that goes with it."""

    def __init__(self, folder: Path):
        self.binaries = self._binaries()
        self.port = free_port()
        self.folder = folder / "postgres"
        self.folder.mkdir()
        # Postgres refuses to run as root.
        self.user = None
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            self.user = "postgres" if "postgres" in names else "nobody"
            folder.chmod(0o711)
            shutil.chown(self.folder, self.user)
        data = self.folder / "data"
        self._run("initdb", "-D", data, "-U", "bench", "--auth=trust", "--no-sync", "-E", "UTF8")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "max_connections": 100,
            # The disk is not what is measured, and no background work falls into one server's turn.
            "fsync": "off",
            "autovacuum": "off",
            "max_wal_size": "4GB",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                [self.binaries / "postgres", "-D", data, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", user=self.user,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self.sql("SELECT 1")
                return
            except BenchError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    self.stop()
                    complaint = (self.folder / "server.log").read_text()[-500:]
                    raise BenchError(f"Postgres does not start: {complaint}") from None
                time.sleep(0.05)

    @staticmethod
    def _binaries() -> Path:
        on_path = [Path(part) for part in os.environ.get("PATH", "").split(os.pathsep)]
        of_debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        for folder in [*on_path, *of_debian]:
            if all((folder / program).is_file() for program in ("initdb", "postgres", "psql")):
                return folder
        raise BenchError("no Postgres on this machine: install it (Debian: postgresql), so that initdb is found")

    def _run(self, program: str, *arguments) -> str:
        command = [self.binaries / program, *map(str, arguments)]
        done = subprocess.run(
            command, cwd="/", user=self.user, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            raise BenchError(f"{program} failed: {done.stderr.strip()}")
        return done.stdout.strip()

    def sql(self, text: str, database: str = "postgres") -> str:
        where = ("-h", "127.0.0.1", "-p", self.port, "-U", "bench", "-d", database)
        return self._run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where, "-c", text)

    def url(self, database: str) -> str:
        return f"postgres://bench@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def version(self) -> str:
        return self.sql("SHOW server_version").split()[0]

    def stop(self) -> None:
        stop(self.process, signal.SIGINT)


def processes_of(root: int) -> list[int]:
    """A process and all its descendants."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    family = [root]
    for member in family:
        family += [pid for pid, parent in parents.items() if parent == member]
    return family


@dataclass
class Server:
    """One of the programs that are compared."""

    name: str
    title: str
    command: list[str]
    environment: dict[str, str]
    database: str
    log: Path
    workers: int = 1
    port: int = 0
    process: subprocess.Popen | None = None
    pids: list[int] = field(default_factory=list)
    ready_ms: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Starts it and notes how long it took to answer that it is ready."""
        self.port = free_port()
        filled = {name: text.replace("{port}", str(self.port)) for name, text in self.environment.items()}
        command = [part.replace("{port}", str(self.port)) for part in self.command]
        # Nothing is inherited: settings of the caller's shell would be measured too.
        environment = {"PATH": os.environ["PATH"], **filled}
        log = self.log.open("ab")
        started = time.perf_counter()
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.log.parent
        )
        log.close()
        while not self._is_ready():
            if self.process.poll() is not None or time.perf_counter() - started > START_SECONDS_MAX:
                raise BenchError(f"{self.title} does not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.001)
        self.ready_ms.append((time.perf_counter() - started) * 1000)

    def _is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                return connection.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def settle(self, seconds: float) -> None:
        """Waits for the workers that come up after the first one, and remembers all processes."""
        time.sleep(seconds)
        self.pids = processes_of(self.process.pid)

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process)

    def cpu_seconds(self) -> float:
        """User and system time of all its processes (proc(5), fields 14 and 15 of stat)."""
        ticks = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS_PER_SECOND

    def memory_mb(self) -> tuple[float, float]:
        """Resident and proportional set size of all its processes, in MB (10⁶ bytes)."""
        resident = proportional = 0
        for pid in self.pids:
            resident += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    proportional += int(line.split()[1]) * 1024
        return resident / 1e6, proportional / 1e6

    def ask(self, path: str, key: str, body: dict | None = None) -> tuple[int, dict, str]:
        """One request: status, headers, text of the answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=5) as answer:
                return answer.status, dict(answer.headers), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read().decode()
