#!/usr/bin/env python3
"""Breaks one invariant after another, and wants exactly its own test to turn red.

usage: breaks.py INFRA [WORD…]     INFRA is a copy of infra/ that may be written to; only breaks whose name holds a WORD

A test that stays green when what it is for goes is worse than none, and one that turns red for another's reason sends
people to the wrong place.
"""

import pathlib
import re
import subprocess
import sys

# What breaks, the module's file, the text, what stands there instead, and the test that must say so.
BREAKS = [
    ("SSH is open beside 80 and 443", "alb/main.tf", "[80, 443] : [80], var.ingress_cidrs", "[80, 443, 22] : [80, 22], var.ingress_cidrs", "only_80_and_443_are_open_to_the_world"),
    ("TLS 1.0 is taken", "alb/variables.tf", '= "ELBSecurityPolicy-TLS13-1-2-2021-06"', '= "ELBSecurityPolicy-FS-1-2-Res-2019-08"', "tls_is_1_2_at_least"),
    ("everyone reaches the tasks", "ecs-service/network.tf", "  referenced_security_group_id = var.load_balancer_security_group_id\n", '  cidr_ipv4 = "0.0.0.0/0"\n', "tasks_are_reachable_from_the_load_balancer_only"),
    ("logs are kept for ever", "ecs-service/main.tf", "  retention_in_days = var.log_retention_days\n", "", "logs_are_kept_a_week"),
    ("no circuit breaker", "ecs-service/main.tf", "breaker {\n    enable   = true\n    rollback = true\n", "breaker {\n    enable   = false\n    rollback = false\n", "a_release_that_fails_is_rolled_back_by_the_circuit_breaker"),
    ("a policy says every action", "ecs-service/iam.tf", '["logs:CreateLogStream", "logs:PutLogEvents"]\n        # Only', '["logs:*"]\n        # Only', "no_policy_says_every_action"),
    ("tasks stay on at night", "ecs-service/scaling.tf", "min_capacity = 0\n    max_capacity = 0\n", "min_capacity = 1\n    max_capacity = 1\n", "it_is_off_at_night"),
    ("a bucket may be public", "s3-buckets/main.tf", "block_public_policy     = true", "block_public_policy     = false", "every_bucket_blocks_public_access"),
    ("the database is not encrypted", "rds-postgres/main.tf", "storage_encrypted     = true\n  kms_key_id            = var.kms_key_arn\n", "storage_encrypted     = false\n", "data_is_encrypted_and_not_on_the_internet"),
    ("production's database may be deleted", "rds-postgres/main.tf", "deletion_protection       = var.is_production", "deletion_protection       = false", "production_cannot_be_deleted_and_can_be_restored"),
    ("files take plain NFS", "efs/main.tf", '"aws:SecureTransport" = "false"', '"aws:SecureTransport" = "true"', "it_is_encrypted_at_rest_and_refuses_what_is_not_tls"),
    ("the CPU alarm waits for 90 percent", "observability/variables.tf", "    cpu              = optional(number, 80)", "    cpu              = optional(number, 90)", "cpu_goes_off_at_80"),
    ("images pile up", "ecr/main.tf", 'countType = "imageCountMoreThan", countNumber = var.keep', 'countType = "imageCountMoreThan", countNumber = 100', "the_last_ten_images_are_kept"),
]


def red(module):
    """The runs that fail, and all that was said."""
    initialised = subprocess.run(["terraform", "init", "-input=false", "-no-color"], cwd=module, capture_output=True, text=True)
    if initialised.returncode:
        return None, initialised.stderr
    said = subprocess.run(["terraform", "test", "-no-color"], cwd=module, capture_output=True, text=True)
    return re.findall(r'run "(\w+)"\.\.\. fail', said.stdout), said.stdout + said.stderr


def main():
    modules, words, failed = pathlib.Path(sys.argv[1]) / "modules", sys.argv[2:], 0
    for what, file, old, new, test in BREAKS:
        if words and not any(word in what for word in words):
            continue
        path = modules / file
        whole = path.read_text()
        if old not in whole:
            print(f"breaks.py: {what}: {file} no longer holds what this would break: {old!r}", file=sys.stderr)
            failed += 1
            continue
        path.write_text(whole.replace(old, new))
        try:
            found, said = red(path.parent)
        finally:
            path.write_text(whole)
        if found == [test]:
            print(f"{what}: {test} says so, and no other", flush=True)
        else:
            failed += 1
            print(f"breaks.py: {what}: {test} should have failed alone; {found} did\n{said[-2000:]}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
