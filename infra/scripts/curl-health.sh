#!/usr/bin/env bash
# Asks a stack whether it is well: ten tries at its health URL. With --deep also, from inside the instance of the ec2 stack,
# the database, the buckets and the way to the search and language APIs.
# usage: curl-health.sh [--deep] [URL]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
STACK_DIR=${STACK_DIR:-$here/stacks/ec2}
# shellcheck source=infra/scripts/outputs.sh
. "$here/scripts/outputs.sh"
need curl

deep=false
if [ "${1:-}" = --deep ]; then deep=true; shift; fi
url=${1:-$(contract .urls.health)}

for try in $(seq "${TRIES:-10}"); do
  if curl -fsS --max-time 5 -o /dev/null "$url"; then
    echo "curl-health.sh: $url is well (try $try)"
    if $deep; then exec "$here/scripts/ssh.sh" sudo /usr/local/lib/opsconsole-api/verify; fi
    exit 0
  fi
  sleep "${WAIT_S:-6}"
done
echo "curl-health.sh: $url did not answer well in ${TRIES:-10} tries" >&2
exit 1
