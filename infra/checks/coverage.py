#!/usr/bin/env python3
"""Every row of docs/infra-coverage.md names a file that exists and a test that exists.

A test is written as `file › name`: the file below infra/, and the text by which it is found there (a run of a
.tftest.hcl, a rule of the policy, a check of test.sh).
"""

import pathlib
import re
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = REPOSITORY / "docs/infra-coverage.md"


def main():
    problems, rows = [], 0
    for number, line in enumerate(PAGE.read_text().splitlines(), 1):
        if not line.startswith("| ") or line.startswith("| demand"):
            continue
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) != 3:
            problems.append(f"line {number}: expected demand, file, test")
            continue
        rows += 1
        for path in re.findall(r"\(\.\./([^)#]+)\)", cells[1]):
            if not (REPOSITORY / path).exists():
                problems.append(f"line {number}: {path} does not exist")
        if "](" not in cells[1]:
            problems.append(f"line {number}: {cells[0]} links to no file")
        tests = re.findall(r"`([^`›]+) › ([^`]+)`", cells[2])
        if not tests:
            problems.append(f"line {number}: {cells[0]} names no test")
        for path, name in tests:
            file = REPOSITORY / "infra" / path
            if not file.exists() or name not in file.read_text():
                problems.append(f"line {number}: {path} holds no {name}")
    for problem in problems:
        print(f"coverage.py: docs/infra-coverage.md: {problem}", file=sys.stderr)
    if not problems:
        print(f"coverage.py: {rows} demands, each with its file and its test")
    return 1 if problems or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
