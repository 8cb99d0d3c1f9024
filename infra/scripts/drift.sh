#!/usr/bin/env bash
# Says whether the world is still as the code says: a plan that nobody applies. Exit code 0: it is; 2: it is not, with the
# names of what moved; 1: the check itself failed. The nightly workflow runs it for every stack.
# usage: drift.sh STACK_DIR [-var-file=…]
set -uo pipefail

dir=${1:?usage: drift.sh STACK_DIR [-var-file=…]}
shift
plan=$(mktemp)
log=$(mktemp)
trap 'rm -f "$plan" "$log"' EXIT

# Not -refresh-only: that also reports what a provider merely spells differently after it reads it back.
terraform -chdir="$dir" plan -detailed-exitcode -input=false -no-color -lock=false -out="$plan" "$@" >"$log" 2>&1
code=$?
case $code in
  0) echo "drift.sh: $dir is as the code says" ;;
  2)
    echo "drift.sh: $dir has drifted; an apply would:"
    terraform -chdir="$dir" show -json "$plan" |
      jq -r '.resource_changes[]? | select(.change.actions != ["no-op"] and .change.actions != ["read"]) | "  \(.change.actions | join("+"))  \(.address)"'
    ;;
  *) cat "$log" >&2 ;;
esac
exit "$code"
