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

# The SDK crate → the service's prefix in IAM.
SERVICES = {
    "ecs": "ecs", "ecr": "ecr", "cloudwatch": "cloudwatch", "cloudwatchlogs": "logs", "elasticloadbalancingv2": "elasticloadbalancing",
    "s3": "s3", "sts": "sts", "applicationautoscaling": "application-autoscaling", "codedeploy": "codedeploy", "ssm": "ssm",
}
# Calls that IAM knows by another name.
RENAMED = {"s3:HeadObject": "s3:GetObject", "s3:ListObjectsV2": "s3:ListBucket"}
CLIENT = re.compile(r"\bpub (\w+): aws_sdk_(\w+)::Client\b")

# Rights for what another issue brings: CodeDeploy and EC2 as platforms, autoscaling bounds on the bill.
AHEAD = ("codedeploy:", "ssm:", "application-autoscaling:")

# No call has their name: IAM asks for PassRole when a revision with roles is registered, S3 for ListBucket before it says
# that an object is not there, and for the key of a bucket that one encrypts.
WITHOUT_CALL = {"iam:PassRole", "s3:ListBucket", "kms:Decrypt", "kms:GenerateDataKey"}


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def calls():
    """action → the files that call it."""
    sources = {path: path.read_text().split("#[cfg(test)]")[0] for path in SOURCE.rglob("*.rs")}
    fields = dict(pair for text in sources.values() for pair in CLIENT.findall(text))
    found = {}
    if not fields:
        return found
    call = re.compile(rf"\bclients?\s*\.\s*({'|'.join(fields)})\s*\.\s*([a-z][a-z0-9_]*)\(\)")
    for path, text in sources.items():
        for field, operation in call.findall(text):
            action = f"{SERVICES[fields[field]]}:{camel(operation)}"
            found.setdefault(RENAMED.get(action, action), set()).add(path.relative_to(REPOSITORY).as_posix())
    return found


def main():
    rights = set(re.findall(r'"([a-z0-9-]+:[A-Z][A-Za-z0-9]+)"', ACTIONS.read_text()))
    made = calls()
    if not made:
        print("console_actions.py: found no AWS call in the console's source: has it moved?", file=sys.stderr)
        return 1
    problems = [f"{', '.join(sorted(files))} calls {action}, which no row of actions.tf allows" for action, files in sorted(made.items()) if action not in rights]
    problems += [
        f"actions.tf allows {right}, which the console never calls"
        for right in sorted(rights - WITHOUT_CALL - set(made))
        if not right.startswith(AHEAD)
    ]
    for problem in problems:
        print(f"console_actions.py: {problem}", file=sys.stderr)
    if not problems:
        ahead = sum(right.startswith(AHEAD) for right in rights)
        print(f"console_actions.py: {len(made)} calls, each with its right; {ahead} rights are for platforms to come")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
