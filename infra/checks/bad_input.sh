#!/usr/bin/env bash
# What a person might get wrong is stopped before anything is made, by a sentence that says what to do.
# usage: bad_input.sh     in a directory where ../stacks/ecs-fargate is initialised; plans go to the simulator
set -uo pipefail

stacks=$(cd "$(dirname "${BASH_SOURCE[0]}")/../stacks" && pwd)
failed=0

# refuses WHAT SENTENCE STACK ARGUMENT…: the plan fails and says SENTENCE.
refuses() {
  local what=$1 sentence=$2 stack=$3 log
  shift 3
  # One line, without the box that Terraform draws around an error.
  log=$(terraform -chdir="$stacks/$stack" plan -input=false -no-color -lock=false -refresh=false "$@" 2>&1 | tr -d '│╷╵' | tr -s ' \n' ' ')
  if [[ $log == *"$sentence"* ]]; then
    echo "refused: $what"
  else
    echo "NOT REFUSED: $what: expected \"$sentence\", got: ${log: -300}" >&2
    failed=$((failed + 1))
  fi
}

common=(-var name=shop -var region=us-east-1 -var account_id=123456789012)
dev=("${common[@]}" -var environment=dev -var image_tag=1.5.0)
prod=("${common[@]}" -var environment=prod -var image_tag=1.5.0 -var domain_name=api.example.com -var zone_id=Z0123456789ABCDEFGHIJ)

refuses "a zone instead of a region" "is too long" ecs-fargate -var name=shop -var region=us-east-1a -var account_id=123456789012 -var environment=dev -var image_tag=1.5.0
refuses "a network too small for its zones" "choose a prefix from /16 to /22" ecs-fargate "${dev[@]}" -var vpc_cidr=10.0.0.0/24
refuses "no NAT, private tasks and no endpoints" 'choose nat = "single"' ecs-fargate "${dev[@]}" -var nat=none
refuses "production without a certificate" "set domain_name" ecs-fargate "${common[@]}" -var environment=prod -var image_tag=1.5.0
refuses "Spot in production without a fallback" "Set spot.on_demand_base to at least 1" ecs-fargate "${prod[@]}" -var 'spot={spot_weight=1}'
refuses "latest in production" "give every container a version tag or a digest" ecs-fargate "${prod[@]}" -var image=shop/api:latest
for stack in ecs-fargate ecs-bluegreen ecs-efs; do
  refuses "the tag latest in $stack" "image_tag must be a release's own tag" "$stack" "${common[@]}" -var environment=prod -var image_tag=latest
done
refuses "the release latest on EC2" "release must name one" ec2 "${common[@]}" -var environment=dev -var release=latest
exit "$failed"
