#!/usr/bin/env bash
# Everything that can be checked of helm/ on this machine; says plainly what it did not run, and why.
# With CI=true a check that cannot run is a failure.
#
#   helm/test.sh              all
#   helm/test.sh --write      writes the snapshots of the rendered chart, and what is generated
#
# KUBECONFIG_TEST     a cluster to try the chart on (kind's will do): it gets two namespaces, which are removed again.
# CLUSTER_TOOL        a program that brings one up instead; default: shared/tools/cluster beside the repository
# HELM_NOT_RUN        file that gets a line for each check that did not run
# OPSCONSOLE_API_BIN  the API whose metrics the dashboards show; default: target/debug/opsconsole-api
# shellcheck disable=SC2329  # functions are called by name, through check
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(dirname "$here")
chart=$here/opsconsole-api
monitoring=$here/monitoring
work=$(mktemp -d)
cluster="" cluster_dir=$repository/target/helm-cluster namespace=helm-test-$$
kubernetes=1.34.0
some_digest=sha256:$(printf '0%.0s' {1..64})

passed=0 failed=0
failures=() skipped=()

end() {
  if [ -n "${KUBECONFIG_TEST:-}" ]; then
    KUBECONFIG=$KUBECONFIG_TEST kubectl delete namespace "$namespace" "$namespace-rbac" --ignore-not-found --wait=false
    [ ! -e "$work/own-crds" ] || KUBECONFIG=$KUBECONFIG_TEST kubectl delete -f "$here/tests/crds.yaml" --ignore-not-found
  fi >/dev/null 2>&1
  [ -z "$cluster" ] || "$cluster" down --dir "$cluster_dir" >/dev/null 2>&1
  rm -rf "$work"
}
trap end EXIT

# check NAME COMMAND…: runs it, shows what it said only when it failed.
check() {
  local name=$1 begun=$SECONDS log=$work/log
  shift
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    printf 'ok    %-72s %4d s\n' "$name" $((SECONDS - begun))
  else
    failed=$((failed + 1))
    failures+=("$name")
    printf 'FAIL  %-72s %4d s\n' "$name" $((SECONDS - begun))
    sed 's/^/      /' "$log" | tail -n 60
  fi
}

# skip NAME WHY: a failure in CI.
skip() {
  if [ "${CI:-}" = true ]; then
    failed=$((failed + 1))
    failures+=("$1 (could not run: $2)")
  else
    skipped+=("$1: $2")
  fi
}

# check_with TOOL NAME COMMAND…
check_with() {
  local tool=$1 name=$2
  shift 2
  if command -v "$tool" >/dev/null; then check "$name" "$@"; else skip "$name" "$tool is missing"; fi
}

# ---------------------------------------------------------------- rendering

# render ENVIRONMENT [OPTION…]
render() {
  local environment=$1
  shift
  helm template opsconsole-api "$chart" --namespace opsconsole-api --kube-version "$kubernetes" \
    --values "$chart/values-$environment.yaml" --set "image.digest=$some_digest" "$@"
}

lint() {
  local environment
  for environment in dev staging production; do
    helm lint --strict "$chart" --values "$chart/values-$environment.yaml" --set "image.digest=$some_digest" || return
  done
}

snapshot() {
  render "$1" >"$work/$1.yaml" || return
  if ! diff -u "$here/tests/snapshots/$1.yaml" "$work/$1.yaml"; then
    echo "The rendered chart has changed: if that is meant, run helm/test.sh --write and commit."
    return 1
  fi
}

same_twice() {
  local environment
  for environment in dev staging production; do
    render "$environment" >"$work/first" && render "$environment" >"$work/second" && cmp "$work/first" "$work/second" || return
  done
}

