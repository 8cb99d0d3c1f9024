#!/usr/bin/env python3
"""What a stack's bill comes to, by hand: the table in its README, and a second opinion on `opsconsole cost`.

usage: cost.py [--write] [--console OPSCONSOLE] README PLAN.json     PLAN.json as `terraform show -json PLAN` prints it

The bill of the example's plan is multiplied with the price book here, without the console's code. The README must show
that table, infra/README.md must name its total, and the console, where one is named, must say the same to the cent.
--write puts the table into the README.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys

from contract import PRICES, contract_of

BEGIN, END = "<!-- begin: opsconsole cost --from-terraform -->", "<!-- end: cost -->"
OVERVIEW = pathlib.Path(__file__).resolve().parent.parent / "README.md"
# Units with time in them are multiplied with the hours that the thing runs.
HOURLY = {"h", "vCPU-h", "GB-h", "LCU-h", "h/AZ"}
SPOT = ".spot"


def prices():
    """sku → its row."""
    rows = (row.split("\t") for row in PRICES.read_text().splitlines() if row and not row.startswith("#"))
    return {row[0]: {"unit": row[1], "usd": row[2], "date": row[5] or row[4] or "undated"} for row in rows}


def number(value):
    return f"{value:.3f}".rstrip("0").rstrip(".")


def price(line, book):
    """(typical, at the lower bound, at the upper bound, formula, date); None where no price is known."""
    row = book.get(line["sku"].removesuffix(SPOT))
    if row is None:
        return None
    unit = float(row["usd"])
    hours = line["hours_per_month"] if row["unit"] in HOURLY else None
    factor, less, date = unit * (1 if hours is None else hours), "", row["date"]
    factor_low = factor_high = factor
    if line["sku"].endswith(SPOT):
        # What Spot takes off floats between two shares: the middle is typical.
        low, high = (float(share) for share in book["fargate.spot"]["usd"].split("-"))
        factor_low, factor_high, factor = factor * (1 - high), factor * (1 - low), factor * (1 - (low + high) / 2)
        less = f" less {number(low * 100)}–{number(high * 100)} %"
    formula = number(line["quantity"]) + ("" if hours is None else f" × {number(hours)} h") + f" × ${unit:g}{less}"
    return factor * line["quantity"], factor_low * line["min"], factor_high * line["max"], formula, date


def table(bill, book):
    """The Markdown table, with its total; (text, total, whether a line has no price)."""
    rows, typical, low, high, lacking = [], 0.0, 0.0, 0.0, 0
    for line in bill["lines"]:
        found = price(line, book)
        if found is None:
            lacking += 1
            rows.append(f"| {line['what']} | no price | | | {line['basis']} |")
            continue
        rows.append(f"| {line['what']} | {found[0]:.2f} | {found[3]} | {found[4]} | {line['basis']} |")
        typical, low, high = typical + found[0], low + found[1], high + found[2]
    at_least = "≥ " if lacking else ""
    bounds = f"; {at_least}{low:.2f} to {at_least}{high:.2f} between the bounds of what scales or floats" if f"{low:.2f}" != f"{high:.2f}" else ""
    head = ["| line | USD a month | sum | price from | basis |", "|---|---|---|---|---|"]
    total = f"**{at_least}USD {typical:.2f} a month** ({bill['region']} list prices, the settings of the example{bounds}). No discounts, taxes or free tier; a line without a price is not counted as 0."
    return "\n".join([*head, *rows, "", total]), typical, bool(lacking)


def amount(value):
    """An amount in the console's JSON: a number, or an object that holds one as usd."""
    return float(value["usd"] if isinstance(value, dict) else value)


def disagreements(console, plan, contract, book):
    """Where the console's own estimate differs from ours by half a cent or more."""
    said = subprocess.run([console, "cost", "--from-terraform", plan, "--output", "json"], capture_output=True, text=True)
    if said.returncode != 0:
        yield f"opsconsole cost --from-terraform failed: {said.stderr.strip() or said.stdout.strip()}"
        return
    document = json.loads(said.stdout)
    entry = document[0] if isinstance(document, list) else document
    estimate = entry.get("estimate", entry)
    lines, theirs = contract["bill"]["lines"], estimate["lines"]
    if len(lines) != len(theirs):
        yield f"the bill has {len(lines)} lines, opsconsole cost prints {len(theirs)}"
        return
    for line, their in zip(lines, theirs):
        ours = price(line, book)
        cost = their["cost"]
        cost = cost.get("monthly", cost) if isinstance(cost, dict) else None
        if (ours is None) != (cost is None):
            yield f"{line['what']}: {'no price' if ours is None else ours[0]} here, {'no price' if cost is None else cost} in the console"
        elif ours is not None and abs(ours[0] - amount(cost["typical"])) >= 0.005:
            yield f"{line['what']}: {ours[0]:.4f} by hand, {amount(cost['typical']):.4f} by opsconsole cost"
    by_hand = sum(found[0] for found in (price(line, book) for line in lines) if found)
    if abs(by_hand - amount(estimate["total"])) >= 0.005:
        yield f"total: {by_hand:.2f} by hand, {amount(estimate['total']):.2f} by opsconsole cost"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--console")
    parser.add_argument("readme", type=pathlib.Path)
    parser.add_argument("plan")
    arguments = parser.parse_args()
    contract, book = contract_of(json.loads(pathlib.Path(arguments.plan).read_text())), prices()
    text, total, lacking = table(contract["bill"], book)
    old = arguments.readme.read_text()
    if BEGIN not in old or END not in old:
        print(f"cost.py: {arguments.readme}: the markers {BEGIN} and {END} are missing", file=sys.stderr)
        return 1
    head, rest = old.split(BEGIN, 1)
    new = f"{head}{BEGIN}\n{text}\n{END}{rest.split(END, 1)[1]}"
    problems = []
    if arguments.write:
        arguments.readme.write_text(new)
    elif new != old:
        problems.append(f"{arguments.readme}: its cost table has drifted; infra/test.sh costs writes it anew")
    row = re.search(rf"^\| \[`{contract['stack']}`\].*\| (.*) \|$", OVERVIEW.read_text(), re.M)
    wanted = f"{'≥ ' if lacking else ''}USD {total:.0f}"
    if not row or not re.search(rf"{re.escape(wanted)}\b", row[1]):
        problems.append(f"infra/README.md: the row of {contract['stack']} must name {wanted}")
    if arguments.console:
        problems += disagreements(arguments.console, arguments.plan, contract, book)
    for problem in problems:
        print(f"cost.py: {problem}", file=sys.stderr)
    if not problems:
        print(f"cost.py: {contract['stack']}: {wanted} a month" + (", and opsconsole cost agrees to the cent" if arguments.console else ""))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
