#!/usr/bin/env python3
"""Grafana's dashboards show what the documents ask for, and only metrics that somebody exposes.

usage: dashboards.py OUT     OUT gets every query as a Prometheus rule, for `promtool check rules`
"""

import json
import pathlib
import re
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = REPOSITORY / "infra/stacks/ecs-efs/config/dashboards"
API = REPOSITORY / "api/src"

# What the document wants to see → dashboard, and a piece of the query that shows it.
WANTED = {
    "request rate": ("application", "rate(http_server_requests_total["),
    "p50": ("application", "histogram_quantile(0.5,"),
    "p95": ("application", "histogram_quantile(0.95,"),
    "p99": ("application", "histogram_quantile(0.99,"),
    "errors by status": ("application", "sum by (status)"),
    "database pool": ("infrastructure", "db_client_connection_count"),
    "container CPU": ("infrastructure", "CpuUtilized"),
    "container memory": ("infrastructure", "MemoryUtilized"),
    "business": ("business", "opsconsole_api_items_created_total"),
}
# Prometheus' own, and those of every client library.
STANDARD = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
METRIC = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b(?!\s*\()|\bup\b")


def main():
    problems, rules, uids = [], [], set()
    exposed = "\n".join(path.read_text() for path in API.rglob("*.rs"))
    queries = {}
    for path in sorted(FOLDER.glob("*.json")):
        dashboard = json.loads(path.read_text())
        if dashboard["uid"] in uids:
            problems.append(f"{path.name}: uid {dashboard['uid']} is taken by another dashboard")
        uids.add(dashboard["uid"])
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                query = target.get("expr") or target["metricName"]
                queries.setdefault(path.stem, []).append(query)
                if "expr" not in target:
                    continue
                query = query.replace("$__rate_interval", "5m")
                rules.append({"record": f"dashboard:{path.stem}:{len(rules)}", "expr": query})
                for metric in set(METRIC.findall(re.sub(r"\{[^}]*\}|\bby \([^)]*\)|\"[^\"]*\"", "", query))) - STANDARD:
                    if f'"{metric.removesuffix("_bucket")}"' not in exposed:
                        problems.append(f"{path.name}, {panel['title']}: the API exposes no {metric}")
    for what, (name, piece) in WANTED.items():
        if not any(piece in query for query in queries.get(name, [])):
            problems.append(f"{name}.json: does not show {what}")
    # JSON is YAML: promtool reads it as a rule file.
    pathlib.Path(sys.argv[1]).write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}))
    for problem in problems:
        print(f"dashboards.py: {problem}", file=sys.stderr)
    if not problems:
        print(f"dashboards.py: {len(queries)} dashboards, {sum(map(len, queries.values()))} queries")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