bad_values() {
  local values words said result=0 count=0
  while IFS='|' read -r values words; do
    values=${values% } words=${words# }
    count=$((count + 1))
    if said=$(helm template opsconsole-api "$chart" --kube-version "$kubernetes" --set "$values" 2>&1); then
      echo "accepted: $values" && result=1
    elif ! grep -qF -- "$words" <<<"$said"; then
      printf 'refused without the words "%s": %s\n%s\n' "$words" "$values" "$said" && result=1
    elif [ "$(wc -l <<<"$said")" -gt 12 ]; then
      printf 'refused with too many lines: %s\n%s\n' "$values" "$said" && result=1
    fi
  done < <(grep -v '^#' "$here/tests/bad-values.txt")
  [ "$count" -gt 30 ] || { echo "only $count cases were read" && result=1; }
  return $result
}

# absent KIND OPTION…, present KIND OPTION…: whether the rendered chart has one.
has() {
  local kind=$1
  shift
  helm template opsconsole-api "$chart" --kube-version "$kubernetes" "$@" >"$work/has" || return 2
  grep -qx "kind: $kind" "$work/has"
}
postgres=(--set database.kind=postgres --set database.postgres.existingSecret=db)

absent() {
  has "$@"
  [ $? -eq 1 ] || { echo "there is a $1 with ${*:2}"; return 1; }
}

objects_come_and_go() {
  absent Job && has Job "${postgres[@]}" && absent Job "${postgres[@]}" --set migration.enabled=false &&
    absent PodDisruptionBudget && absent PodDisruptionBudget "${postgres[@]}" && has PodDisruptionBudget "${postgres[@]}" --set replicaCount=2 &&
    has PodDisruptionBudget "${postgres[@]}" --set autoscaling.enabled=true && absent PodDisruptionBudget "${postgres[@]}" --set autoscaling.enabled=true --set autoscaling.minReplicas=1 &&
    absent HorizontalPodAutoscaler && absent Ingress && absent HTTPRoute && absent ServiceMonitor && absent PrometheusRule && absent Role && absent ConfigMap &&
    has NetworkPolicy && absent NetworkPolicy --set networkPolicy.enabled=false && absent ServiceAccount --set serviceAccount.create=false
}

autoscaler_owns_replicas() {
  render production --show-only templates/deployment.yaml >"$work/scaled" && ! grep -n '^  replicas:' "$work/scaled" &&
    render staging --show-only templates/deployment.yaml | grep -qx '  replicas: 2'
}

database_password_is_no_value() {
  render production | grep -A4 'name: OPSCONSOLE_API_DATABASE_URL' >"$work/url" && grep -q secretKeyRef "$work/url" && ! grep -q 'value:' "$work/url"
}

# The rules as the chart narrows them, for promtool.
chart_rules() {
  render production --show-only templates/prometheusrule.yaml "$@" | sed -n '/^  groups:/,$p' | sed 's/^  //' >"$work/chart-rules.yml" &&
    promtool check rules "$work/chart-rules.yml" &&
    grep -q 'job="opsconsole-api",namespace="opsconsole-api"' "$work/chart-rules.yml" &&
    [ "$(grep -c 'runbook_url: https://' "$work/chart-rules.yml")" = "$(grep -c 'alert:' "$work/chart-rules.yml")" ] &&
    grep -q 'expr: vector(1)' "$work/chart-rules.yml" &&
    render staging --show-only templates/prometheusrule.yaml | grep -q 'expr: vector(0.5)'
}

# ---------------------------------------------------------------- monitoring

every_alert_has_tests() {
  local alert result=0
  while read -r alert; do
    grep -q -A2 "alertname: $alert" "$monitoring/tests/rules_test.yml" || { echo "$alert has no test" && result=1; }
    grep -A1 "alertname: $alert" "$monitoring/tests/rules_test.yml" | grep -q 'exp_alerts: \[\]' || { echo "$alert is never shown not to fire" && result=1; }
    grep -A1 "alertname: $alert" "$monitoring/tests/rules_test.yml" | grep -q 'exp_alerts:$' || { echo "$alert is never shown to fire" && result=1; }
    [ -e "$repository/docs/runbooks/${alert,,}.md" ] || { echo "docs/runbooks/${alert,,}.md is missing" && result=1; }
    grep -q "runbooks/${alert,,}.md" "$repository/docs/SUMMARY.md" || { echo "docs/SUMMARY.md does not list the runbook of $alert" && result=1; }
  done < <(sed -n 's/.*- alert: //p' "$monitoring/rules.yml")
  return $result
}

rules() { promtool check rules "$monitoring/rules.yml" && promtool test rules "$monitoring/tests/rules_test.yml"; }

compose_prometheus() {
  sed "s#/etc/prometheus/rules.yml#$monitoring/rules.yml#" "$monitoring/prometheus/prometheus.yml" >"$work/prometheus.yml" && promtool check config "$work/prometheus.yml"
}

compose_mounts() {
  local path result=0
  while read -r path; do
    [ -e "$monitoring/$path" ] || { echo "compose.yaml mounts $path, which is not there" && result=1; }
  done < <(sed -n 's/^ *- \(\.\/[^:]*\):.*/\1/p' "$monitoring/compose.yaml")
  return $result
}

# route RECEIVERS LABEL…
route() {
  local receivers=$1
  shift
  amtool config routes test --config.file="$monitoring/alertmanager/alertmanager.yml" --verify.receivers="$receivers" "$@"
}

routes() {
  amtool check-config "$monitoring/alertmanager/alertmanager.yml" || return
  local alert severity
  while read -r alert severity; do
    case $severity in
      critical) route on-call,channel "alertname=$alert" "severity=$severity" ;;
      warning) route channel "alertname=$alert" "severity=$severity" ;;
      *) echo "$alert is of severity $severity, which has no route" && false ;;
    esac || return
  done < <(awk '/- alert:/ {alert = $3} /severity:/ {print alert, $2}' "$monitoring/rules.yml")
  route nobody alertname=Watchdog severity=none && route channel alertname=Other severity=odd
}

