# shellcheck shell=bash
# Sourced by the scripts that try a running API: a throw-away one on a free port, ended with the script.
#
# Sets:  root    the top of the repository
#        work    a folder that goes with the script; openapi.json is in it
#        binary  the opsconsole-api that runs (OPSCONSOLE_API_BIN, or built when not given)
#        url     where it serves, after `serve`
#        key     a key that may do everything

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/opsconsole-served.XXXXXX")
url=
api_pid=

clean_up() {
  local status=$?
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

binary=${OPSCONSOLE_API_BIN:-}
if [[ -z $binary ]]; then
  (cd "$root" && cargo build --quiet --package opsconsole-api)
  binary=${CARGO_TARGET_DIR:-$root/target}/debug/opsconsole-api
fi
"$binary" openapi >"$work/openapi.json"
key=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')

# serve [SETTING=VALUE …]: starts it and waits until it is ready; the settings are environment variables.
serve() {
  local address=
  env -i OPSCONSOLE_API_LISTEN=127.0.0.1:0 OPSCONSOLE_API_DATABASE_URL="sqlite://$work/api.db" \
    OPSCONSOLE_API_DRAIN_SECONDS=1 OPSCONSOLE_API_AUTH=on OPSCONSOLE_API_ADMIN_KEY="$key" "$@" \
    "$binary" serve >"$work/api.log" 2>&1 </dev/null &
  api_pid=$!
  for _ in $(seq 300); do
    address=$(sed -n 's/.*"message":"listening".*"address":"\([^"]*\)".*/\1/p' "$work/api.log")
    if [[ -n $address ]] && grep -q '"schema is up to date"' "$work/api.log"; then
      # shellcheck disable=SC2034 # For those who source this.
      url=http://$address
      return
    fi
    kill -0 "$api_pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "the API does not get ready" >&2
  exit 1
}

# python_with VENV PACKAGE==VERSION… | -r FILE: the Python of an environment that has exactly these, made where it is
# not there yet.
python_with() {
  local venv=$1 wanted
  shift
  wanted=$(printf '%s\n' "$@"; [[ $1 != -r ]] || cat "$2")
  if [[ $(cat "$venv/made-for" 2>/dev/null) != "$wanted" ]]; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
    echo "$wanted" >"$venv/made-for"
  fi
}

# logged_no_errors: fails when the API wrote one into its log.
logged_no_errors() {
  ! grep '"level":"ERROR"' "$work/api.log" || {
    echo "the API wrote errors into its log" >&2
    return 1
  }
}
