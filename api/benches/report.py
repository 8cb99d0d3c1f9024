"""The page of figures: tables, the aims beside them, and in words where an aim is missed."""

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path

# The aims of the API: CPU time against each other server, memory in MB, start in ms, the ramp.
BETTER_MIN = {"sqlalchemy": 20.0, "asyncpg": 7.0}
BARE_MAX = 1.5
IDLE_MB_MAX = 20.0
LOADED_MB_MAX = 40.0
READY_MS_MAX = 100.0
RAMP_P99_MS_MAX = 50.0
# A rate counts as held when so much of it was answered in time.
HELD_SHARE_MIN = 0.99
OPERATIONS = {"get": "GET by id", "list": "list of 20", "post": "POST"}
CPU_FILE = Path("/proc/cpuinfo")


def machine() -> str:
    model = re.search(r"^model name\s*: (.*)$", CPU_FILE.read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name = model.group(1) if model else "unknown processor"
    return f"{platform.machine()}, {name}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB"


def said(*command) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def median(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


class Aims:
    """What was aimed at, what was reached, and what is to be said where it was not."""

    def __init__(self):
        self.rows, self.missed = [], []

    def add(self, what: str, reached: str, aim: str, is_met: bool, otherwise: str) -> None:
        self.rows.append([what, reached, aim, "met" if is_met else "**missed**"])
        if not is_met:
            self.missed.append(otherwise)


def cpu_aims(aims: Aims, figures: dict, titles: dict) -> list[str]:
    """Adds the aims of CPU time; answers which of them a handler without any layer would reach."""
    cpu = {name: {of: seen.median_cpu_us for of, seen in each.items()} for name, each in figures.items()}
    together = []
    for operation, title in OPERATIONS.items():
        ours, bare = cpu["api"][operation], cpu["bare"][operation]
        for peer, factor in BETTER_MIN.items():
            ratio, of_bare = cpu[peer][operation] / ours, cpu[peer][operation] / bare
            aims.add(
                f"{title}: CPU of {titles[peer]} over ours", f"{ratio:.1f}×", f"≥ {factor:.0f}×", ratio >= factor,
                f"{title} costs {ours:.0f} µs; {titles[peer]} needs {ratio:.1f} times that, not {factor:.0f} times. "
                + (
                    f"The bare handler would reach {of_bare:.1f}×: our layers cost the rest."
                    if of_bare >= factor
                    else f"The bare handler, without any layer, does not reach it either ({of_bare:.1f}×)."
                ),
            )  # fmt: skip
            if of_bare / BARE_MAX < factor:
                together.append(
                    f"{title}: at {BARE_MAX}× the bare handler's cost a service is {of_bare / BARE_MAX:.1f}× better "
                    f"than {titles[peer]}, so {factor:.0f}× asks for more than {BARE_MAX}× does "
                    f"(at most {of_bare / factor:.2f}× the bare handler)."
                )
        ratio = ours / bare
        aims.add(
            f"{title}: our CPU over the bare handler's", f"{ratio:.2f}×", f"≤ {BARE_MAX}×", ratio <= BARE_MAX,
            f"{title} costs {ratio:.2f} times the bare handler: identification, rate limit, metrics, the log line "
            f"and the headers take {ours - bare:.0f} µs a request.",
        )  # fmt: skip
    return together


def page(*, servers, figures, idle, loaded, steps, postgres, python, seconds, whole_seconds, busy, setup) -> str:
    titles = {server.name: server.title for server in servers}
    aims = Aims()
    together = cpu_aims(aims, figures, titles)
    resident = idle["api"][0]
    aims.add("resident memory, idle", f"{resident:.1f} MB", f"≤ {IDLE_MB_MAX:.0f} MB", resident <= IDLE_MB_MAX,
             f"Idle it holds {resident:.1f} MB.")  # fmt: skip
    aims.add("resident memory, under load", f"{loaded['api']:.1f} MB", f"≤ {LOADED_MB_MAX:.0f} MB",
             loaded["api"] <= LOADED_MB_MAX, f"Under load it holds up to {loaded['api']:.1f} MB.")  # fmt: skip
    ready = median(next(server for server in servers if server.name == "api").ready_ms)
    aims.add("start to ready", f"{ready:.0f} ms", f"< {READY_MS_MAX:.0f} ms", ready < READY_MS_MAX,
             f"It takes {ready:.0f} ms from its start to its first 200 on `/readyz`.")  # fmt: skip
    not_held = [step for step in steps if step["held"] < step["rate"] * HELD_SHARE_MIN]
    slow = [step for step in steps if step["p99_ms"] >= RAMP_P99_MS_MAX]
    worst = max(step["p99_ms"] for step in steps)
    aims.add(
        f"{steps[0]['rate']} → {steps[-1]['rate']} requests/s, worst p99", f"{worst:.1f} ms",
        f"< {RAMP_P99_MS_MAX:.0f} ms, all rates held", not not_held and not slow,
        "Rates not held: " + (", ".join(f"{step['rate']} (got {step['held']:.0f})" for step in not_held) or "none")
        + f"; rates with a p99 of {RAMP_P99_MS_MAX:.0f} ms or more: "
        + (", ".join(str(step["rate"]) for step in slow) or "none") + ".",
    )  # fmt: skip

    sections = [
        "# Figures of the API",
        "Written by `make bench-api`, which builds and runs everything on this page again.",
        f"{machine()}, {datetime.date.today()}, {said('rustc', '--version').rsplit(' (', 1)[0]} (built as for an image), "
        f"{said(python, '--version')}, PostgreSQL {postgres}; generator, servers and database on the same cores. "
        f"The whole run took {whole_seconds:.0f} s. Of the cores {busy[0]:.0%} were in use by other work just before "
        f"the run, {busy[1]:.0%} just after.",
        "## How it was measured",
        f"Four programs serve the same {setup.ROWS:,} rows, each from a copy of the same database with "
        f"{setup.DATABASE_CONNECTIONS} connections to it, to {setup.CLIENTS} connections of a generator that sends "
        f"the next request when the answer is there. Answers were compared byte for byte first (of a new item all but "
        f"its id and times). Each program was measured {setup.TURNS} times for {seconds:g} s, in the order A B C D "
        "D C B A and so on, each time after a warm-up. "
        "Every answer was a 2xx, else there would be no page. CPU is user and system time of all of a program's "
        "processes by `/proc`, without Postgres and generator; it is the figure to compare, while latencies and "
        "requests a second depend on what else wants the two cores. A figure is the median of its turns, and no surer "
        "than they are alike.",
        "- **opsconsole-api**: all its layers, with an API key from the database, a rate limit that refuses nobody, "
        "JSON lines into a file.\n"
        "- **bare axum + sqlx** (`api/benches/bare.rs`): no layer at all, no key, no log.\n"
        f"- **FastAPI + asyncpg** and **FastAPI + SQLAlchemy** (`api/benches/peers/`): uvicorn with uvloop, httptools "
        f"and {setup.UVICORN_WORKERS} workers; request id, JSON line, Prometheus metrics, key check and rate limit in "
        "one pure ASGI class, the cheapest way; without what the API does besides (trace context, time and size "
        "limits, security headers, idempotency, problem documents). Versions are pinned in `requirements.txt` there.",
        "## Aims",
        table(["figure", "measured", "aim", ""], aims.rows),
        "## Falls short" if aims.missed else "Every aim is met.",
    ]
    if aims.missed:
        sections.append("\n".join(f"- {line}" for line in aims.missed))
    if together:
        sections.append("Of the three aims of CPU time these bind harder than the others:")
        sections.append("\n".join(f"- {line}" for line in together))
    for operation, title in OPERATIONS.items():
        rows = []
        for server in servers:
            seen = figures[server.name][operation]
            turns = ", ".join(f"{value:.0f}" for value in seen.cpu_us)
            p50, p99 = seen.percentile_ms(0.5), seen.percentile_ms(0.99)
            rows.append([server.title, f"**{seen.median_cpu_us:.0f}**", turns, f"{p50:.1f}", f"{p99:.1f}",
                         f"{seen.per_second:,.0f}", f"{seen.requests:,}"])  # fmt: skip
        head = ["", "CPU µs a request", "its turns", "p50 ms", "p99 ms", "requests/s", "requests measured"]
        sections += [f"## {title}", table(head, rows)]
    rows = []
    for server in servers:
        starts = ", ".join(f"{value:.0f}" for value in server.ready_ms)
        rows.append([server.title, str(len(server.pids)), f"{idle[server.name][0]:.1f}", f"{idle[server.name][1]:.1f}",
                     f"{loaded[server.name]:.1f}", f"{median(server.ready_ms):.0f}", starts])  # fmt: skip
    head = ["", "processes", "resident MB idle", "proportional MB idle", "largest resident MB under load",
            "start to ready ms", "its starts"]  # fmt: skip
    sections += [
        "## Memory and start",
        "Summed over all processes; proportional counts what processes share only once. Ready is the first 200 on "
        "`/readyz`, which asks the database; the schema is there already.",
        table(head, rows),
        "## More and more requests",
        f"This API, {setup.RAMP_CLIENTS} connections; of ten requests eight read one item, one lists 20, one makes "
        f"one. Each rate lasts {seconds:g} s. A latency counts from when its request was due, so it includes up to a "
        "millisecond of the generator's clock.",
    ]
    rows = [[f"{step['rate']:,}", f"{step['held']:,.0f}", f"{step['p50_ms']:.1f}", f"{step['p99_ms']:.1f}",
             f"{step['cpu_percent']:.0f} %"] for step in steps]  # fmt: skip
    sections.append(
        table(["asked for, requests/s", "answered", "p50 ms", "p99 ms", "CPU of the API, of one core"], rows)
    )
    return "\n\n".join(sections) + "\n"