eks_values() {
  local said
  said=$("$monitoring/eks/install.sh" --region us-east-1 --log-group /eks/shop-dev/opsconsole-api --dry-run) &&
    [ "$(grep -c -- '--version [0-9]' <<<"$said")" = 2 ] && grep -q 'cloudWatchLogs.logGroupName=/eks/shop-dev/opsconsole-api' <<<"$said" &&
    ! "$monitoring/eks/install.sh" 2>"$work/said" && grep -q -- '--region and --log-group are needed' "$work/said"
}

yaml() {
  (cd "$here" && yamllint --strict .) && { [ ! -d "$work/rendered" ] || yamllint --config-data '{extends: relaxed, rules: {line-length: disable}}' --strict "$work/rendered"; }
}

# ---------------------------------------------------------------- on a cluster

crds() {
  kubectl get crd servicemonitors.monitoring.coreos.com >/dev/null 2>&1 && return
  touch "$work/own-crds"
  kubectl apply -f "$here/tests/crds.yaml" && kubectl wait --for condition=Established --timeout 60s -f "$here/tests/crds.yaml"
}

# What the API server says to each object, without storing it. Misspelled fields are refused.
server_side() {
  helm template opsconsole-api "$chart" --namespace "$namespace" --kube-version "$kubernetes" --values "$chart/values-$1.yaml" --set "image.digest=$some_digest" |
    kubectl apply --dry-run=server --validate=strict --namespace "$namespace" -f -
}

misspelled_field_is_refused() {
  render dev --show-only templates/deployment.yaml | sed "s/namespace: opsconsole-api/namespace: $namespace/; s/readinessProbe/redinessProbe/" |
    kubectl apply --dry-run=server --validate=strict -f - >"$work/said" 2>&1
  cat "$work/said"
  grep -q 'unknown field.*redinessProbe' "$work/said"
}

in_cluster() { helm --namespace "$namespace" "$@"; }
replicas() { kubectl -n "$namespace" get deployment opsconsole-api -o 'jsonpath={.spec.replicas}'; }

install_upgrade_rollback() {
  kubectl -n "$namespace" create secret generic db --from-literal=url=postgres://app@db.invalid/app --dry-run=client -o yaml | kubectl apply -f - &&
    in_cluster install opsconsole-api "$chart" --set image.tag=1.0.0 --wait --timeout 2m &&
    in_cluster upgrade opsconsole-api "$chart" --set image.tag=1.1.0 "${postgres[@]}" --set autoscaling.enabled=true --wait --timeout 2m &&
    kubectl -n "$namespace" scale deployment opsconsole-api --replicas 4 &&
    in_cluster upgrade opsconsole-api "$chart" --set image.tag=1.2.0 "${postgres[@]}" --set autoscaling.enabled=true --wait --timeout 2m &&
    { [ "$(replicas)" = 4 ] || { echo "an upgrade set the replicas to $(replicas): they are the autoscaler's" && false; }; } &&
    in_cluster rollback opsconsole-api 1 --wait --timeout 2m &&
    [ "$(kubectl -n "$namespace" get deployment opsconsole-api -o 'jsonpath={.spec.template.spec.containers[0].image}')" = opsconsole-api:1.0.0 ] &&
    [ -z "$(kubectl -n "$namespace" get hpa -o name)" ]
}

