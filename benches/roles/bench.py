#!/usr/bin/env python3
"""Prints which role `correlate` infers for simulated hosts of each role, as a confusion matrix.

    cargo build --release -p pipe-data
    python3 benches/roles/bench.py [--hosts 3000] [--seed 11] [--json FILE]

The true role is that of the host's name (`prefix` in stages/produce/data/roles.yaml). Each scan counts.
"""
import argparse
import collections
import json
import os
import re
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "benches", "data"), os.path.join(ROOT, "benches")]

from results import save  # noqa: E402
from workers import Worker  # noqa: E402

TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--worker", default=os.path.join(TARGET, "release", "pipe-data"))
    parser.add_argument("--json", metavar="FILE", help="write a result file besides the table")
    options = parser.parse_args()
    if not os.path.isfile(options.worker):
        parser.error(f"no worker at {options.worker}: cargo build --release -p pipe-data, or name one with --worker")
    roles = prefixes()
    matrix = confusion(Worker(options.worker), options, roles)
    tell(matrix, list(roles.values()))
    if options.json:
        save(options.json, {"hosts": options.hosts, "seed": options.seed, "matrix": matrix})


def prefixes():
    """The role of each prefix of a host's name."""
    with open(os.path.join(ROOT, "stages", "produce", "data", "roles.yaml")) as file:
        return {prefix: role for role, prefix in re.findall(r"^- name: (\S+)\n  prefix: (\S+)$", file.read(), re.MULTILINE)}


def confusion(worker, options, roles):
    """How many scans of each true role were taken for each role."""
    matrix = {role: collections.Counter() for role in roles.values()}
    place = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(prefix="bench-roles-", dir=place) as room:
        ports = {}
        for kind, params in [("produce", {"hosts": options.hosts, "seed": options.seed}), ("correlate", {})]:
            outputs, _, _ = worker.run(kind, room, ports, params, 2)
            ports.update(outputs)
        seen = None
        with open(ports["findings"]) as lines:
            for line in lines:
                head = re.match(r'{"host":"([a-z]+)-(\d+)","scan":(\d+),', line)
                if head.groups() != seen:
                    seen = head.groups()
                    matrix[roles[head[1]]][json.loads(line)["host_role"]] += 1
    return matrix


def tell(matrix, roles):
    print("| true role | scans | " + " | ".join(roles) + " | recall |")
    print("|" + "---|" * (len(roles) + 3))
    for role in roles:
        scans = sum(matrix[role].values())
        cells = " | ".join(str(matrix[role][other] or "") for other in roles)
        print(f"| {role} | {scans} | {cells} | {matrix[role][role] / max(1, scans):.3f} |")
    taken = {other: sum(matrix[role][other] for role in roles) for other in roles}
    print("| precision | | " + " | ".join(f"{matrix[role][role] / max(1, taken[role]):.3f}" for role in roles) + " | |")
    total = sum(sum(row.values()) for row in matrix.values())
    print(f"\n{sum(matrix[role][role] for role in roles) / total:.4f} of {total} scans are taken for what they are of")


if __name__ == "__main__":
    main()
