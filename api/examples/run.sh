#!/usr/bin/env bash
# Generates the clients of the examples from the OpenAPI document of a throw-away API, runs each example against it, and
# fails when one prints something else than expected.txt.
#
#   api/examples/run.sh [curl|python|typescript …]
#
# OPSCONSOLE_API_BIN   the opsconsole-api to try (built when not given)
set -euo pipefail
examples=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=api/tests/served.sh
source "$examples/../tests/served.sh"
# Kept between runs: what is installed.
tools=$root/target/tools/examples

run_curl() { "$examples/curl/items.sh"; }

run_python() {
  local python=$tools/python
  python_with "$python" -r "$examples/python/requirements.txt"
  # It only asks for ruff to format what it made, which nobody reads here.
  "$python/bin/openapi-python-client" generate --path "$work/openapi.json" --meta none \
    --output-path "$work/python/opsconsole_api" --config <(echo "post_hooks: []") >&2
  PYTHONPATH=$work/python "$python/bin/python" "$examples/python/items.py"
}

run_typescript() {
  local folder=$tools/typescript/project
  mkdir -p "$folder"
  if ! cmp -s "$examples/typescript/package-lock.json" "$folder/package-lock.json"; then
    cp "$examples/typescript"/package*.json "$folder"
    (cd "$folder" && npm ci --silent --no-audit --no-fund >&2) || {
      rm "$folder/package-lock.json"
      return 1
    }
  fi
  cp "$examples/typescript"/{items.ts,tsconfig.json,package.json} "$folder"
  cp "$work/openapi.json" "$tools/typescript"
  (cd "$folder" && npm run --silent generate >&2 && npm run --silent build >&2 && node out/items.js)
}

# shellcheck disable=SC2119 # No settings of its own.
serve
export API=$url KEY=$key
for language in "${@:-curl python typescript}"; do
  for one in $language; do
    "run_$one" >"$work/$one.txt"
    diff -u "$examples/expected.txt" "$work/$one.txt"
    echo "$one: as expected"
  done
done
logged_no_errors
