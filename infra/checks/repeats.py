#!/usr/bin/env python3
"""What the stacks repeat by Terraform's nature stays the same in all of them (ADR 0109).

A root module declares its own variables and calls its modules itself, so five stacks say much in the same words. This
holds them to it: a variable that two systems share has one description, type and validation (its default may differ, as
the documents do), and a call that is the same everywhere stays so. What is different on purpose is listed here.
"""

import pathlib
import re
import sys
from collections import defaultdict

STACKS = pathlib.Path(__file__).resolve().parent.parent / "stacks"
# For the whole account and not a system: it has no environments, zones or releases.
APART = {"account"}
# Variable → stacks that mean something else by it.
OWN = {
    "architecture": {"ec2"},  # EC2 spells it in small letters
    "database": {"ec2", "ecs-efs"},  # always there; in the task or outside
    "size": {"ecs-fargate"},  # always the document's; elsewhere by environment
    "usage": {"ec2", "eks"},  # other things are billed
}
# Calls that do not depend on what the system is, and the stacks that make them.
SHARED_CALLS = {call: "*" for call in ("kms", "network", "ecr", "budget")} | {call: "ecs-*" for call in ("buckets", "edge", "cluster")}


def blocks(file, kind):
    text = (STACKS / file).read_text()
    return dict(re.findall(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}\n', text, re.M | re.S))


def without_default(body):
    """The block without its top-level default, on one line or several."""
    return re.sub(r"^  default +=( [^\n]*[^\n{\[]| [\[{]\n.*?^  [\]}]| \{\}| \[\])\n", "", body, flags=re.M | re.S)


def different(versions):
    """The stacks whose text is not that of most."""
    by_text = defaultdict(list)
    for stack, text in versions.items():
        by_text[re.sub(r"[ \t]+", " ", text).strip()].append(stack)
    most = max(by_text.values(), key=len)
    return sorted(stack for stack in versions if stack not in most), most


def main():
    systems = sorted(path.name for path in STACKS.iterdir() if (path / "main.tf").exists() and path.name not in APART)
    variables, calls, problems, compared = defaultdict(dict), defaultdict(dict), [], 0
    for stack in systems:
        for name, body in blocks(f"{stack}/variables.tf", "variable").items():
            if stack not in OWN.get(name, ()):
                variables[name][stack] = without_default(body)
        for name, body in blocks(f"{stack}/main.tf", "module").items():
            if name in SHARED_CALLS and pathlib.PurePath(stack).match(SHARED_CALLS[name]):
                calls[name][stack] = body
    for kind, all_of_them in (("variable", variables), ("module", calls)):
        for name, versions in all_of_them.items():
            compared += len(versions) > 1
            others, most = different(versions)
            for stack in others:
                problems.append(f'{stack}: {kind} "{name}" is not what {", ".join(most)} say; make it so, or list it in repeats.py with the reason')
    for problem in problems:
        print(f"repeats.py: {problem}", file=sys.stderr)
    if not problems:
        print(f"repeats.py: {compared} variables and calls are the same in all of {len(systems)} systems")
    return 1 if problems or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