# A migration that fails must leave the release that runs alone.
failed_migration_stops_the_release() {
  local before after
  before=$(kubectl -n "$namespace" get deployment opsconsole-api -o 'jsonpath={.metadata.generation}')
  ! in_cluster upgrade opsconsole-api "$chart" "${postgres[@]}" --set image.tag=fail-crash-loop --set migration.backoffLimit=0 --set migration.activeDeadlineSeconds=20 --timeout 1m || return
  after=$(kubectl -n "$namespace" get deployment opsconsole-api -o 'jsonpath={.metadata.generation}')
  [ "$before" = "$after" ] && in_cluster history opsconsole-api | tail -1 | grep -q failed
}

# may YES-OR-NO GROUP VERB RESOURCE. What follows a slash is a subresource of pods; of others it is a name.
may() {
  local said what=("$4")
  [[ $4 != pods/* ]] || what=(pods --subresource="${4#pods/}")
  said=$(kubectl -n "$namespace-rbac" auth can-i "$3" "${what[@]}" --as someone --as-group "$2" 2>/dev/null)
  [ "$said" = "$1" ] || { echo "$2 may $3 $4: $said, expected $1"; return 1; }
}

console_roles() {
  kubectl create namespace "$namespace-rbac" && helm template opsconsole-api "$chart" --kube-version "$kubernetes" --namespace "$namespace-rbac" --show-only templates/console-rbac.yaml --set console.rbac=true \
    --set console.readers[0].kind=Group,console.readers[0].name=readers,console.operators[0].kind=Group,console.operators[0].name=operators | kubectl apply -f - || return
  local group
  for group in readers operators; do
    may yes $group list deployments.apps && may yes $group watch pods && may yes $group get pods/log && may yes $group list events && may no $group create pods/exec || return
  done
  may no readers patch deployments.apps/opsconsole-api && may no readers create leases.coordination.k8s.io && may no readers list secrets &&
    may yes operators patch deployments.apps/opsconsole-api && may yes operators create leases.coordination.k8s.io && may yes operators list secrets && may yes operators delete pods && may no readers delete pods || return
  helm template opsconsole-api "$chart" --kube-version "$kubernetes" --namespace "$namespace-rbac" --show-only templates/console-rbac.yaml --set console.rbac=true,console.helmRollback=false \
    --set console.operators[0].kind=Group,console.operators[0].name=operators | kubectl apply -f - || return
  may yes operators patch deployments.apps/opsconsole-api && may no operators delete deployments.apps && may no operators list secrets && may no operators update roles.rbac.authorization.k8s.io
}

# An operator, with no other right, can do what `helm rollback` does.
operator_rolls_back() {
  kubectl -n "$namespace" create serviceaccount operator --dry-run=client -o yaml | kubectl apply -f - &&
    in_cluster upgrade opsconsole-api "$chart" --set image.tag=1.3.0,console.rbac=true,console.operators[0].kind=ServiceAccount,console.operators[0].name=operator --wait --timeout 2m &&
    in_cluster upgrade opsconsole-api "$chart" --set image.tag=1.4.0,console.rbac=true,console.operators[0].kind=ServiceAccount,console.operators[0].name=operator --wait --timeout 2m &&
    in_cluster rollback opsconsole-api --kube-as-user "system:serviceaccount:$namespace:operator" --kube-as-group system:serviceaccounts &&
    [ "$(kubectl -n "$namespace" get deployment opsconsole-api -o 'jsonpath={.spec.template.spec.containers[0].image}')" = opsconsole-api:1.3.0 ]
}

# ---------------------------------------------------------------- all of it

if [ -n "${KUBECONFIG_TEST:-}" ]; then
  export KUBECONFIG=$KUBECONFIG_TEST
else
  unset KUBECONFIG
  for tool in "${CLUSTER_TOOL:-}" "$repository/../shared/tools/cluster/cluster" "$repository/../../shared/tools/cluster/cluster"; do
    [ -x "$tool" ] || continue
    cluster=$tool
    if settings=$("$cluster" up --dir "$cluster_dir"); then
      eval "$settings"
    else
      echo "helm/test.sh: $cluster brought up no cluster" >&2
    fi
    break
  done
fi

if [ "${1:-}" = --write ]; then
  "$monitoring/build.py" && "$here/readme.py" --write && mkdir -p "$here/tests/snapshots" || exit
  for environment in dev staging production; do render "$environment" >"$here/tests/snapshots/$environment.yaml" || exit; done
  exit
elif [ $# -gt 0 ]; then
  sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
fi

if command -v helm >/dev/null; then
  check "helm lint, three environments" lint
  for environment in dev staging production; do check "snapshot of $environment" snapshot "$environment"; done
  check "rendered twice, the same" same_twice
  check "each bad value is refused in words" bad_values
  check "each object is there when it should be, and only then" objects_come_and_go
  check "with the autoscaler the Deployment names no replicas" autoscaler_owns_replicas
  check "the database's password is a reference, never a value" database_password_is_no_value
  check_with promtool "the chart's rules are for its release alone" chart_rules
  mkdir "$work/rendered"
  for environment in dev staging production; do render "$environment" >"$work/rendered/$environment.yaml"; done
else
  skip "the chart: lint, snapshots, schema, cluster" "helm is missing"
fi
if command -v python3 >/dev/null; then
  check "README's table is values.yaml's" "$here/readme.py"
  check "copies of rules and dashboards are current" "$monitoring/build.py" --check
else
  skip "README's table, copies of rules and dashboards" "python3 is missing"
fi
check_with yamllint "yamllint" yaml
check_with promtool "each alert fires, and does not fire when it is close" rules
check "each alert has both tests and a runbook" every_alert_has_tests
check_with promtool "Compose's Prometheus takes its configuration" compose_prometheus
check "what Compose mounts is there" compose_mounts
check_with amtool "each alert reaches whom it should" routes
check "install.sh names pinned versions and what it needs" eks_values

api=${OPSCONSOLE_API_BIN:-$repository/target/debug/opsconsole-api}
if ! command -v prometheus >/dev/null; then
  skip "dashboards on a real Prometheus" "prometheus is missing"
elif [ ! -x "$api" ]; then
  skip "dashboards on a real Prometheus" "$api is not built: cargo build --package opsconsole-api"
else
  check "no panel is empty on a real Prometheus" "$monitoring/tests/dashboards.py" "$api"
  sed 's/^/      /' "$work/log"
fi

if [ -z "${KUBECONFIG:-}" ]; then
  skip "on a cluster: server-side dry-run, install, upgrade, rollback, rights" "there is no cluster: set KUBECONFIG_TEST, for example to kind's (kind get kubeconfig)"
elif ! command -v helm >/dev/null || ! command -v kubectl >/dev/null; then
  skip "on a cluster" "helm or kubectl is missing"
else
  check "cluster: custom resources" crds
  check "cluster: a namespace" kubectl create namespace "$namespace"
  for environment in dev staging production; do check "cluster: the API server takes $environment" server_side "$environment"; done
  check "cluster: a misspelled field is refused" misspelled_field_is_refused
  check "cluster: the console's Roles give what they should and no more" console_roles
  if [ -n "$cluster" ] || [ -n "$(kubectl get nodes --selector opsconsole.test/node=simulated --output name)" ]; then
    check "cluster: install, upgrade with migration, rollback" install_upgrade_rollback
    check "cluster: a failed migration stops the release and leaves the old one" failed_migration_stops_the_release
    check "cluster: an operator rolls back with the Role's rights alone" operator_rolls_back
  elif [ "${CI:-}" = true ]; then
    failures+=("on a cluster: install, upgrade, rollback (no simulated nodes)")
    failed=$((failed + 1))
  else
    skipped+=("on a cluster: install, upgrade, rollback: needs simulated nodes (CLUSTER_TOOL, or .ci/kind-cluster), since the image is not published")
  fi
fi

echo
for line in ${skipped+"${skipped[@]}"}; do
  echo "not run: $line"
  [ -z "${HELM_NOT_RUN:-}" ] || echo "$line" >>"$HELM_NOT_RUN"
done
for line in ${failures+"${failures[@]}"}; do echo "FAILED: $line"; done
echo "$passed passed, $failed failed, ${#skipped[@]} skipped"
[ "$failed" -eq 0 ]
