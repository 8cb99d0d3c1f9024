#!/usr/bin/env bash
# Fills a revision into an environment's AppSpec and prints what CodeDeploy takes (JSON).
# usage: appspec.sh ENVIRONMENT TASK_DEFINITION_ARN
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
environment=${1:?usage: appspec.sh ENVIRONMENT TASK_DEFINITION_ARN}
revision=${2:?usage: appspec.sh ENVIRONMENT TASK_DEFINITION_ARN}
file=$here/stacks/ecs-bluegreen/appspec/$environment.yaml

[ -f "$file" ] || { echo "appspec.sh: no AppSpec for $environment in $(dirname "$file")" >&2; exit 2; }
[[ $revision =~ ^arn:aws:ecs:[a-z0-9-]+:[0-9]{12}:task-definition/[A-Za-z0-9_-]+:[0-9]+$ ]] ||
  { echo "appspec.sh: $revision is no revision's ARN (…:task-definition/FAMILY:N)" >&2; exit 2; }

text=$(<"$file")
jq -n --arg content "${text//TASK_DEFINITION/$revision}" '{revisionType: "AppSpecContent", appSpecContent: {content: $content}}'
