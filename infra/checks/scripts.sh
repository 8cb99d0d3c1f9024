#!/usr/bin/env bash
# The helper scripts against a pretend terraform, aws and curl: what they call, and what they say when it goes wrong.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bin=$work/bin
mkdir -p "$bin"
fail() { echo "scripts.sh: $*" >&2; exit 1; }

# shellcheck disable=SC2016  # for the pretend programs
cat >"$bin/terraform" <<'SH'
#!/usr/bin/env bash
echo "terraform $*" >>"$CALLS"
case "$*" in
  *"output -json opsconsole") echo '{"region":"us-east-1","urls":{"health":"http://192.0.2.1:8000/health"},"target":{"instance_tag_key":"CostScope","instance_tag_value":"shop-dev"}}' ;;
  *"output -raw artifacts_bucket") printf shop-artifacts ;;
  *"output -raw instance_id") printf i-0123456789abcdef0 ;;
  *"plan -detailed-exitcode"*) exit "${DRIFT:-0}" ;;
  *" init "* | *" plan "* | *" apply "* | *" destroy"*) : ;;
  *"show -json"*) echo '{"resource_changes":[{"address":"module.alb.aws_lb.this","change":{"actions":["update"]}},{"address":"kept","change":{"actions":["no-op"]}}]}' ;;
  *) exit 1 ;;
esac
SH
cat >"$bin/aws" <<'SH'
#!/usr/bin/env bash
echo "$*" >>"$CALLS"
case "$*" in
  *"ssm send-command"*) echo command-1 ;;
  *"ssm list-commands"*) echo "${STATUS:-Success}" ;;
  *"ssm list-command-invocations"*) echo '{"CommandInvocations":[{"InstanceId":"i-1","CommandPlugins":[{"Output":"1.4.0 runs again"}]}]}' ;;
  *describe-db-snapshots*--output*) case "$*" in *sort_by*) echo "${SNAPSHOT:-snap-1}" ;; *) date -u -d "${AGE:-1 hour ago}" +%FT%TZ ;; esac ;;
  *describe-db-instances*) echo "${DB_STATUS:-available}" ;;
  *) : ;;
esac
SH
# shellcheck disable=SC2016
printf '#!/bin/sh\nexit "${CURL:-0}"\n' >"$bin/curl"
printf '#!/bin/sh\n' >"$bin/sleep"
chmod +x "$bin"/*
export PATH="$bin:$PATH" CALLS=$work/calls STACK_DIR=$work
: >"$CALLS"
called() { grep -qF -- "$1" "$CALLS" || fail "$2; called: $(<"$CALLS")"; }

echo binary >"$work/binary"
"$here/scripts/deploy.sh" 1.5.0 "$work/binary" >/dev/null
called "--key releases/1.5.0/opsconsole-api --body $work/binary --if-none-match *" "deploy.sh must upload the release and never overwrite one"
called "--targets Key=tag:CostScope,Values=shop-dev --max-concurrency 1 --max-errors 0" "deploy.sh must go instance by instance and stop at the first that fails"
said=$(STATUS=Failed "$here/scripts/deploy.sh" 1.5.0 2>&1 >/dev/null) && fail "deploy.sh must fail when an instance does"
[[ $said == *"i-1: 1.4.0 runs again"* ]] || fail "deploy.sh must say what the instance said: $said"
! "$here/scripts/deploy.sh" '../1' 2>/dev/null || fail "deploy.sh took a path for a release"

: >"$CALLS"
"$here/scripts/ssh.sh"
called "ssm start-session --target i-0123456789abcdef0" "ssh.sh must go through Session Manager"

"$here/scripts/curl-health.sh" >/dev/null || fail "curl-health.sh must accept a good answer"
! CURL=22 TRIES=2 "$here/scripts/curl-health.sh" 2>/dev/null || fail "curl-health.sh must fail without a good answer"

"$here/scripts/drift.sh" "$work" >/dev/null || fail "drift.sh must pass when nothing moved"
said=$(DRIFT=2 "$here/scripts/drift.sh" "$work") && fail "drift.sh must fail when something moved"
[[ $said == *"update  module.alb.aws_lb.this"* ]] || fail "drift.sh must name what moved: $said"

: >"$CALLS"
"$here/scripts/restore-test.sh" shop-dev-db group sg-1 >/dev/null
called "restore-db-instance-from-db-snapshot" "restore-test.sh must restore"
called "delete-db-instance" "restore-test.sh must delete its scratch instance"
: >"$CALLS"
! DB_STATUS=creating RTO_S=0 "$here/scripts/restore-test.sh" shop-dev-db group sg-1 >/dev/null 2>&1 || fail "restore-test.sh must fail when the promise is missed"
called "delete-db-instance" "restore-test.sh must delete its scratch instance also when it fails"
! AGE="3 days ago" "$here/scripts/restore-test.sh" shop-dev-db group sg-1 >/dev/null 2>&1 || fail "restore-test.sh must refuse a backup older than promised"
! SNAPSHOT=None "$here/scripts/restore-test.sh" shop-dev-db group sg-1 >/dev/null 2>&1 || fail "restore-test.sh must fail without a backup"
# make, in a copy: what it leaves behind belongs to nobody's stack.
copy=$work/infra
mkdir -p "$copy/stacks/ec2" "$copy/build"
cp -r "$here/Makefile" "$here/scripts" "$copy"
touch "$copy/build/hooks.zip"
echo 'name = "shop"' >"$copy/stacks/ec2/terraform.tfvars"
infra_make() { : >"$CALLS"; make --no-print-directory -C "$copy" "$@" >/dev/null; }
infra_make init STACK=ec2 ENV=dev
called "terraform -chdir=stacks/ec2 init -input=false" "make init must begin with a local state"
[ ! -e "$copy/stacks/ec2/backend.tf" ] || fail "make init must ask for no backend where none is named"
printf 'bucket = "shop-tfstate"\nregion = "us-east-1"\n' >"$copy/backend.hcl"
infra_make init STACK=ec2 ENV=dev
called "-backend-config=$copy/backend.hcl -backend-config=key=ec2/dev/terraform.tfstate" "make init must put the state under the environment's own key"
[ "$(grep -cE '(encrypt|use_lockfile) += true' "$copy/stacks/ec2/backend.tf")" = 2 ] || fail "make init must lock and encrypt the state"
infra_make plan STACK=ec2 ENV=dev
called "-chdir=stacks/ec2 plan -input=false -var-file=$copy/stacks/ec2/terraform.tfvars -out=dev.tfplan" "make plan must save what it showed"
infra_make apply STACK=ec2 ENV=dev
called "-chdir=stacks/ec2 apply -input=false dev.tfplan" "make apply must do what was shown and nothing else"
infra_make destroy STACK=ec2 ENV=dev
called "-chdir=stacks/ec2 destroy -var-file=$copy/stacks/ec2/terraform.tfvars" "make destroy must take the same settings"
! grep -q -- -auto-approve "$CALLS" || fail "make destroy must ask"

echo "scripts.sh: deploy, ssh, health, drift, restore and make do what they say"
