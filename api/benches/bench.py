"""Measures the API beside a bare axum + sqlx handler and two FastAPI peers, and writes docs/api-figures.md.

    make bench-api

All four serve the same rows from databases of their own in one throw-away Postgres, over the same number of
connections to it. They are measured in turns, in one order and in the opposite one, again and again, so that
what the machine does meanwhile falls on all. Every answer must be a 2xx. Loopback only; under four minutes
after the build.
"""

import argparse
import json
import os
import re
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import report
from harness import BenchError, Postgres, Server, busy_share

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = HERE / "peers"

RUN_SECONDS_MAX = 240
ROWS = 10_000
CLIENTS = 32
RAMP_CLIENTS = 64
DATABASE_CONNECTIONS = 8
UVICORN_WORKERS = 2
STARTS = 3
# Even: in both orders.
TURNS = 4
SETTLE_SECONDS = 1.5
LOG_SECONDS_MAX = 5
# Before and after, to see what else wants the cores.
BUSY_SECONDS = 1.5
RATE_LIMIT_PER_SECOND = 1_000_000
RAMP_RATES = [500, 1000, 2000, 3000, 4000, 5000]
OPERATIONS = ["get", "list", "post"]


@dataclass
class Figures:
    """What was seen of one server under one kind of request."""

    requests: int = 0
    seconds: float = 0.0
    latencies_us: Counter = field(default_factory=Counter)
    # One value a turn.
    cpu_us: list[float] = field(default_factory=list)

    def percentile_ms(self, share: float) -> float:
        wanted = share * sum(self.latencies_us.values())
        passed = 0
        for us, count in sorted(self.latencies_us.items()):
            passed += count
            if passed >= wanted:
                return us / 1000
        raise BenchError("a percentile of nothing")

    @property
    def median_cpu_us(self) -> float:
        return statistics.median(self.cpu_us)

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


