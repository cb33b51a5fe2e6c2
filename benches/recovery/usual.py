#!/usr/bin/env python3
"""Prints stages/correlate/knowledge/usual.yaml: what clean simulated hosts show together of one program.

    cargo build --release -p pipe-data
    python3 benches/recovery/usual.py [--hosts 1600] [--seeds 100,101,102,103,104,105] >usual.yaml
    mv usual.yaml stages/correlate/knowledge/

No host has an attack, so the table knows of none. Needed after a change of knowledge/signs.yaml or of the tables of `produce`.
"""
import argparse
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "benches", "data"))

from workers import Worker  # noqa: E402

TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1600)
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")],
                        default=[100, 101, 102, 103, 104, 105])
    parser.add_argument("--worker", default=os.path.join(TARGET, "release", "pipe-data"))
    options = parser.parse_args()
    if not os.path.isfile(options.worker):
        parser.error(f"no worker at {options.worker}: cargo build --release -p pipe-data, or name one with --worker")
    worker = Worker(options.worker)
    with tempfile.TemporaryDirectory(prefix="bench-usual-") as room:
        fleets = []
        for seed in options.seeds:
            own = os.path.join(room, str(seed))
            os.mkdir(own)
            params = {"hosts": options.hosts, "seed": seed, "attack_rate": 0.0}
            ports, _, _ = worker.run("produce", own, {}, params, 2)
            fleets.append(ports["scans"])
        count = ["cargo", "run", "--quiet", "--release", "-p", "correlate", "--example", "usual", "--", *fleets]
        subprocess.run(count, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
