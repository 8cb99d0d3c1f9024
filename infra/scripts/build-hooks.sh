#!/usr/bin/env bash
# Packs the CodeDeploy hooks into one zip, the same bytes from the same sources on every machine.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=${1:-$here/build/hooks.zip}
mkdir -p "$(dirname "$out")"

python3 - "$here/modules/codedeploy/hooks" "$out" <<'PY'
import pathlib
import sys
import zipfile

source, out = map(pathlib.Path, sys.argv[1:])
with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
    for name in ("migrate.py", "validate.py"):
        entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o644 << 16
        package.writestr(entry, (source / name).read_bytes())
PY
echo "$out"
