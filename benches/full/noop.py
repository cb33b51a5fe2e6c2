#!/usr/bin/env python3
"""Prints what a run costs that has nothing to do, with the script `pipe` around the engine and without.

    ./pipe run pipelines/full.yaml && ./pipe run pipelines/hello.yaml && python3 benches/full/noop.py [--repeat 50] [--json FILE]
"""
import argparse
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "benches"))

from results import save  # noqa: E402

COMMANDS = [("target/debug/pipe run pipelines/full.yaml", "10 stages, all hits"),
            ("./pipe run pipelines/full.yaml", "the script's look at the sources included"),
            ("target/debug/pipe run pipelines/hello.yaml", "3 stages, all hits")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=50)
    parser.add_argument("--json", metavar="FILE", help="write a result file in place of a table")
    options = parser.parse_args()
    results = {"repeat": options.repeat, "commands": [
        {"command": command, "what": what, **measure(command.split(), options.repeat)} for command, what in COMMANDS]}
    if options.json:
        save(options.json, results)
    else:
        for row in results["commands"]:
            print(f"{row['cpu_ms']:6.1f} ms CPU {row['wall_ms']:6.1f} ms  {row['command']}")


def measure(command, repeat):
    """The mean, as the CPU time of one such run is close to the clock's tick."""
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    cpu, begun = children(), time.perf_counter()
    for _ in range(repeat):
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return {"cpu_ms": (children() - cpu) / repeat * 1e3, "wall_ms": (time.perf_counter() - begun) / repeat * 1e3}


def children():
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    main()
