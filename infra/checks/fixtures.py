#!/usr/bin/env python3
"""The documents that the console's tests read are what the stacks say today.

usage: fixtures.py [--write] FIXTURE DOCUMENT.json

DOCUMENT is what `terraform show -json` prints of a plan or a state, or `terraform output -json`; FIXTURE is a file of
console/src/terraform/tests/fixtures, cut to the output `opsconsole`. The two must agree, but for Terraform's version and
the identifiers that AWS (here: the simulator) makes up. --write cuts the document into the fixture.
"""

import argparse
import difflib
import json
import pathlib
import re
import sys

FIXTURES = pathlib.Path(__file__).resolve().parent.parent.parent / "console/src/terraform/tests/fixtures"
# Sixteen digits of a target group, the number of a load balancer's name.
MADE_UP = [(r"(targetgroup/[^/\"]+)/[0-9a-f]{16}", r"\1/0123456789abcdef"), (r"-[0-9]+(\.[a-z0-9-]+\.elb\.amazonaws\.com)", r"-1\1")]


def cut(document):
    """The output `opsconsole` in the document's own frame, and nothing else of it."""
    frame = {key: document[key] for key in ("format_version", "terraform_version") if key in document}
    if "output_changes" in document:
        output = dict(document["planned_values"]["outputs"]["opsconsole"])
        # Terraform leaves both out while a part is unknown.
        output.pop("value", None), output.pop("type", None)
        return {**frame, "planned_values": {"outputs": {"opsconsole": output}}, "output_changes": {"opsconsole": document["output_changes"]["opsconsole"]}}
    if "values" in document:
        return {**frame, "values": {"outputs": {"opsconsole": untyped(document["values"]["outputs"]["opsconsole"])}}}
    return {"opsconsole": untyped(document["opsconsole"])}


def untyped(output):
    return {key: value for key, value in output.items() if key != "type"}


def comparable(document):
    document = {key: value for key, value in document.items() if key not in ("format_version", "terraform_version")}
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
    for pattern, name in MADE_UP:
        text = re.sub(pattern, name, text)
    return text.splitlines()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("fixture")
    parser.add_argument("document", type=pathlib.Path)
    arguments = parser.parse_args()
    path, now = FIXTURES / arguments.fixture, cut(json.loads(arguments.document.read_text()))
    difference = list(difflib.unified_diff(comparable(json.loads(path.read_text())), comparable(now), "fixture", "the stack", lineterm="", n=1))
    if arguments.write:
        # What only made-up identifiers tell apart stays: a diff shows what changed.
        if difference:
            path.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n")
        return 0
    for line in difference:
        print(line)
    if difference:
        print(f"fixtures.py: {path.name} has drifted from its stack; infra/test.sh fixtures writes all anew", file=sys.stderr)
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main())
