#!/usr/bin/env python3
"""Runs every query of every dashboard against a real Prometheus that scrapes the real API under traffic: none may be empty.

usage: dashboards.py API-PROGRAM

What the API itself does not show on this machine (cAdvisor, and metrics of a release that is older than the panel) comes
from tests/samples; the panels judged by those are listed.
"""

import http.server
import json
import math
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

MONITORING = pathlib.Path(__file__).resolve().parent.parent
DEADLINE_SECONDS = 120


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def get(url, body=None):
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_for(what, url, process):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"{what} ended with {process.returncode}")
        try:
            if get(url)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(f"{what} did not answer {url} within {DEADLINE_SECONDS} s")


def families(text):
    """Name of each metric family → its lines."""
    found, name = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split()[2]
        found.setdefault(name, []).append(line)
    return found


def serve(texts):
    """Answers /NAME with the recordings texts[NAME], one after the other, then always the last; its port."""
    served = {name: 0 for name in texts}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.strip("/")
            body = texts[name][min(served[name], len(texts[name]) - 1)].encode()
            served[name] += 1
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def traffic(api, stop):
    while not stop.is_set():
        try:
            get(f"{api}/items", json.dumps({"name": "tape"}).encode())
            get(f"{api}/items")
            get(f"{api}/items/none")
            get(f"{api}/livez")
        except OSError:
            pass
        stop.wait(0.02)


def concrete(expression):
    """The query as Grafana sends it with all of everything chosen."""
    for name, value in {"$__rate_interval": "1m", "$namespace": ".*", "$job": ".*"}.items():
        expression = expression.replace(name, value)
    if "$" in expression:
        sys.exit(f"a variable is unknown: {expression}")
    return expression


def numbers(prometheus, expression):
    status, text = get(f"{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
    if status != 200:
        sys.exit(f"refused: {expression}\n{text}")
    return [float(one["value"][1]) for one in json.loads(text)["data"]["result"]]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    queries = []
    for path in sorted(MONITORING.glob("dashboards/*.json")):
        board = json.loads(path.read_text())
        for panel in board["panels"]:
            for target in panel["targets"]:
                queries.append((f"{path.stem}: {panel['title']} ({target['refId']})", concrete(target["expr"])))
        for note in board["annotations"]["list"]:
            # A note marks a moment: none in a quiet minute is right, a query that Prometheus refuses is not.
            queries.append((None, concrete(note["expr"])))

    processes, stop = [], threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        try:
            api_port, own_port = free_port(), free_port()
            api, prometheus = f"http://127.0.0.1:{api_port}", f"http://127.0.0.1:{own_port}"
            settings = {name: value for name, value in os.environ.items() if not name.startswith("OPSCONSOLE_API_")}
            settings |= {
                "OPSCONSOLE_API_LISTEN": f"127.0.0.1:{api_port}",
                "OPSCONSOLE_API_DATABASE_URL": f"sqlite://{folder}/api.db",
                "OPSCONSOLE_API_RELEASE": "1.0.0",
            }
            with open(f"{folder}/api.log", "w") as log:
                processes.append(subprocess.Popen([sys.argv[1]], env=settings, cwd=folder, stdout=log, stderr=log))
            wait_for("the API", f"{api}/readyz", processes[-1])
            threading.Thread(target=traffic, args=(api, stop), daemon=True).start()

            shown = families(get(f"{api}/metrics")[1])
            recorded = families((MONITORING / "tests/samples/api.prom").read_text())
            missing = {name: lines for name, lines in recorded.items() if name not in shown}
            cadvisor = [path.read_text() for path in sorted(MONITORING.glob("tests/samples/cadvisor.*.prom"))]
            samples = serve({
                "api": ["\n".join(line for lines in missing.values() for line in lines) + "\n"],
                "cadvisor": cadvisor,
            })
            config = {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(MONITORING / "rules.yml")],
                "scrape_configs": [
                    {"job_name": "opsconsole-api", "static_configs": [{"targets": [f"127.0.0.1:{api_port}"]}]},
                    # Under the same job, because the panels ask for it, but not as one more process: `up` would count it.
                    {"job_name": "sample-api", "metrics_path": "/api", "static_configs": [{"targets": [f"127.0.0.1:{samples}"]}],
                     "metric_relabel_configs": [{"target_label": "job", "replacement": "opsconsole-api"}]},
                    {"job_name": "sample-cadvisor", "metrics_path": "/cadvisor", "honor_labels": True,
                     "static_configs": [{"targets": [f"127.0.0.1:{samples}"]}]},
                ],
            }
            # JSON is YAML, and needs no library.
            pathlib.Path(folder, "prometheus.yml").write_text(json.dumps(config))
            with open(f"{folder}/prometheus.log", "w") as log:
                processes.append(subprocess.Popen(
                    ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                     f"--web.listen-address=127.0.0.1:{own_port}"], stdout=log, stderr=log))
            wait_for("Prometheus", f"{prometheus}/-/ready", processes[-1])

            waiting, deadline = queries, time.monotonic() + DEADLINE_SECONDS
            while waiting and time.monotonic() < deadline:
                waiting = [
                    (title, query) for title, query in waiting
                    if not any(not math.isnan(value) for value in numbers(prometheus, query)) and title is not None
                ]
                time.sleep(1)
            names = set(missing) | set(families(cadvisor[0]))
            recordings = (MONITORING / "rules.yml").read_text()
            for rule in re.findall(r"- record: (\S+)\n((?:        .*\n)+)", recordings):
                if any(re.search(rf"\b{name}\b", rule[1]) for name in names):
                    names.add(rule[0])
            by_sample = [title for title, query in queries if title and any(re.search(rf"\b{re.escape(name)}\b", query) for name in names)]
            unhealthy = [
                f"{rule['name']}: {rule.get('lastError')}"
                for group in json.loads(get(f"{prometheus}/api/v1/rules")[1])["data"]["groups"]
                for rule in group["rules"] if rule["health"] != "ok"
            ]
        finally:
            stop.set()
            for process in processes:
                process.terminate()
            for process in processes:
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    total = sum(title is not None for title, _ in queries)
    print(f"{total} queries of {len(list(MONITORING.glob('dashboards/*.json')))} dashboards; by a recorded sample: {len(by_sample)}")
    for title in by_sample:
        print(f"  by sample  {title}")
    for title, query in waiting:
        print(f"  EMPTY      {title}: {query}")
    for line in unhealthy:
        print(f"  RULE       {line}")
    sys.exit(bool(waiting or unhealthy))


if __name__ == "__main__":
    main()
