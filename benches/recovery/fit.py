#!/usr/bin/env python3
"""Writes the points of stages/correlate/rules/*.yaml anew: the weights of a logistic regression.

    cargo build --release -p pipe-data && pip install numpy scipy
    python3 benches/recovery/fit.py [--hosts 1600] [--seeds 61,62,63,64,65,66] [--penalty 2]

What is predicted is whether a cluster is mostly of one chain, from which rules speak of it; clusters of frozen chains are left out, and so
are the joins that ask what others make of a scan (`clusters`, `beside`), which have the points that they have. Weights are not below 0, with
an L1 penalty (beside a small L2 one), so that of rules that say the same few have points. Even odds are 67 points, 50 the most.
"""
import argparse
import os
import re
import sys
import tempfile
from collections import Counter, defaultdict

import numpy
from scipy.optimize import minimize

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.append(os.path.join(ROOT, "benches", "data"))

from bench import TARGET, frozen  # noqa: E402
from score import PURE, lines  # noqa: E402
from workers import Worker  # noqa: E402

RULES = os.path.join(ROOT, "stages", "correlate", "rules")
EVEN_ODDS, MOST, RIDGE = 64, 50, 0.05
LATE = re.compile(r"join: ?\{?\s*(clusters|beside):")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1600)
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[61, 62, 63, 64, 65, 66])
    parser.add_argument("--penalty", type=float, default=2.0)
    parser.add_argument("--worker", default=os.path.join(TARGET, "release", "pipe-data"))
    options = parser.parse_args()
    if not os.path.isfile(options.worker):
        parser.error(f"no worker at {options.worker}: cargo build --release -p pipe-data, or name one with --worker")
    worker = Worker(options.worker)
    rules = [name for name, late in fields().items() if not late]
    clusters = [cluster for seed in options.seeds for cluster in measure(worker, options.hosts, seed)]
    weights, bias = fit([[name in spoke for name in rules] for spoke, _ in clusters], [true for _, true in clusters], options.penalty)
    points = {name: min(MOST, round(EVEN_ODDS * weight / -bias)) for name, weight in zip(rules, weights)}
    write(points)
    for name in rules:
        own = [true for spoke, true in clusters if name in spoke]
        print(f"{name:48} {points[name]:3}  of {len(own):6} clusters, {sum(own) / max(1, len(own)):.2f} of chains")


def texts():
    """Each file of rules in its parts, of which all but the first are one rule."""
    for name in sorted(os.listdir(RULES)):
        if name.endswith(".yaml"):
            with open(os.path.join(RULES, name)) as file:
                yield name, re.split(r"(?m)^(?=- id: )", file.read())


def fields():
    """The rules' ids, and whether each asks what others make of a scan."""
    return {re.match(r"- id: (\S+)", part)[1]: bool(LATE.search(part)) for _, parts in texts() for part in parts[1:]}


def measure(worker, hosts, seed):
    """Of each cluster which rules speak of it, and whether it is mostly of one chain."""
    held_out = frozen()
    with tempfile.TemporaryDirectory(prefix="bench-fit-") as room:
        params = {"hosts": hosts, "seed": seed, "noise": {"missed": 0.06, "lookalikes": 1.0}}
        produced, _, _ = worker.run("produce", room, {}, params, 2)
        ports, _, _ = worker.run("correlate", room, produced, {}, 2)
        chains = {}
        for line in lines(produced["truth"], '"role":"chain"'):
            if line["role"] == "chain":
                chains[line["host"], line["scan"], line["scanner"], line["id"]] = (line["chain_id"], line["template"])
        late = {name for name, late in fields().items() if late}
        scans = defaultdict(Scan)
        for line in lines(ports["correlations"]):
            if line["rule"] not in late:
                scans[line["host"], line["scan"]].add(line)
        members = defaultdict(list)
        for line in lines(ports["findings"]):
            place = line["host"], line["scan"]
            cluster = scans[place].cluster(line["document_id"])
            if cluster:
                chain = chains.get((*place, line["scanner"], line["id"]))
                members[*place, cluster].append((scans[place].spoke[line["document_id"]], chain))
    for own in members.values():
        most = Counter(chain for _, chain in own if chain).most_common(1)
        (_, template), count = most[0] if most else ((None, None), 0)
        if template not in held_out:
            yield set().union(*(spoke for spoke, _ in own)), count >= PURE * len(own)


class Scan:
    """The clusters of one scan as they are without the joins that ask what others make of it."""

    def __init__(self):
        self.parent = {}
        self.spoke = defaultdict(set)

    def add(self, correlation):
        named = correlation["related_finding_ids"]
        for name in named:
            self.spoke[name].add(correlation["rule"])
            # Only what a strong link joins is of a cluster.
            if correlation.get("cluster_id"):
                first, own = self.root(named[0]), self.root(name)
                self.parent[max(first, own)] = min(first, own)

    def root(self, name):
        while self.parent.setdefault(name, name) != name:
            name = self.parent[name]
        return name

    def cluster(self, name):
        return self.root(name) if name in self.parent else None


def fit(speaks, true, penalty):
    rows, counts = numpy.unique(numpy.c_[numpy.array(speaks, float), numpy.array(true, float)], axis=0, return_counts=True)
    rows, true = rows[:, :-1], rows[:, -1]

    def loss(parameters):
        bias, weights = parameters[0], parameters[1:]
        score = rows @ weights + bias
        value = (counts * (numpy.logaddexp(0, score) - true * score)).sum()
        slope = counts * (1 / (1 + numpy.exp(-score)) - true)
        value += penalty * weights.sum() + RIDGE * (weights**2).sum()
        return value, numpy.r_[slope.sum(), rows.T @ slope + penalty + 2 * RIDGE * weights]

    size = rows.shape[1]
    start = numpy.r_[-3, numpy.full(size, 0.5)]
    bounds = [(None, -0.01)] + [(0, None)] * size
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 3000})
    return found.x[1:], found.x[0]


def write(points):
    for name, parts in texts():
        for place, part in enumerate(parts):
            own = re.match(r"- id: (\S+)", part)
            if own and own[1] in points:
                parts[place] = re.sub(r"(?m)^  delta: \d+", f"  delta: {points[own[1]]}", part, count=1)
        with open(os.path.join(RULES, name), "w") as file:
            file.write("".join(parts))


if __name__ == "__main__":
    main()
