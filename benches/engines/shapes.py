"""Neutral pipelines: what every engine of the benchmark is given in its own language.

A shape is {"name", "root", "leaf", "stages": [{"id", "cmd", "inputs", "outputs", "dir_inputs", "dir_outputs"}]}; `cmd` is one
`sh -c` string that reads its inputs and writes its outputs at their paths in the workspace. `src/<id>.txt` is a stage's own
source. Lines that start with `#` in a source do not reach the output: a comment in the root's source is the probe for early cutoff.
"""
import os


def stage(index, parents):
    name = f"s{index:04d}"
    source, output = f"src/{name}.txt", f"out/{name}.txt"
    inputs = [source] + [f"out/s{parent:04d}.txt" for parent in parents]
    command = f"sed '/^#/d' {' '.join(inputs)} | cksum > {output}"
    return {"id": name, "cmd": command, "inputs": inputs, "outputs": [output], "dir_inputs": [], "dir_outputs": []}


def chain(count):
    return [stage(i, [i - 1] if i else []) for i in range(count)]


def fan(count):
    """A root, count - 2 stages that read it, and one that reads them all."""
    middle = [stage(i, [0]) for i in range(1, count - 1)]
    return [stage(0, [])] + middle + [stage(count - 1, list(range(1, count - 1)))]


def big(mebibytes):
    """One file of so many MiB, and a stage that reads a MiB of it."""
    make = (f"k=$(sed '/^#/d' src/s0000.txt | cksum | cut -c1-8); head -c {mebibytes}M /dev/zero"
            " | openssl enc -aes-128-ctr -K 00$k -iv 00 -out out/big.bin 2>/dev/null")
    read = "(sed '/^#/d' src/s0001.txt; head -c 1M out/big.bin) | cksum > out/s0001.txt"
    return [
        {"id": "s0000", "cmd": make, "inputs": ["src/s0000.txt"], "outputs": ["out/big.bin"],
         "dir_inputs": [], "dir_outputs": []},
        {"id": "s0001", "cmd": read, "inputs": ["src/s0001.txt", "out/big.bin"], "outputs": ["out/s0001.txt"],
         "dir_inputs": [], "dir_outputs": []},
    ]


MAKE_MANY = """import os, sys
source, directory, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
body = "".join(line for line in open(source) if not line.startswith("#")).strip()
for i in range(count):
    inner = os.path.join(directory, f"d{i % 100:02d}")
    os.makedirs(inner, exist_ok=True)
    with open(os.path.join(inner, f"f{i:05d}.txt"), "w") as file:
        file.write(f"{body}:{i}:".ljust(1024, "x"))
"""


def many(count):
    """A directory of so many files of 1 KiB, and a stage that lists it and reads one."""
    make = f"rm -rf out/many; mkdir -p out/many; python3 src/make_many.py src/s0000.txt out/many {count}"
    read = "(sed '/^#/d' src/s0001.txt; ls out/many; cat out/many/d00/f00000.txt) | cksum > out/s0001.txt"
    return [
        {"id": "s0000", "cmd": make, "inputs": ["src/s0000.txt", "src/make_many.py"], "outputs": [],
         "dir_inputs": [], "dir_outputs": ["out/many"]},
        {"id": "s0001", "cmd": read, "inputs": ["src/s0001.txt"], "outputs": ["out/s0001.txt"],
         "dir_inputs": ["out/many"], "dir_outputs": []},
    ]


def shape(name):
    kind, count = name.split("-")
    stages = {"chain": chain, "fan": fan, "big": big, "many": many}[kind](int(count))
    return {"name": name, "stages": stages, "root": stages[0]["id"], "leaf": stages[-1]["id"]}


def materialize(spec, workspace):
    for directory in ("src", "out"):
        os.makedirs(os.path.join(workspace, directory), exist_ok=True)
    for one in spec["stages"]:
        with open(os.path.join(workspace, "src", one["id"] + ".txt"), "w") as file:
            file.write(f"v1 {one['id']}\n")
    if spec["name"].startswith("many"):
        with open(os.path.join(workspace, "src", "make_many.py"), "w") as file:
            file.write(MAKE_MANY)
