#!/usr/bin/env bash
# Writes api/.sqlx anew: what a Postgres with our schema says of each statement that is checked when it is compiled.
# Needed after a migration or a change of such a statement; `cargo test` says so.
#
#   api/tests/checked-statements.sh
#
# Needs the binaries of Postgres on the machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
for binaries in /usr/lib/postgresql/*/bin; do PATH=$PATH:$binaries; done

work=$(mktemp -d "${TMPDIR:-/tmp}/opsconsole-checked.XXXXXX")
server=
clean_up() {
  status=$?
  trap - EXIT
  if [[ -n $server ]]; then
    kill -INT "$server"
    # Told by SIGINT it ends with 0; anything else is worth knowing.
    wait "$server" || status=$?
  fi
  rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT

# Postgres refuses to run as root.
as_user=()
if [[ $(id -u) -eq 0 ]]; then
  chown nobody "$work"
  as_user=(setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups)
fi
cd "$work"
LC_ALL=C "${as_user[@]}" initdb -D "$work/data" -U tester --auth=trust --no-sync -E UTF8 >"$work/initdb.log"
"${as_user[@]}" postgres -D "$work/data" -k "$work" -c listen_addresses= -c fsync=off >"$work/server.log" 2>&1 </dev/null &
server=$!
cd - >/dev/null
url="postgres://tester@localhost/postgres?host=${work//\//%2F}"
for _ in $(seq 300); do
  ! psql --quiet "$url" --command "" 2>/dev/null || break
  sleep 0.1
done
cat api/migrations/postgres/*.sql | psql --quiet --set ON_ERROR_STOP=1 "$url"

mkdir -p api/.sqlx
rm -f api/.sqlx/query-*.json
# Cargo does not see that a database takes the place of the folder.
touch api/src/storage/postgres/*.rs
SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$PWD/api/.sqlx DATABASE_URL=$url cargo build --workspace --bin opsconsole-api
touch api/src/storage/postgres/*.rs
