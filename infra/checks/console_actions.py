#!/usr/bin/env python3
"""The console's two policies hold exactly the calls that the console makes.

usage: console_actions.py

The calls are taken from the console's source: `.describe_services()` on an SDK client is ecs:DescribeServices. The rights
are taken from modules/console-access/actions.tf. A call without a right fails, and so does a right without a call, unless
it is one of a platform that the console does not speak yet (listed here with the reason).
"""

import pathlib
import re
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
ACTIONS = REPOSITORY / "infra/modules/console-access/actions.tf"
SOURCE = REPOSITORY / "console/src"

# Fluent call → action, where the action is not the call's own name in CamelCase behind the service's prefix.
SERVICES = {
    "ecs": "ecs", "ecr": "ecr", "cloudwatch": "cloudwatch", "cloudwatchlogs": "logs", "elasticloadbalancingv2": "elasticloadbalancing",
    "s3": "s3", "sts": "sts", "applicationautoscaling": "application-autoscaling", "codedeploy": "codedeploy", "ssm": "ssm",
}
RENAMED = {"s3:HeadObject": "s3:GetObject", "s3:ListObjectsV2": "s3:ListBucket"}
WORDS = "list|describe|batch_get|get|filter|head|put|delete|update|register|deregister|create|stop|continue|send|run|start"
CALL = re.compile(rf"\.((?:{WORDS})_[a-z0-9_]+)\(\)")

# Rights for what another issue brings: CodeDeploy and EC2 as platforms, autoscaling bounds on the bill.
AHEAD = ("codedeploy:", "ssm:", "application-autoscaling:")

# IAM asks for it when a revision with roles is registered; no call has its name.
WITHOUT_CALL = {"iam:PassRole"}


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def calls():
    """action names (without service) → the files that call them."""
    found = {}
    for path in SOURCE.rglob("*.rs"):
        text = path.read_text()
        if "aws_sdk" not in text and "/ecs/" not in path.as_posix():
            continue
        for match in CALL.finditer(text.split("#[cfg(test)]")[0]):
            found.setdefault(camel(match[1]), set()).add(path.relative_to(REPOSITORY).as_posix())
    return found


def main():
    rights = set(re.findall(r'"([a-z0-9-]+:[A-Z][A-Za-z0-9]+)"', ACTIONS.read_text()))
    made = calls()
    if not made:
        print("not run: the console makes no AWS calls yet, so its policies cannot be compared with them")
        return 0
    by_name = {}
    for right in rights:
        by_name.setdefault(right.split(":")[1], right)
    renamed = {old.split(":")[1]: new.split(":")[1] for old, new in RENAMED.items()}
    problems = [
        f"{', '.join(sorted(files))} calls {name}, which no row of actions.tf allows"
        for name, files in sorted(made.items())
        if renamed.get(name, name) not in by_name
    ]
    used = {renamed.get(name, name) for name in made}
    problems += [
        f"actions.tf allows {right}, which the console never calls"
        for right in sorted(rights - WITHOUT_CALL)
        if right.split(":")[1] not in used and not right.startswith(AHEAD)
    ]
    for problem in problems:
        print(f"console_actions.py: {problem}", file=sys.stderr)
    if not problems:
        print(f"console_actions.py: {len(rights)} rights, {len(made)} calls, no difference")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
