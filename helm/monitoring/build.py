#!/usr/bin/env python3
"""Writes the dashboards, and copies rules and dashboards to the places that cannot read them here.

usage: build.py [--check]      with --check it only compares, and fails where a file has drifted

The sources are rules.yml and the panels below. They are copied because Helm reads no file outside its chart, and because
a Terraform stack is handed over as a folder. The Fargate stack has dashboards of its own: its containers are measured by
CloudWatch, not by cAdvisor.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
API = 'namespace=~"$namespace",job=~"$job"'
CUSTOMERS = API + ',route!~"/livez|/readyz|/health|/metrics"'
CONTAINER = 'namespace=~"$namespace",container=~"api|opsconsole-api.*"'
WINDOW = "[$__rate_interval]"


def panel(title, description, unit, *queries, kind="timeseries", **limits):
    """One panel: queries are (expression, legend); limits are thresholds by colour."""
    steps = [{"color": "green", "value": None}] + [{"color": colour, "value": value} for colour, value in limits.items()]
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + number), "expr": expression, "legendFormat": legend, "datasource": {"type": "prometheus", "uid": "${datasource}"}}
            for number, (expression, legend) in enumerate(queries)
        ],
    }


def stat(*arguments, **limits):
    return panel(*arguments, kind="stat", **limits)


def quantile(of):
    return f"histogram_quantile({of}, sum by (le) (rate(http_server_request_duration_seconds_bucket{{{CUSTOMERS}}}{WINDOW})))"


APPLICATION = [
    stat("Availability, 30 min", "The worse of scrapes answered and requests answered without a server error. Alert under 99 %.", "percentunit",
         (f"min(opsconsole_api:availability:ratio30m{{{API}}})", "available")),
    stat("Errors", "Share of requests that end in a 5xx. Alert over 5 %.", "percentunit",
         (f"max(opsconsole_api:errors:ratio5m{{{API}}})", "errors"), orange=0.01, red=0.05),
    stat("p95", "One answer in twenty takes longer. Alert over 500 ms.", "s",
         (f"max(opsconsole_api:latency:p95_5m{{{API}}})", "p95"), orange=0.25, red=0.5),
    stat("Releases running", "More than one while a rollout is on its way.", "short",
         (f"count by (release) (opsconsole_api_build_info{{{API}}})", "{{release}}")),
    panel("Requests", "Without probes and scrapes, by status.", "reqps",
          (f"sum by (status) (rate(http_server_requests_total{{{CUSTOMERS}}}{WINDOW}))", "{{status}}")),
    panel("Response time", "Time from the head of a request to the head of its answer.", "s",
          (quantile(0.5), "p50"), (quantile(0.95), "p95"), (quantile(0.99), "p99"), red=0.5),
    panel("Requests by route", "Which part of the API is used.", "reqps",
          (f"sum by (method, route) (rate(http_server_requests_total{{{CUSTOMERS}}}{WINDOW}))", "{{method}} {{route}}")),
    panel("Response time by route, p95", "Which part of the API is slow.", "s",
          (f"histogram_quantile(0.95, sum by (le, route) (rate(http_server_request_duration_seconds_bucket{{{CUSTOMERS}}}{WINDOW})))", "{{route}}"), red=0.5),
    panel("Requests in flight", "Being worked on now, by process.", "short",
          (f"http_server_active_requests{{{API}}}", "{{instance}}")),
    panel("Database pool", "Connections in use and idle, and the most there may be.", "short",
          (f"sum by (state) (db_client_connection_count{{{API}}})", "{{state}}"),
          (f"sum(db_client_connection_max{{{API}}})", "most")),
    panel("Database connections that failed", "Any is an alert.", "short",
          (f"sum(increase(db_client_connection_errors_total{{{API}}}{WINDOW}))", "failed"), red=1),
    panel("Errors by route", "Where the 5xx come from; 0 where nothing failed.", "reqps",
          (f'sum by (route) (rate(http_server_requests_total{{{CUSTOMERS},status=~"5.."}}{WINDOW})) or sum(rate(http_server_requests_total{{{CUSTOMERS}}}{WINDOW})) * 0', "{{route}}")),
]

INFRASTRUCTURE = [
    stat("Processes", "That answer their scrapes.", "short", (f"sum(up{{{API}}})", "up")),
    stat("Processes that do not answer", "Any is worth a look.", "short", (f"count(up{{{API}}}) - sum(up{{{API}}})", "down"), red=1),
    stat("Restarts, 1 h", "Processes that came back under their own address.", "short",
         (f"sum(changes(process_start_time_seconds{{{API}}}[1h]))", "restarts"), orange=1, red=3),
    stat("Youngest process", "A rollout or a restart a moment ago.", "s",
         (f"time() - max(process_start_time_seconds{{{API}}})", "age")),
    panel("CPU of each process", "Share of the CPU that it may use. Alert over 80 %. From the process itself, so it is there on every platform.", "percentunit",
          (f"opsconsole_api:cpu_used:ratio5m{{{API}}}", "{{instance}}"), red=0.8),
    panel("Memory of each process", "In RAM. From the process itself, so it is there on every platform.", "bytes",
          (f"process_resident_memory_bytes{{{API}}}", "{{instance}}")),
    panel("CPU of each container", "Cores, and the limit. From cAdvisor: Kubernetes and Compose. On Fargate see CPUUtilization in CloudWatch.", "short",
          (f"sum by (pod, name) (rate(container_cpu_usage_seconds_total{{{CONTAINER}}}{WINDOW}))", "{{pod}}{{name}}"),
          (f"max(container_spec_cpu_quota{{{CONTAINER}}} / container_spec_cpu_period{{{CONTAINER}}})", "limit")),
    panel("Memory of each container", "The working set, which the limit is measured on, and the limit. From cAdvisor.", "bytes",
          (f"sum by (pod, name) (container_memory_working_set_bytes{{{CONTAINER}}})", "{{pod}}{{name}}"),
          (f"max(container_spec_memory_limit_bytes{{{CONTAINER}}})", "limit")),
    panel("CPU periods cut short", "Share of periods in which a container met its CPU limit. From cAdvisor.", "percentunit",
          (f"sum by (pod, name) (rate(container_cpu_cfs_throttled_periods_total{{{CONTAINER}}}{WINDOW})) / sum by (pod, name) (rate(container_cpu_cfs_periods_total{{{CONTAINER}}}{WINDOW}))", "{{pod}}{{name}}"), red=0.25),
    panel("Scrapes", "How long each takes.", "s", (f"scrape_duration_seconds{{{API}}}", "{{instance}}")),
]

BUSINESS = [
    stat("Items stored, 24 h", "Since the processes that run now started, at most.", "short",
         (f"sum(increase(opsconsole_api_items_created_total{{{API}}}[24h]))", "items")),
    stat("Texts generated, 24 h", "Content for locations.", "short",
         (f"sum(increase(opsconsole_api_content_generated_total{{{API}}}[24h]))", "texts")),
    stat("Oldest job waiting", "How long a customer's text waits.", "s",
         (f"max(opsconsole_api_job_oldest_age_seconds{{{API}}})", "age"), orange=60, red=300),
    stat("Use of the API, 24 h", "Requests that were answered without an error of either side.", "short",
         (f'sum(increase(http_server_requests_total{{{CUSTOMERS},status=~"2.."}}[24h]))', "requests")),
    panel("Items stored", "A minute.", "short", (f"60 * sum(rate(opsconsole_api_items_created_total{{{API}}}{WINDOW}))", "items")),
    panel("Texts generated", "A minute.", "short", (f"60 * sum(rate(opsconsole_api_content_generated_total{{{API}}}{WINDOW}))", "texts")),
    panel("Jobs by state", "The whole queue, as each process counts it in the database.", "short",
          (f"max by (state) (opsconsole_api_jobs{{{API}}})", "{{state}}")),
    panel("Requests that customers got wrong", "4xx: a contract that is hard to keep shows here; 0 where there were none.", "reqps",
          (f'sum by (status) (rate(http_server_requests_total{{{CUSTOMERS},status=~"4.."}}{WINDOW})) or sum(rate(http_server_requests_total{{{CUSTOMERS}}}{WINDOW})) * 0', "{{status}}")),
]

TITLES = {"application": APPLICATION, "infrastructure": INFRASTRUCTURE, "business": BUSINESS}


def variable(name, query):
    return {
        "name": name, "label": name, "type": "query", "datasource": {"type": "prometheus", "uid": "${datasource}"}, "query": query,
        "refresh": 2, "includeAll": True, "multi": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "sort": 1,
    }


def dashboard(name, panels):
    x = y = 0
    placed = []
    for number, one in enumerate(panels, 1):
        width, height = (6, 4) if one["type"] == "stat" else (12, 8)
        if x + width > 24:
            x, y = 0, y + placed[-1]["gridPos"]["h"]
        placed.append({"id": number, **one, "gridPos": {"x": x, "y": y, "w": width, "h": height}})
        x += width
    return {
        "uid": f"opsconsole-{name}",
        "title": f"opsconsole-api: {name}",
        "tags": ["opsconsole"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "30s",
        "links": [{"type": "dashboards", "tags": ["opsconsole"], "title": "opsconsole", "asDropdown": False, "includeVars": True, "keepTime": True}],
        "templating": {"list": [
            {"name": "datasource", "label": "datasource", "type": "datasource", "query": "prometheus", "current": {}},
            variable("namespace", "label_values(opsconsole_api_build_info, namespace)"),
            variable("job", 'label_values(opsconsole_api_build_info{namespace=~"$namespace"}, job)'),
        ]},
        "annotations": {"list": [{
            "name": "Releases", "enable": True, "iconColor": "blue", "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "expr": f"changes(process_start_time_seconds{{{API}}}[1m]) > 0", "titleFormat": "started {{instance}}",
        }]},
        "panels": placed,
    }


def outputs():
    """Path, relative to the repository → text."""
    rules = (HERE / "rules.yml").read_text()
    files = {
        "helm/opsconsole-api/files/rules.yml": "# Copied from helm/monitoring/rules.yml by build.py.\n" + rules,
        "infra/stacks/ecs-efs/config/rules.yml": "# Copied from helm/monitoring/rules.yml by build.py.\n" + rules,
    }
    for name, panels in TITLES.items():
        text = dashboard(name, panels)
        files[f"helm/monitoring/dashboards/{name}.json"] = json.dumps(text, indent=2) + "\n"
        files[f"helm/opsconsole-api/files/dashboards/{name}.json"] = json.dumps(text, separators=(",", ":")) + "\n"
    return files


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    drifted = []
    for name, text in outputs().items():
        path = REPOSITORY / name
        if path.exists() and path.read_text() == text:
            continue
        drifted.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if check and drifted:
        sys.exit("drifted: " + ", ".join(drifted) + "\nRun helm/monitoring/build.py and commit.")
    for name in drifted:
        print("wrote", name)


if __name__ == "__main__":
    main()
