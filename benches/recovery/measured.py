#!/usr/bin/env python3
"""Writes crates/rules/measured: what clean hosts show (usual.yaml), then the points of the rules (points.yaml).

    pip install numpy scipy
    python3 benches/recovery/measured.py [usual] [points] [--clean-hosts 150] [--clean-seeds ...] [--penalty 2]

`usual` is needed after a change of knowledge/signs.yaml or of the tables of `produce`, `points` after that and after a change of a
rule. Both are embedded in the worker, so it is built before each. The fleets for `usual` have the fewest hosts of which `correlate` says
what is rare: in a larger one fewer things look rare that are not. The points are those of fleets in which rare is known and of fleets in
which it is not.
"""
import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.append(os.path.join(ROOT, "benches", "data"))

import fit  # noqa: E402
import usual  # noqa: E402
from bench import TARGET  # noqa: E402
from workers import Worker  # noqa: E402

# The fleets for points.yaml: hosts, and seeds.
FLEETS = [(200, range(1000, 1024)), (60, range(1100, 1180))]
MEASURED = os.path.join(ROOT, "crates", "rules", "measured")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", help="usual, points; both by default")
    parser.add_argument("--clean-hosts", type=int, default=150, help="of each fleet for usual.yaml")
    parser.add_argument("--clean-seeds", type=seeds, default=list(range(100, 164)), help="of the fleets for usual.yaml")
    parser.add_argument("--penalty", type=float, default=2.0)
    options = parser.parse_args()
    tables = options.tables or ["usual", "points"]
    if unknown := set(tables) - {"usual", "points"}:
        parser.error(f"no table {', '.join(sorted(unknown))}: there are usual and points")
    if "usual" in tables:
        usual.write(os.path.join(MEASURED, "usual.yaml"), worker(), options.clean_hosts, options.clean_seeds)
    if "points" in tables:
        fit.write(os.path.join(MEASURED, "points.yaml"), worker(), FLEETS, options.penalty)


def seeds(text):
    return [int(part) for part in text.split(",")]


def worker():
    subprocess.run(["cargo", "build", "--release", "-p", "pipe-data"], cwd=ROOT, check=True)
    return Worker(os.path.join(TARGET, "release", "pipe-data"))


if __name__ == "__main__":
    main()
