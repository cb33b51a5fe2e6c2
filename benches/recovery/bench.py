#!/usr/bin/env python3
"""Prints how well `correlate` recovers simulated attack chains, beside joining by pid alone, and plots it against noise.

    cargo build --release -p pipe-data
    python3 benches/recovery/bench.py [--hosts 1600] [--seeds 11,12,13,14,15,16,17,18] [--noise 0.06] [--json FILE] [--svg docs/images/recovery.svg]

What counts as recovered is said in score.py. `frozen` are the chains of stages/produce/data/chains/frozen.yaml, which no rule was made
with. Seeds other than 7 to 10, 20, 21, 41 to 66, 71 to 74, 81 to 86, 91 to 94, 100 to 163, 1000 to 1023 and 1100 to 1179, on which rules and points were set. With --svg one run for
each level of missed traces.
"""
import argparse
import os
import re
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "benches", "data"), os.path.join(ROOT, "benches")]

from plot import plot  # noqa: E402
from results import save  # noqa: E402
from score import compare, pid_joined, sightings, suspected, techniques  # noqa: E402
from workers import Worker  # noqa: E402

TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
UNITS = ["chains", "sightings", "frozen_chains", "frozen_sightings"]
LEVELS = [0.0, 0.06, 0.15, 0.3, 0.45]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1600)
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=list(range(11, 19)))
    parser.add_argument("--noise", type=float, default=0.06, help="share of traces that a scan misses")
    parser.add_argument("--worker", default=os.path.join(TARGET, "release", "pipe-data"))
    parser.add_argument("--json", metavar="FILE", help="write a result file besides the table")
    parser.add_argument("--svg", metavar="FILE", help="measure at several levels of noise and plot them")
    options = parser.parse_args()
    if not os.path.isfile(options.worker):
        parser.error(f"no worker at {options.worker}: cargo build --release -p pipe-data, or name one with --worker")
    worker = Worker(options.worker)
    levels = LEVELS if options.svg else [options.noise]
    results = [{"noise": noise, "methods": measure(worker, options, noise)} for noise in levels]
    if options.svg:
        plot(results, options.svg)
    table(results)
    if options.json:
        save(options.json, {"hosts": options.hosts, "seeds": options.seeds, "runs": results})


def frozen():
    with open(os.path.join(ROOT, "stages", "produce", "data", "chains", "frozen.yaml")) as file:
        return set(re.findall(r"^- name: (\S+)", file.read(), re.M))


def measure(worker, options, noise):
    """Figures of each method, over all seeds together."""
    sums = {"correlate": [], "pid": []}
    for seed in options.seeds:
        with tempfile.TemporaryDirectory(prefix="bench-recovery-") as room:
            params = {"hosts": options.hosts, "seed": seed, "noise": {"missed": noise, "lookalikes": 1.0}}
            produced, _, _ = worker.run("produce", room, {}, params, 2)
            ports, _, _ = worker.run("correlate", room, produced, {}, 2)
            found, attacked = sightings(produced["truth"])
            clusters = {"correlate": suspected(ports["findings"], ports["correlations"]), "pid": pid_joined(ports["findings"])}
            for method, own in clusters.items():
                sums[method].append((*compare(found, attacked, own), techniques(found, own)))
    return {method: figures(runs) for method, runs in sums.items()}


def figures(runs):
    held_out = frozen()
    count = lambda key: sum(counts[key] for _, _, counts, _ in runs)  # noqa: E731
    named = [size for *_, (sizes, _) in runs for size in sizes]
    chance = [hit for *_, (_, hits) in runs for hit in hits]
    row = {"precision": count("true") / max(1, count("suspected")), "suspected": count("suspected"),
           "on_clean_hosts": count("on_clean_hosts"),
           "techniques": {"mean": sum(named) / max(1, len(named)), "most": max(named, default=0),
                          "of_another_template": sum(chance) / max(1, len(chance))}}
    for unit, place in ("chains", 0), ("sightings", 1):
        for kind, is_frozen in (("", False), ("frozen_", True)):
            counts = [score.counts() for run in runs for name, score in run[place].items() if (name in held_out) == is_frozen]
            observable, recovered, unobservable = (sum(part) for part in zip((0, 0, 0), *counts))
            row[f"{kind}{unit}"] = {"recall": recovered / max(1, observable), "observable": observable, "unobservable": unobservable}
    return row


def table(results):
    print("| noise | method | chains | sightings | frozen chains | frozen sightings | precision | clusters | on clean hosts "
          "| observable chains | unobservable |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for result in results:
        for method, row in result["methods"].items():
            recalls = " | ".join(f"{row[unit]['recall']:.3f}" for unit in UNITS)
            known, held_out = row["chains"], row["frozen_chains"]
            print(f"| {result['noise']:.2f} | {method} | {recalls} | {row['precision']:.3f} | {row['suspected']} "
                  f"| {row['on_clean_hosts']} | {known['observable']} + {held_out['observable']} "
                  f"| {known['unobservable']} + {held_out['unobservable']} |")
    for result in results:
        named = result["methods"]["correlate"]["techniques"]
        print(f"\nNoise {result['noise']:.2f}: a suspected cluster bears {named['mean']:.1f} techniques ({named['most']} at most), and "
              f"one of a chain of another template in {named['of_another_template']:.3f}.")


if __name__ == "__main__":
    main()
