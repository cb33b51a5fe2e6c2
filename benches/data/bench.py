#!/usr/bin/env python3
"""Runs produce, correlate, verify and transform as worker processes and prints what they cost.

    cargo build --release -p pipe-data
    python3 benches/data/bench.py [--findings 10000,1000000] [--threads 1,2] [--repeat 5] [--json FILE]
    python3 benches/data/bench.py --check-digests [--findings 10000]

Each stage is one process of `pipe-data`, started with a job file as the engine would write it; engine, tokenization and Parquet
have no part. CPU seconds are user and system of that process, memory is its peak. Medians over the repeats, which go through
all thread counts in turn. The number of hosts follows from a first run of `produce`, so findings come out close to what was
asked for, and every figure is divided by the real number. Runs lie in memory and are removed one by one: on ext4, the kernel takes several
times as long for files made in the minutes after many were removed, which is no cost of a stage. `others` is the CPU time of other processes
meanwhile: where that is much, trust CPU seconds and not the wall clock.
"""
import argparse
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "benches"))

from measure import median_rows, run_chain  # noqa: E402
from results import save  # noqa: E402
from workers import Worker, digests  # noqa: E402

TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
# Hosts of the run that tells how many findings a host has.
SAMPLE_HOSTS = 400


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--findings", type=numbers, default=[10_000, 1_000_000], help="how many, by commas")
    parser.add_argument("--threads", type=numbers, default=[1, 2], help="threads of each worker, by commas")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; medians are printed")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--worker", default=os.path.join(TARGET, "release", "pipe-data"))
    parser.add_argument("--in", dest="place", help="directory to work in (default: /dev/shm, else the system's for temporary files)",
                        default="/dev/shm" if os.path.isdir("/dev/shm") else None)
    parser.add_argument("--json", metavar="FILE", help="write a result file besides the tables")
    parser.add_argument("--check-digests", action="store_true",
                        help="compare the outputs at 1, 2 and 8 threads, each twice, with those of the first run")
    options = parser.parse_args()
    if not os.path.isfile(options.worker):
        parser.error(f"no worker at {options.worker}: cargo build --release -p pipe-data, or name one with --worker")
    worker = Worker(options.worker)
    with tempfile.TemporaryDirectory(prefix="bench-data-", dir=options.place) as place:
        per_host = findings_per_host(worker, place, options.seed)
        if options.check_digests:
            sys.exit(check_digests(worker, place, options, per_host))
        measure(worker, place, options, per_host)


def numbers(text):
    return [int(part.replace("_", "")) for part in text.split(",")]


def findings_per_host(worker, place, seed):
    produced = run_chain(worker, place, ["produce"], hosts=SAMPLE_HOSTS, seed=seed, threads=1)
    return produced["findings"] / SAMPLE_HOSTS


def hosts_for(findings, per_host):
    return max(1, round(findings / per_host))


def measure(worker, place, options, per_host):
    results = []
    for findings in options.findings:
        runs = {threads: [] for threads in options.threads}
        for _ in range(options.repeat):
            for threads in options.threads:
                runs[threads].append(run_chain(worker, place, worker.chain, hosts=hosts_for(findings, per_host),
                                               seed=options.seed, threads=threads))
        for threads in options.threads:
            results.append({"findings": runs[threads][0]["findings"], "threads": threads,
                            "stages": median_rows(runs[threads])})
    tell(results)
    if options.json:
        save(options.json, {"repeat": options.repeat, "runs": results})


def tell(results):
    smallest = min(result["findings"] for result in results)
    base = {result["threads"]: total(result)["cpu"] / smallest for result in results if result["findings"] == smallest}
    for result in results:
        findings, threads = result["findings"], result["threads"]
        relative = total(result)["cpu"] / findings / base[threads]
        print(f"{findings} findings, {threads} {'thread' if threads == 1 else 'threads'}; "
              f"a finding costs {relative:.2f} of what it costs at {smallest}")
        print(f"  {'stage':<10} {'wall s':>8} {'CPU s':>8} {'user':>8} {'system':>8} {'peak MiB':>9} {'CPU s/M':>8} {'others':>7}")
        for name, row in result["stages"].items():
            print(f"  {name:<10} {row['wall']:>8.2f} {row['cpu']:>8.2f} {row['user']:>8.2f} {row['system']:>8.2f} "
                  f"{row['peak_mib']:>9.0f} {row['cpu'] * 1e6 / findings:>8.1f} {row['others']:>7.2f}")
    for one in (result for result in results if result["threads"] == 1):
        for more in (r for r in results if r["findings"] == one["findings"] and r["threads"] > 1):
            speed, extra = total(one)["wall"] / total(more)["wall"], total(more)["cpu"] / total(one)["cpu"] - 1
            print(f"{one['findings']} findings: {more['threads']} threads are {speed:.2f}x as fast as one, "
                  f"CPU {extra:+.1%}")


def total(result):
    return result["stages"]["total"]


def check_digests(worker, place, options, per_host):
    """Prints the outputs that differ from those of the first run; the exit status says whether any does."""
    differing = 0
    for findings in options.findings:
        hosts, first = hosts_for(findings, per_host), None
        for threads in (1, 1, 2, 2, 8, 8):
            ports = run_chain(worker, place, worker.chain, hosts=hosts, seed=options.seed, threads=threads, look=digests)["seen"]
            if first is None:
                first = ports
                for port, digest in ports.items():
                    print(f"{hosts} hosts  {digest}  {port}")
            wrong = [port for port in first if first[port] != ports.get(port)]
            differing += len(wrong)
            print(f"{hosts} hosts, {threads} threads: " + (f"DIFFERS in {', '.join(wrong)}" if wrong else "the same"))
    return 1 if differing else 0


if __name__ == "__main__":
    main()
