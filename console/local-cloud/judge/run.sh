#!/usr/bin/env bash
# Lets outsiders judge the local cloud: the real aws CLI and boto3 in a throw-away environment,
# against a throw-away cloud. Prints "N passed, N failed"; not zero when one failed.
#
#   console/local-cloud/judge/run.sh
#
# OPSCONSOLE_JUDGE_BIN   the opsconsole-local-cloud to judge (built when not given)
# OPSCONSOLE_JUDGE_VENV  a Python environment to use and keep (made and removed when not given)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/opsconsole-judge.XXXXXX")
cloud_pid=

clean_up() {
  status=$?
  trap - EXIT INT TERM
  if [[ -n $cloud_pid ]] && kill -0 "$cloud_pid" 2>/dev/null; then
    kill -TERM "$cloud_pid" 2>/dev/null || true
    wait "$cloud_pid" 2>/dev/null || true
  fi
  if ((status != 0)) && [[ -f $work/cloud.log ]]; then
    echo "--- the end of the cloud's log" >&2
    tail -n 30 "$work/cloud.log" >&2
  fi
  rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

venv=${OPSCONSOLE_JUDGE_VENV:-$work/venv}
if [[ ! -x $venv/bin/aws ]]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check \
    --requirement "$here/requirements.txt"
fi

binary=${OPSCONSOLE_JUDGE_BIN:-}
if [[ -z $binary ]]; then
  (cd "$root" && cargo build --quiet --package opsconsole-local-cloud)
  binary=${CARGO_TARGET_DIR:-$root/target}/debug/opsconsole-local-cloud
fi

: >"$work/exports"
"$binary" supervise --foreground --data-dir "$work/data" \
  >"$work/exports" 2>"$work/cloud.log" &
cloud_pid=$!
for _ in $(seq 300); do
  grep -q '^export AWS_SECRET_ACCESS_KEY=' "$work/exports" && break
  kill -0 "$cloud_pid" 2>/dev/null || {
    echo "the cloud ended before it answered" >&2
    exit 1
  }
  sleep 0.1
done

# Nothing of the caller's own AWS configuration may reach the judges.
while IFS= read -r variable; do
  unset "$variable"
done < <(compgen -e | grep '^AWS_' || true)
export AWS_CONFIG_FILE=$work/no-config AWS_SHARED_CREDENTIALS_FILE=$work/no-credentials
export AWS_EC2_METADATA_DISABLED=true AWS_PAGER=''
# Only exports are taken over: whatever else the cloud prints is not code.
while IFS='=' read -r name value; do
  export "${name#export }=$value"
done < <(grep -E '^export AWS_[A-Z_]+=[^[:space:]]+$' "$work/exports")

cd "$work"
PATH="$venv/bin:$PATH" PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/judge.py"
