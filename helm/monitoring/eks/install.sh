#!/usr/bin/env bash
# Installs Prometheus, Alertmanager, Grafana and the log collector into the cluster of the current kubectl context.
#
#   install.sh --region REGION --log-group GROUP [--app-namespace NAMESPACE] [--dry-run]
#
# GROUP is /eks/NAME-ENVIRONMENT/NAMESPACE, as infra/stacks/eks made it. --dry-run only prints what it would run.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=/dev/null
. "$here/versions.env"

usage() { sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
region="" group="" app_namespace=opsconsole-api run=()
while [ $# -gt 0 ]; do
  case $1 in
    --region) region=${2:?--region needs a region} && shift 2 ;;
    --log-group) group=${2:?--log-group needs a name} && shift 2 ;;
    --app-namespace) app_namespace=${2:?--app-namespace needs a name} && shift 2 ;;
    --dry-run) run=(echo) && shift ;;
    -h | --help) usage && exit ;;
    *) echo "install.sh: $1 is no option of it" >&2 && usage >&2 && exit 2 ;;
  esac
done
[ -n "$region" ] && [ -n "$group" ] || { echo "install.sh: --region and --log-group are needed" >&2 && usage >&2 && exit 2; }

if [ ${#run[@]} -eq 0 ]; then
  for secret in opsconsole-alerts grafana-admin; do
    kubectl -n monitoring get secret "$secret" >/dev/null || {
      echo "install.sh: secret $secret is missing in namespace monitoring; see docs/how-to/kubernetes-install.md" >&2
      exit 1
    }
  done
fi

# The operator takes Alertmanager's configuration as a value; the file stays the one source.
values=$(mktemp)
trap 'rm -f "$values"' EXIT
{ printf 'alertmanager:\n  config:\n' && sed 's/^\(.\)/    \1/' "$here/../alertmanager/alertmanager.yml"; } >"$values"

${run[@]+"${run[@]}"} helm upgrade --install kube-prometheus-stack kube-prometheus-stack \
  --repo "$KUBE_PROMETHEUS_STACK_REPOSITORY" --version "$KUBE_PROMETHEUS_STACK_VERSION" \
  --namespace monitoring --create-namespace --values "$here/kube-prometheus-stack.yaml" --values "$values" --atomic --timeout 15m
${run[@]+"${run[@]}"} helm upgrade --install fluent-bit aws-for-fluent-bit \
  --repo "$AWS_FOR_FLUENT_BIT_REPOSITORY" --version "$AWS_FOR_FLUENT_BIT_VERSION" \
  --namespace logging --create-namespace --values "$here/aws-for-fluent-bit.yaml" \
  --set "cloudWatchLogs.region=$region" --set "cloudWatchLogs.logGroupName=$group" \
  --set "input.path=/var/log/containers/*_${app_namespace}_*.log" --atomic --timeout 10m