class Load:
    """The generator of requests."""

    def __init__(self, program: Path, key: str, ids: Path):
        self.program, self.key, self.ids = program, key, ids

    def run(self, server: Server, operation: str, seconds: float, clients: int, rate: int | None = None):
        """One run: what was seen, the CPU time of the server, its largest resident memory in MB."""
        command = [self.program, f"127.0.0.1:{server.port}", operation, "--ids", self.ids]
        command += ["--seconds", str(seconds), "--connections", str(clients)]
        if rate is not None:
            command += ["--rate", str(rate)]
        resident = 0.0
        before = server.cpu_seconds()
        with subprocess.Popen(
            [str(part) for part in command],
            env={"BENCH_KEY": self.key}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            try:
                while True:
                    try:
                        said, complaint = process.communicate(timeout=0.25)
                        break
                    except subprocess.TimeoutExpired:
                        resident = max(resident, server.memory_mb()[0])
            finally:
                process.kill()
        cpu = server.cpu_seconds() - before
        resident = max(resident, server.memory_mb()[0])
        if process.returncode:
            raise BenchError(f"{server.title}, {operation}: {complaint.strip()}")
        seen = json.loads(said)
        refused = {status: count for status, count in seen["statuses"].items() if not 200 <= int(status) < 300}
        if refused:
            raise BenchError(f"{server.title}, {operation}: answers that are not 2xx: {refused}")
        return seen, cpu, resident


def build(profile: str) -> Path:
    command = ["cargo", "build", "--quiet", "--package", "opsconsole-api", "--bin", "opsconsole-api"]
    command += ["--example", "bench_bare", "--example", "bench_load", "--profile", profile]
    subprocess.run(command, cwd=ROOT, check=True)
    folder = "debug" if profile == "dev" else profile
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / folder


def python_peers() -> Path:
    """A Python with what the peers need, made once and kept."""
    folder = ROOT / "target" / "tools" / "bench-venv"
    wanted = (PEERS / "requirements.txt").read_text()
    stamp = folder / "installed.txt"
    if not stamp.is_file() or stamp.read_text() != wanted:
        print("installing the FastAPI peers", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", PEERS / "requirements.txt"], check=True)
        stamp.write_text(wanted)
    return folder / "bin" / "python"


def servers(built: Path, python: Path, postgres: Postgres, work: Path, admin_key: str) -> list[Server]:
    def server(name: str, title: str, command: list, environment: dict, workers: int = 1) -> Server:
        log = work / name / "log"
        log.parent.mkdir()
        environment = {name: str(value) for name, value in environment.items()}
        return Server(name, title, [str(part) for part in command], environment, f"bench_{name}", log, workers)

    def peer(name: str, title: str, module: str) -> Server:
        metrics = work / f"metrics-{name}"
        metrics.mkdir()
        command = [python, "-m", "uvicorn", f"{module}:app", "--app-dir", PEERS]
        command += ["--host", "127.0.0.1", "--port", "{port}", "--workers", UVICORN_WORKERS]
        command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
        environment = {
            "DATABASE_URL": postgres.url(f"bench_{name}"),
            "BENCH_CONNECTIONS": DATABASE_CONNECTIONS // UVICORN_WORKERS,
            "BENCH_RATE_LIMIT": RATE_LIMIT_PER_SECOND,
            "PROMETHEUS_MULTIPROC_DIR": metrics,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return server(name, title, command, environment, UVICORN_WORKERS)

    ours = {
        "LISTEN": "127.0.0.1:{port}",
        "DATABASE_URL": postgres.url("bench_api"),
        "DATABASE_CONNECTIONS": DATABASE_CONNECTIONS,
        "ENVIRONMENT": "bench",
        "AUTH": "on",
        "ADMIN_KEY": admin_key,
        "RATE_LIMIT_PER_SECOND": RATE_LIMIT_PER_SECOND,
        "DRAIN_SECONDS": 1,
    }
    ours = {f"OPSCONSOLE_API_{name}": value for name, value in ours.items()}
    bare = {
        "BENCH_LISTEN": "127.0.0.1:{port}",
        "DATABASE_URL": postgres.url("bench_bare"),
        "BENCH_CONNECTIONS": DATABASE_CONNECTIONS,
    }
    return [
        server("api", "opsconsole-api", [built / "opsconsole-api", "serve"], ours),
        server("bare", "bare axum + sqlx", [built / "examples" / "bench_bare"], bare),
        peer("asyncpg", "FastAPI + asyncpg", "with_asyncpg"),
        peer("sqlalchemy", "FastAPI + SQLAlchemy", "with_sqlalchemy"),
    ]


def fill(postgres: Postgres, api: Server, others: list[Server], ids: Path) -> str:
    """The API's own schema, rows and one key; then copies of the whole database. Answers the key."""
    admin_key = api.environment["OPSCONSOLE_API_ADMIN_KEY"]
    postgres.sql(f"CREATE DATABASE {api.database}")
    migrate = [api.command[0], "migrate"]
    environment = {**api.environment, "OPSCONSOLE_API_LISTEN": "127.0.0.1:0"}
    subprocess.run(migrate, env=environment, check=True, stdout=subprocess.DEVNULL)
    api.start()
    status, _, said = api.ask("/admin/keys", admin_key, {"name": "bench", "role": "writer"})
    api.stop()
    api.ready_ms.clear()
    if status != 201:
        raise BenchError(f"no key could be made: {said}")
    # Whole seconds, which Rust's and Python's own formats spell alike.
    postgres.sql(
        "INSERT INTO items (id, name, description, created_at_ms, updated_at_ms, version) "
        "SELECT gen_random_uuid(), 'parcel ' || n, "
        "CASE n % 4 WHEN 0 THEN NULL ELSE 'left at the counter, to be called for, number ' || n END, "
        "1760000000000 + n * 1000::bigint, CASE n % 3 WHEN 0 THEN 1760100000000 + n * 1000::bigint END, 1 + n % 3 "
        f"FROM generate_series(1, {ROWS}) AS n",
        api.database,
    )
    postgres.sql("VACUUM ANALYZE", api.database)
    ids.write_text(postgres.sql("SELECT id FROM items", api.database) + "\n")
    for other in others:
        postgres.sql(f"CREATE DATABASE {other.database} TEMPLATE {api.database}")
    return json.loads(said)["key"]


def check_equal(all_servers: list[Server], key: str, ids: list[str]) -> None:
    """The same answers, byte for byte; of a new item all but what is new each time."""
    for path in ["/items?limit=20", *(f"/items/{one}" for one in ids[:24])]:
        answers = {server.title: server.ask(path, key) for server in all_servers}
        texts = {title: text for title, (status, _, text) in answers.items() if status == 200}
        if len(texts) < len(all_servers) or len(set(texts.values())) > 1:
            raise BenchError(f"{path} is not answered alike: {answers}")
    shapes = {}
    for server in all_servers:
        status, headers, text = server.ask("/items", key, {"name": "a parcel", "description": None})
        made = json.loads(text)
        address = next(value for name, value in headers.items() if name.lower() == "location")
        if status != 201 or address != f"/items/{made['id']}":
            raise BenchError(f"{server.title} answers a POST with {status}, {address}: {text}")
        if json.loads(server.ask(address, key)[2])["id"] != made["id"]:
            raise BenchError(f"{server.title} does not keep what was posted")
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
        shapes[server.title] = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME", text)
    if len(set(shapes.values())) > 1:
        raise BenchError(f"a POST is not answered alike: {shapes}")


def check_middleware(all_servers: list[Server], key: str) -> None:
    """All but the bare one refuse a wrong key, give a request id, count it and log it."""
    for server in all_servers:
        if server.name == "bare":
            continue
        if server.ask("/items", key[:-1] + ("0" if key[-1] != "0" else "1"))[0] != 401:
            raise BenchError(f"{server.title} lets in who has no key")
        _, headers, _ = server.ask("/items?limit=1", key)
        names = {name.lower(): value for name, value in headers.items()}
        if "ratelimit-remaining" not in names:
            raise BenchError(f"{server.title} does not limit: {names}")

        wait_until(partial(has_line, server, names["x-request-id"]), f"{server.title} does not log its requests")


def has_line(server: Server, request_id: str) -> bool:
    lines = server.log.read_text().splitlines()
    return any(json.loads(line)["request_id"] == request_id for line in lines if request_id in line)


def has_lines(server: Server, count: int) -> bool:
    return lines_of(server) >= count


def wait_until(is_so, otherwise: str) -> None:
    """A line is written after its answer has left, so it may come a moment later."""
    deadline = time.monotonic() + LOG_SECONDS_MAX
    while not is_so():
        if time.monotonic() > deadline:
            raise BenchError(otherwise)
        time.sleep(0.01)


def lines_of(server: Server) -> int:
    with server.log.open("rb") as log:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: log.read(1 << 20), b""))


def measure(all_servers: list[Server], load: Load, seconds: float) -> tuple[dict, dict]:
    """CPU and latency of each under each operation, and the largest resident memory of each."""
    figures = {server.name: {operation: Figures() for operation in OPERATIONS} for server in all_servers}
    resident = {server.name: 0.0 for server in all_servers}
    for operation in OPERATIONS:
        for server in [*all_servers, *reversed(all_servers)] * (TURNS // 2):
            _, _, peak = load.run(server, operation, seconds / 8, CLIENTS)
            lines_before = lines_of(server)
            seen, cpu, peak_measured = load.run(server, operation, seconds, CLIENTS)
            resident[server.name] = max(resident[server.name], peak, peak_measured)
            if server.name != "bare":
                all_lines = partial(has_lines, server, lines_before + seen["requests"])
                wait_until(all_lines, f"{server.title} did not log every request")
            of = figures[server.name][operation]
            of.requests += seen["requests"]
            of.seconds += seen["seconds"]
            of.latencies_us.update({int(us): count for us, count in seen["latencies_us"].items()})
            of.cpu_us.append(cpu / seen["requests"] * 1e6)
            print(f"{operation:5} {server.title:22} {of.cpu_us[-1]:7.0f} µs CPU a request", file=sys.stderr)
    return figures, resident


def ramp(api: Server, load: Load, seconds: float) -> list[dict]:
    """More and more requests a second; latency counts from when each was due."""
    steps = []
    load.run(api, "mix", seconds / 8, RAMP_CLIENTS, rate=RAMP_RATES[0])
    for rate in RAMP_RATES:
        seen, cpu, resident = load.run(api, "mix", seconds, RAMP_CLIENTS, rate)
        latencies = Figures(latencies_us=Counter({int(us): count for us, count in seen["latencies_us"].items()}))
        step = {"rate": rate, "held": seen["requests"] / seen["seconds"], "resident_mb": resident}
        step |= {"p50_ms": latencies.percentile_ms(0.5), "p99_ms": latencies.percentile_ms(0.99)}
        step["cpu_percent"] = cpu / seen["seconds"] * 100
        steps.append(step)
        print(f"{rate} requests/s: p99 {step['p99_ms']:.1f} ms", file=sys.stderr)
    return steps


def run(arguments: argparse.Namespace, work: Path) -> str:
    built = build("dev" if arguments.debug else "image")
    python = python_peers()
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(RUN_SECONDS_MAX)
    began = time.monotonic()
    busy_before = busy_share(BUSY_SECONDS)
    postgres = Postgres(work)
    all_servers = []
    try:
        all_servers = servers(built, python, postgres, work, secrets.token_hex(24))
        ids = work / "ids.txt"
        key = fill(postgres, all_servers[0], all_servers[1:], ids)
        idle = {}
        for server in all_servers:
            for number in range(STARTS):
                server.start()
                if number < STARTS - 1:
                    server.stop()
            server.settle(SETTLE_SECONDS)
            idle[server.name] = server.memory_mb()
        check_equal(all_servers, key, ids.read_text().split())
        check_middleware(all_servers, key)
        load = Load(built / "examples" / "bench_load", key, ids)
        figures, loaded = measure(all_servers, load, arguments.seconds)
        steps = ramp(all_servers[0], load, arguments.seconds)
        loaded["api"] = max(loaded["api"], *(step["resident_mb"] for step in steps))
        busy_after = busy_share(BUSY_SECONDS)
        signal.alarm(0)
        return report.page(
            servers=all_servers, figures=figures, idle=idle, loaded=loaded, steps=steps,
            postgres=postgres.version(), python=python, seconds=arguments.seconds,
            whole_seconds=time.monotonic() - began, busy=(busy_before, busy_after), setup=sys.modules[__name__],
        )  # fmt: skip
    finally:
        for server in all_servers:
            server.stop()
        postgres.stop()


def too_long(*_) -> None:
    raise BenchError(f"given up after {RUN_SECONDS_MAX} s: the machine is too busy to measure anything")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "api-figures.md", help="the page to write")
    parser.add_argument("--seconds", type=float, default=2.5, help="how long each server is measured at a time")
    parser.add_argument("--debug", action="store_true", help="try the programs out, unoptimised; prints only")
    arguments = parser.parse_args()
    # Ends what was started, as an interrupt does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="opsconsole-bench.") as work:
        try:
            page = run(arguments, Path(work))
        except (BenchError, subprocess.CalledProcessError) as error:
            print(f"bench-api: {error}", file=sys.stderr)
            return 1
    # Figures of a debug build say nothing, so they are not kept.
    if not arguments.debug:
        arguments.out.write_text(page)
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
