#!/usr/bin/env bash
# Sourced by the others: `output NAME` reads one output of the stack in $STACK_DIR, or says how to get there.

output() {
  local value
  if ! value=$(terraform -chdir="${STACK_DIR:?}" output -raw "$1" 2>/dev/null) || [ -z "$value" ]; then
    echo "$(basename "$0"): no output $1 in $STACK_DIR; run make apply STACK=$(basename "$STACK_DIR") first" >&2
    return 1
  fi
  printf '%s' "$value"
}

contract() {
  local value
  if ! value=$(terraform -chdir="${STACK_DIR:?}" output -json opsconsole 2>/dev/null); then
    echo "$(basename "$0"): no output opsconsole in $STACK_DIR; run make apply STACK=$(basename "$STACK_DIR") first" >&2
    return 1
  fi
  jq -er "$1" <<<"$value"
}

need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || { echo "$(basename "$0"): $tool is missing" >&2; exit 1; }
  done
}
