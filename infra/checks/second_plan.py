#!/usr/bin/env python3
"""A second plan right after an apply must change nothing, except what the simulator is known to forget.

usage: second_plan.py PLAN.json     as `terraform show -json PLAN` prints it
"""

import json
import pathlib
import sys

# Type → attributes that moto does not keep. Against AWS itself this table would be empty.
FORGETS = {
    "aws_codedeploy_deployment_group": {"alarm_configuration"},
    "aws_ecs_service": {"enable_ecs_managed_tags", "health_check_grace_period_seconds"},
    "aws_vpc_security_group_ingress_rule": {"description"},
    "aws_backup_vault": {"tags", "tags_all"},
    "aws_backup_plan": {"tags", "tags_all"},
    "aws_s3_bucket": {"tags", "tags_all"},
    "aws_db_parameter_group": {"parameter"},
}


def main():
    plan = json.loads(pathlib.Path(sys.argv[1]).read_text())
    problems, forgotten = [], 0
    for change in plan.get("resource_changes", []):
        actions = change["change"]["actions"]
        if actions in (["no-op"], ["read"]):
            continue
        before, after = change["change"]["before"] or {}, change["change"]["after"] or {}
        unknown = set(change["change"].get("after_unknown") or {})
        differs = {key for key in set(before) | set(after) if before.get(key) != after.get(key) and key not in unknown}
        if actions == ["update"] and differs <= FORGETS.get(change["type"], set()):
            forgotten += 1
        else:
            problems.append(f"{change['address']}: {'+'.join(actions)} {', '.join(sorted(differs))}")
    for problem in problems:
        print(f"second_plan.py: {problem}", file=sys.stderr)
    if not problems:
        print(f"second_plan.py: nothing changes but {forgotten} things that the simulator forgets")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
