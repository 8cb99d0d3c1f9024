#!/usr/bin/env python3
"""What the EKS stack's README has applied to a cluster: ingress, disks and Spot are what the stack counts on."""

import pathlib
import re
import sys

import yaml

STACK = pathlib.Path(__file__).resolve().parent.parent / "stacks/eks"


def objects():
    """(kind, name) → the object, of every manifest."""
    found = {}
    for path in sorted((STACK / "manifests").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            found[document["kind"], document["metadata"]["name"]] = document
    return found


def setting(name):
    return re.search(rf'^{name} *= "([^"]+)"', (STACK / "terraform.tfvars.example").read_text(), re.M)[1]


def problems():
    manifests, main = objects(), (STACK / "main.tf").read_text()

    disks = manifests["StorageClass", "gp3"]
    key = re.search(r'selection_tag = \{ key = "([^"]+)", value = local.prefix \}', main)[1]
    tag = f"{key}={setting('name')}-{setting('environment')}"
    if disks["parameters"].get("encrypted") != "true":
        yield "disks must be encrypted"
    if tag not in disks["parameters"].values():
        yield f"disks must carry the tag {tag}, by which modules/backup finds them"
    if disks["reclaimPolicy"] != "Retain":
        yield "a disk must stay when its claim goes"
    if disks["provisioner"] != "ebs.csi.eks.amazonaws.com":
        yield "disks must come from Auto Mode's driver, which is the only one in the cluster"

    ingress = manifests["IngressClass", "alb"]
    parameters = ingress["spec"]["parameters"]
    if ingress["spec"]["controller"] != "eks.amazonaws.com/alb" or (parameters["kind"], parameters["name"]) not in manifests:
        yield "ingresses must be served by Auto Mode, with parameters that are there"
    elif manifests[parameters["kind"], parameters["name"]]["spec"].get("sslRedirectPort") != "443":
        yield "HTTP must lead to HTTPS"

    spot = manifests["NodePool", "spot"]["spec"]["template"]["spec"]["requirements"]
    capacity = next((rule["values"] for rule in spot if rule["key"] == "karpenter.sh/capacity-type"), [])
    if set(capacity) != {"spot", "on-demand"}:
        yield "Spot nodes need On-Demand as their fallback"

    for kind in ("StorageClass", "IngressClass"):
        defaults = [name for (of, name), one in manifests.items() if of == kind and any(key.endswith("is-default-class") and value == "true" for key, value in one["metadata"].get("annotations", {}).items())]
        if len(defaults) != 1:
            yield f"one {kind} must be the default one, not {defaults}"


def main():
    found = list(problems())
    for problem in found:
        print(f"manifests.py: stacks/eks/manifests: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
