#!/usr/bin/env python3
"""Runs one shape through several engines and prints what each operation took.

    python3 benches/engines/bench.py chain-100 [--tools pipe,ninja,dvc,direct] [--ops cold,noop,...] [--noop 11] [--json FILE]

Operations, in this order, on one workspace an engine; the stages that an ideal engine executes in brackets:
  cold    nothing cached [all]             noop    nothing changed [0], several times
  leaf    the last source edited [1]       cutoff  a comment added to the first source, which its output lacks [1]
  root    the first source edited [all]    revert  that edit undone [0]
  wipe    out/ removed [0]                 touch   new times on every source, same bytes [0]
CPU seconds are user and system of the whole process tree; of `noop` the median. `others` is CPU that other processes burnt
meanwhile: where that is much, trust CPU seconds and not the wall clock.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "benches"))

import shapes  # noqa: E402
from results import save  # noqa: E402
from tools import PEERS, TOOLS, install_peers  # noqa: E402

OPS = ["cold", "noop", "leaf", "cutoff", "root", "revert", "wipe", "touch"]


def busy_seconds():
    with open("/proc/stat") as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def run(command, workspace, env, timeout):
    busy, begun = busy_seconds(), time.perf_counter()
    with open(workspace + ".log", "ab") as log:
        process = subprocess.Popen(command, cwd=workspace, env={**os.environ, **env}, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, start_new_session=True)
        try:
            # Not Popen.wait: that would reap the child without its usage.
            _, status, usage = wait4(process.pid, begun + timeout)
        except TimeoutError:
            os.killpg(process.pid, 9)
            os.wait4(process.pid, 0)
            return None
    cpu = usage.ru_utime + usage.ru_stime
    return {"cpu": cpu, "wall": time.perf_counter() - begun, "rss_mib": usage.ru_maxrss / 1024,
            "status": os.waitstatus_to_exitcode(status), "others": max(0.0, busy_seconds() - busy - cpu)}


def wait4(pid, deadline):
    while True:
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found:
            return found, status, usage
        if time.perf_counter() > deadline:
            raise TimeoutError
        time.sleep(0.0005)


def change(op, spec, workspace, originals):
    source = lambda stage: os.path.join(workspace, "src", stage + ".txt")
    if op == "leaf":
        append(source(spec["leaf"]), "edit\n")
    elif op == "cutoff":
        append(source(spec["root"]), "# comment\n")
    elif op == "root":
        append(source(spec["root"]), "edit\n")
    elif op == "revert":
        with open(source(spec["root"]), "w") as file:
            file.write(originals)
    elif op == "wipe":
        shutil.rmtree(os.path.join(workspace, "out"))
        os.mkdir(os.path.join(workspace, "out"))
    elif op == "touch":
        for stage in spec["stages"]:
            os.utime(source(stage["id"]))


def append(path, text):
    with open(path, "a") as file:
        file.write(text)


def measure(name, spec, options):
    tool = TOOLS[name](options)
    workspace = os.path.join(options.work, f"{name}-{spec['name']}")
    shutil.rmtree(workspace, ignore_errors=True)
    os.makedirs(workspace)
    shapes.materialize(spec, workspace)
    tool.setup(spec, workspace)
    with open(os.path.join(workspace, "src", spec["root"] + ".txt")) as file:
        originals = file.read()
    results = {}
    for op in options.ops.split(","):
        change(op, spec, workspace, originals)
        tool.executed(workspace)
        taken = []
        for _ in range(options.noop if op == "noop" else 1):
            taken.append(run(tool.command(spec), workspace, tool.env, options.timeout))
            if taken[-1] is None:
                break
        if taken[-1] is None:
            results[op] = {"status": "timeout"}
            break
        middle = {key: statistics.median(one[key] for one in taken) for key in taken[0]}
        results[op] = {**middle, "executed": tool.executed(workspace)}
    if not options.keep:
        shutil.rmtree(workspace, ignore_errors=True)
    return results


def table(spec, results):
    print(f"\n{spec['name']}: CPU seconds (stages executed), and how often the CPU of pipe")
    names = list(results)
    for op in OPS:
        if not any(op in of_one for of_one in results.values()):
            continue
        row = [f"{op:8}"]
        for name in names:
            one = results[name].get(op)
            if one is None or one["status"] == "timeout":
                row.append(f"{name} -")
                continue
            text = f"{name} {one['cpu']:.3f} ({one['executed']})"
            base = results.get("pipe", {}).get(op)
            if name != "pipe" and base and base.get("cpu"):
                text += f" {one['cpu'] / base['cpu']:.1f}x"
            row.append(text + ("" if one["status"] == 0 else f" FAILED {one['status']}"))
        print("  ".join(row))
    for name in names:
        peaks = [one["rss_mib"] for one in results[name].values() if "rss_mib" in one]
        print(f"peak memory of {name}: {max(peaks):.0f} MiB")


def document(spec, results):
    operations, peaks = [], {}
    for name, of_one in results.items():
        for op, one in of_one.items():
            base = results.get("pipe", {}).get(op, {}).get("cpu")
            compared = {"times_pipe": one["cpu"] / base} if name == "dvc" and base and "cpu" in one else {}
            operations.append({"tool": name, "op": op, **one, **compared})
        peaks[name] = max((one["rss_mib"] for one in of_one.values() if "rss_mib" in one), default=0)
    return {"shape": spec["name"], "operations": operations, "peak_mib": peaks}


def file_system(path):
    found = subprocess.run(["stat", "--file-system", "--format=%T", path], capture_output=True, text=True).stdout.strip()
    return {"ext2/ext3": "ext4"}.get(found, found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", help="chain-N, fan-N, big-MIB or many-N")
    parser.add_argument("--tools", default="pipe,ninja,dvc,direct")
    parser.add_argument("--ops", default=",".join(OPS))
    parser.add_argument("--noop", type=int, default=11, help="how often nothing is done")
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--pipe", default=os.path.join(ROOT, "target", "debug", "pipe"))
    parser.add_argument("--peers", default=os.path.join(ROOT, ".deps", "bench-peers"))
    parser.add_argument("--work", default=os.path.join(tempfile.gettempdir(), "pipe-bench"))
    parser.add_argument("--keep", action="store_true", help="leave the workspaces")
    parser.add_argument("--json", metavar="FILE", help="write a result file besides the table")
    options = parser.parse_args()
    tools = options.tools.split(",")
    if {"ninja", "dvc"} & set(tools):
        install_peers(options.peers)
    spec = shapes.shape(options.shape)
    results = {name: measure(name, spec, options) for name in tools}
    table(spec, results)
    if options.json:
        peers = dict(peer.split("==") for peer in PEERS if peer.split("==")[0] in tools)
        save(options.json, document(spec, results), peers=peers, place=file_system(options.work))
    return int(any(one["status"] != 0 for ops in results.values() for one in ops.values()))


if __name__ == "__main__":
    sys.exit(main())
