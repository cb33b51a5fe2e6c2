#!/usr/bin/env python3
"""Prints what labels say of attacked and of never attacked scans, in fleets of several sizes: the check `summaries` of `verify`.

    cargo build --release -p pipe-data
    python3 benches/data/labels.py [--hosts 10,20,60,200] [--seeds 91827,42,31337,777,90210] [--attack-rate 0.4] [--worker FILE]

Simulated hosts of two scans and the report of pipelines/data, as `pipelines/data.yaml` has them. Nothing stops a run that fails a check.
"""
import argparse
import json
import os
import tempfile

from workers import Worker

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
CHECKS = ["techniques", "actions", "technique_share", "label_conflicts"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=numbers, default=[10, 20, 60, 200])
    parser.add_argument("--seeds", type=numbers, default=[91827, 42, 31337, 777, 90210])
    parser.add_argument("--attack-rate", type=float, default=0.4)
    parser.add_argument("--worker", default=os.path.join(TARGET, "release", "pipe-data"))
    options = parser.parse_args()
    worker = Worker(options.worker)
    for hosts in options.hosts:
        runs = [measure(worker, hosts, seed, options.attack_rate) for seed in options.seeds]
        print(f"\n| {hosts} hosts | bar | " + " | ".join(str(seed) for seed in options.seeds) + " |")
        print("| --- | --- |" + " --- |" * len(runs), flush=True)
        for name in runs[0]:
            print(f"| {name} | {runs[0][name][0]} | " + " | ".join(run[name][1] for run in runs) + " |", flush=True)


def numbers(text):
    return [int(part) for part in text.split(",")]


def measure(worker, hosts, seed, attack_rate):
    """Of each figure its bar and its value, in the order of the table."""
    with tempfile.TemporaryDirectory(prefix="bench-labels-") as room:
        step = lambda name: os.path.join(room, name)  # noqa: E731
        ports = {"reports": os.path.join(ROOT, "pipelines", "data", "reports")}
        ports["real"] = worker.run("ingest", step("real"), ports, {}, 2)[0]["scans"]
        produced = {"hosts": hosts, "seed": seed, "attack_rate": attack_rate}
        ports.update(worker.run("produce", step("scans"), {}, produced, 2)[0])
        ports.update(worker.run("correlate", step("correlations"), ports, {}, 2)[0])
        ports.update(worker.run("verify", step("verified"), ports, {"on_failed": "report"}, 2)[0])
        ports.update(worker.run("transform", step("dataset"), ports, {"seed": seed}, 2)[0])
        after = {name: ports[name] for name in ["truth", "documents", "dataset"]}
        gate, _, _ = worker.run("verify", step("gate"), after, {"on_failed": "report"}, 2)
        with open(gate["verification"]) as file:
            checks = {check["name"]: check for check in json.load(file)["checks"]}
    figures = {part["part"]: (part["note"], f"{part['value']:.3f} of {part['items']}" if part["items"] else "")
               for part in checks["summaries"]["measures"]}
    figures["check `summaries`"] = "", checks["summaries"]["status"]
    figures.update({name: (checks[name]["threshold"], str(round(checks[name].get("figure", 0), 3))) for name in CHECKS})
    return figures


if __name__ == "__main__":
    main()
