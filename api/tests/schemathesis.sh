#!/usr/bin/env bash
# Lets Schemathesis (PyPI) send whatever the OpenAPI document allows, and much that it does not, to a throw-away API:
# no answer may be a 5xx or one that the document does not describe.
#
#   api/tests/schemathesis.sh
#
# OPSCONSOLE_API_BIN   the opsconsole-api to try (built when not given)
# SCHEMATHESIS_VENV    a Python environment to use and keep (target/tools/schemathesis when not given)
# SCHEMATHESIS_SEED    what to draw the requests from, to see a failure again
set -euo pipefail

version=4.32.5
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/opsconsole-schemathesis.XXXXXX")
api_pid=

clean_up() {
  status=$?
  trap - EXIT INT TERM
  if [[ -n $api_pid ]]; then
    # One that is gone already has failed; one that is asked to end drains and ends with 0.
    if ! { kill -TERM "$api_pid" && wait "$api_pid"; }; then
      echo "the API did not end well" >&2
      ((status)) || status=1
    fi
  fi
  if ((status != 0)) && [[ -f $work/api.log ]]; then
    echo "--- what the API complained of" >&2
    grep -v '"level":"INFO"' "$work/api.log" | tail -n 30 >&2
  fi
  rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

venv=${SCHEMATHESIS_VENV:-$root/target/tools/schemathesis}
if ! "$venv/bin/schemathesis" --version 2>/dev/null | grep -q "$version"; then
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
fi

binary=${OPSCONSOLE_API_BIN:-}
if [[ -z $binary ]]; then
  (cd "$root" && cargo build --quiet --package opsconsole-api)
  binary=${CARGO_TARGET_DIR:-$root/target}/debug/opsconsole-api
fi
"$binary" openapi >"$work/openapi.json"

key=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
env -i OPSCONSOLE_API_LISTEN=127.0.0.1:0 OPSCONSOLE_API_DATABASE_URL="sqlite://$work/api.db" \
  OPSCONSOLE_API_DRAIN_SECONDS=1 OPSCONSOLE_API_AUTH=on OPSCONSOLE_API_ADMIN_KEY="$key" OPSCONSOLE_API_RATE_LIMIT_PER_SECOND=100000 \
  "$binary" serve >"$work/api.log" 2>&1 </dev/null &
api_pid=$!
address=
for _ in $(seq 300); do
  address=$(sed -n 's/.*"message":"listening".*"address":"\([^"]*\)".*/\1/p' "$work/api.log")
  [[ -n $address ]] && grep -q '"schema is up to date"' "$work/api.log" && break
  kill -0 "$api_pid" 2>/dev/null || {
    echo "the API ended before it answered" >&2
    exit 1
  }
  sleep 0.1
done

# Left out, since the document cannot say it: whether a valid cursor, entity tag or idempotency key is accepted depends
# on what came before (positive_data_acceptance), and a change without If-Match is 428 instead of 406
# (missing_required_header).
cd "$work"
timeout 90 "$venv/bin/schemathesis" run openapi.json --url "http://$address" \
  --header "Authorization: Bearer $key" \
  --phases coverage,fuzzing,stateful --max-examples 8 ${SCHEMATHESIS_SEED:+--seed "$SCHEMATHESIS_SEED"} \
  --exclude-checks positive_data_acceptance,missing_required_header \
  --generation-database none --no-color
if grep -q '"level":"ERROR"' "$work/api.log"; then
  echo "the API wrote errors into its log" >&2
  exit 1
fi
