#!/usr/bin/env bash
# A shell on the instance of the ec2 stack: by Session Manager, which needs no open port and no key, or with --ssh by SSH
# where ssh_cidrs lets you in.
# usage: ssh.sh [--ssh] [COMMAND…]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
STACK_DIR=${STACK_DIR:-$here/stacks/ec2}
# shellcheck source=infra/scripts/outputs.sh
. "$here/scripts/outputs.sh"
need jq terraform

if [ "${1:-}" = --ssh ]; then
  shift
  need ssh
  host=$(output app_url)
  host=${host#http://}
  exec ssh "ec2-user@${host%%:*}" "$@"
fi

need aws
region=$(contract .region)
instance=$(output instance_id)
if [ $# -eq 0 ]; then
  exec aws --region "$region" ssm start-session --target "$instance"
fi
exec aws --region "$region" ssm start-session --target "$instance" --document-name AWS-StartInteractiveCommand \
  --parameters "$(jq -n --arg command "$*" '{command: [$command]}')"
