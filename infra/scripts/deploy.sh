#!/usr/bin/env bash
# Puts a release of the API into the artifacts bucket and installs it on every instance of the ec2 stack over SSM. An
# instance that does not get well with it goes back by itself, and this script fails.
# usage: deploy.sh RELEASE [BINARY]     BINARY: upload it first; without it the release must be in the bucket
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
STACK_DIR=${STACK_DIR:-$here/stacks/ec2}
# shellcheck source=infra/scripts/outputs.sh
. "$here/scripts/outputs.sh"
need aws jq terraform sha256sum

release=${1:?usage: deploy.sh RELEASE [BINARY]}
[[ $release =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || { echo "deploy.sh: $release is no release, such as 1.5.0" >&2; exit 2; }
region=$(contract .region)
bucket=$(output artifacts_bucket)
tag_key=$(contract .target.instance_tag_key)
tag_value=$(contract .target.instance_tag_value)

if [ -n "${2:-}" ]; then
  [ -f "$2" ] || { echo "deploy.sh: $2 does not exist" >&2; exit 2; }
  # If-None-Match: a release that exists is never overwritten; a rollback must get what it was.
  sum=$(mktemp)
  trap 'rm -f "$sum"' EXIT
  sha256sum "$2" | cut -d' ' -f1 >"$sum"
  aws --region "$region" s3api put-object --bucket "$bucket" --key "releases/$release/opsconsole-api" --body "$2" --if-none-match '*' >/dev/null
  aws --region "$region" s3api put-object --bucket "$bucket" --key "releases/$release/opsconsole-api.sha256" --body "$sum" --if-none-match '*' >/dev/null
fi

command=$(aws --region "$region" ssm send-command --document-name AWS-RunShellScript \
  --targets "Key=tag:$tag_key,Values=$tag_value" --max-concurrency 1 --max-errors 0 --timeout-seconds 600 \
  --comment "opsconsole-api $release" \
  --parameters "$(jq -n --arg release "$release" '{commands: ["/usr/local/lib/opsconsole-api/install-release \($release)"]}')" \
  --query Command.CommandId --output text)
echo "deploy.sh: $release is being installed ($command)"

deadline=$((SECONDS + ${DEADLINE_S:-600}))
while [ "$SECONDS" -lt "$deadline" ]; do
  status=$(aws --region "$region" ssm list-commands --command-id "$command" --query 'Commands[0].Status' --output text)
  case $status in
    Success) echo "deploy.sh: $release runs"; exit 0 ;;
    Pending | InProgress | Cancelling) sleep "${POLL_S:-5}" ;;
    *)
      echo "deploy.sh: $release ended as $status:" >&2
      aws --region "$region" ssm list-command-invocations --command-id "$command" --details --output json |
        jq -r '.CommandInvocations[] | "  \(.InstanceId): \(.CommandPlugins[0].Output // "no output")"' >&2
      exit 1
      ;;
  esac
done
echo "deploy.sh: no end of $command within ${DEADLINE_S:-600} s" >&2
exit 1
