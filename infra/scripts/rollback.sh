#!/usr/bin/env bash
# Goes back to the last release that is known to be good: a thin call of opsconsole, so that people, pipelines and this
# script share one code path.
# usage: rollback.sh ENVIRONMENT REASON…
set -euo pipefail

environment=${1:?usage: rollback.sh ENVIRONMENT REASON…}
shift
[ $# -gt 0 ] || { echo "rollback.sh: say why: rollback.sh $environment \"5xx since 02:41\"" >&2; exit 2; }
command -v opsconsole >/dev/null || { echo "rollback.sh: opsconsole is not installed (cargo install --path console)" >&2; exit 1; }

exec opsconsole rollback --env "$environment" --confirm "$environment" --reason "$*"
