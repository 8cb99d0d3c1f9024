#!/usr/bin/env bash
# Initialises a stack. With infra/backend.hcl (bucket, region: see modules/state) the state goes to S3 under a key of this
# environment's own and is locked by a file; without it the state is local, one directory for one environment.
# usage: init.sh STACK_DIR ENVIRONMENT
set -euo pipefail

dir=${1:?usage: init.sh STACK_DIR ENVIRONMENT}
environment=${2:?usage: init.sh STACK_DIR ENVIRONMENT}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ -f "$here/backend.hcl" ]; then
  cat >"$dir/backend.tf" <<'HCL'
# Written by scripts/init.sh; not in the repository.
terraform {
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}
HCL
  exec terraform -chdir="$dir" init -reconfigure -backend-config="$here/backend.hcl" \
    -backend-config="key=$(basename "$dir")/$environment/terraform.tfstate"
fi
rm -f "$dir/backend.tf"
exec terraform -chdir="$dir" init -input=false
