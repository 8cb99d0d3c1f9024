#!/usr/bin/env python3
"""Checks a stack's `opsconsole` output against the published schema, and its bill against the price book.

usage: contract.py FILE…     each FILE is what `terraform output -json` or `terraform show -json PLAN` prints

Of a plan, values that are known only after an apply are filled with made-up ones of the right shape, so that the shape
is checked and nothing else is claimed. A sku that the price book lacks is listed, and must be one of those that are known
to be missing: a misspelt sku would otherwise read "no price" for ever.
"""

import json
import pathlib
import sys

import jsonschema

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
SCHEMA = REPOSITORY / "docs/reference/terraform-contract.schema.json"
PRICES = REPOSITORY / "console/src/cost/prices/us-east-1.tsv"

# Priced nowhere in the book, on purpose: the reader is told so.
UNPRICED = ("backup.efs.warm", "elasticache.", "eks.auto.", "ec2.spot.", "rds.pg.", "ec2.", "xray.")


def prices():
    rows = (row.split("\t") for row in PRICES.read_text().splitlines() if row and not row.startswith("#"))
    return {row[0] for row in rows} - {"sku"}


def fill(value, unknown):
    """The planned value with what is unknown yet made up."""
    if unknown is True:
        return "known-after-apply" if value is None else value
    if isinstance(unknown, dict):
        value = dict(value or {})
        for key, inner in unknown.items():
            value[key] = fill(value.get(key), inner)
    elif isinstance(unknown, list) and value is not None:
        value = [fill(item, inner) for item, inner in zip(value, unknown)] + value[len(unknown):]
    return value


def contract_of(document):
    if "planned_values" in document:
        changed = document["output_changes"]["opsconsole"]
        return fill(changed["after"], changed["after_unknown"])
    return document["opsconsole"]["value"] if "value" in document.get("opsconsole", {}) else document


def problems_of(contract, book):
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    for error in sorted(validator.iter_errors(contract), key=lambda e: list(e.path)):
        yield f"{'.'.join(map(str, error.path)) or 'opsconsole'}: {error.message}"
    for line in contract.get("bill", {}).get("lines", []):
        base = line["sku"].removesuffix(".spot")
        if base not in book and not base.startswith(UNPRICED):
            yield f"bill: the price book has no {line['sku']} and it is not known to lack one"
        if not line["min"] <= line["quantity"] <= line["max"]:
            yield f"bill: {line['what']}: {line['min']} ≤ {line['quantity']} ≤ {line['max']} does not hold"


def main():
    book, failed = prices(), False
    for name in sys.argv[1:]:
        contract = contract_of(json.loads(pathlib.Path(name).read_text()))
        found = list(problems_of(contract, book))
        failed |= bool(found)
        for problem in found:
            print(f"contract.py: {name}: {problem}", file=sys.stderr)
        if not found:
            lines = contract["bill"]["lines"]
            missing = sorted({line["sku"] for line in lines if line["sku"].removesuffix(".spot") not in book})
            print(f"contract.py: {contract['stack']}: {len(lines)} billed things" + (f", no price for {', '.join(missing)}" if missing else ""))
    return 1 if failed or len(sys.argv) < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
