#!/usr/bin/env python3
"""`train` beside transformers and PyTorch in eager mode: the same libtorch, model, batch, optimizer and threads.

    ./pipe run pipelines/full.yaml tokens           the examples of the second shape
    cargo build -p pipe-torch && tests/reference/environment.sh
    python3 benches/train/bench.py [--rounds 5] [--only full] [--json FILE]

Every program is measured from outside, at the moments when it says that a step is done; the first step is not counted. The
programs take turns, so that a change of the machine's speed meets all of them. Figures are medians over the rounds; ratios are
medians of the ratios within a round. CPU seconds are user and system of the program and tell more than the wall clock where the machine
has other work.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "benches")]

import examples  # noqa: E402
from measure import follow, total  # noqa: E402
from results import save  # noqa: E402

TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
OPTIMIZER = {"adamw": {"lr": 2e-4, "weight_decay": 0.01, "betas": [0.9, 0.999], "eps": 1e-8}}
FULL = {"hidden": 512, "intermediate": 1408, "layers": 8, "heads": 8, "kv_heads": 8, "tie_embeddings": False}
TINY = {"hidden": 256, "intermediate": 640, "layers": 6, "heads": 4, "kv_heads": 2, "tie_embeddings": True}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="steps of each program in a round, beside the first")
    parser.add_argument("--only", choices=["full", "real"])
    parser.add_argument("--ours-only", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="PARAM=JSON", help="another param of ours")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--worker", default=os.path.join(TARGET, "debug", "pipe-torch"))
    parser.add_argument("--real", default=os.path.join(ROOT, "out", "full", "tokens", "tokens"), help="real examples")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-train-") as place:
        results = {name: measure(shape, options) for name, shape in shapes(options, place).items()}
    if options.json:
        save(options.json, results, rounds=options.rounds)


def shapes(options, place):
    """What is trained: the size, where the examples lie, how a step is cut, and the peers."""
    random = os.path.join(place, "tokens")
    examples.write(random, 8192, 512, 64)
    all_shapes = {
        "full": {"size": FULL, "tokens": random, "vocabulary": 8192, "batch": 4, "micro": 4, "threads": 2,
                 "steps": 4, "peers": {"eager": []}},
        "real": {"size": TINY, "tokens": options.real, "vocabulary": 2048, "batch": 24, "micro": 6, "threads": 1,
                 "steps": 24, "peers": {"default collator": [], "sorted by length": ["--sorted"]}},
    }
    return {name: shape for name, shape in all_shapes.items() if options.only in (None, name)}


def measure(shape, options):
    programs = {"pipe": lambda: ours(shape, options)}
    if not options.ours_only:
        programs |= {name: lambda flags=flags: peer(shape, flags, options) for name, flags in shape["peers"].items()}
    runs = {name: [] for name in programs}
    for _ in range(options.rounds):
        for name, program in programs.items():
            runs[name].append(total(program()))
    medians = {name: {key: statistics.median(run[key] for run in each) for key in each[0]} for name, each in runs.items()}
    for name, row in medians.items():
        row["ratio"] = ratio(runs, name, "tokens_per_second")
        row["cpu_ratio"] = 1 / ratio(runs, name, "cpu_per_kilotoken")
        row["memory_ratio"] = ratio(runs, name, "peak_mib")
        print(f"{name:18} {row['tokens_per_second']:8.0f} tokens/s {row['cpu_per_kilotoken']:7.3f} CPU s / 1,000 tokens "
              f"{row['peak_mib']:7.0f} MiB   pipe: {row['ratio']:.2f}x, by CPU {row['cpu_ratio']:.2f}x, "
              f"memory {row['memory_ratio']:.2f}x", flush=True)
    return medians


def ratio(runs, name, key):
    """Of ours to those of `name`."""
    return statistics.median(ours[key] / theirs[key] for ours, theirs in zip(runs["pipe"], runs[name]))


def ours(shape, options):
    card = card_of(options.worker)
    defaults = {name: param["default"] for name, param in card["params"]["properties"].items()}
    params = {**defaults, "model": {"custom": shape["size"]}, "max_steps": steps(shape, options) + 1, "batch_size": shape["batch"],
              "micro_batch_size": shape["micro"], "optimizer": OPTIMIZER, "schedule": "constant",
              "threads": threads(shape, options), "eval_every": 1000000, "eval_examples": 1, "checkpoint_every": 1000000,
              **{name: json.loads(value) for name, _, value in (text.partition("=") for text in options.set)}}
    with tempfile.TemporaryDirectory(prefix="bench-train-") as home:
        tokens = {"path": shape["tokens"], "type": "tokens", "digest": "0" * 64}
        job = {"kind": "train", "version": card["version"], "params": params, "inputs": {"tokens": [tokens]},
               "outputs": {"model": os.path.join(home, "model"), "history": os.path.join(home, "history.json")},
               "scratch": home, "checkpoints": os.path.join(home, "checkpoints"),
               "limits": {"threads": threads(shape, options), "memory": 0}, "trace": "bench/train"}
        path = os.path.join(home, "job.json")
        with open(path, "w") as file:
            json.dump(job, file)
        run = follow([options.worker, "run", path], {}, is_step)
        with open(os.path.join(home, "history.json")) as file:
            tokens = [point["tokens"] for point in json.load(file)["history"]["steps"]]
    return {**run, "tokens": sum(tokens[1:])}


def is_step(event):
    return event.get("metric", {}).get("name") == "loss"


def card_of(worker):
    cards = json.loads(subprocess.run([worker, "cards"], capture_output=True, text=True, check=True).stdout)
    return next(card for card in cards if card["kind"] == "train")


def peer(shape, flags, options):
    size = shape["size"]
    config = {"vocab_size": shape["vocabulary"], "hidden_size": size["hidden"], "intermediate_size": size["intermediate"],
              "num_hidden_layers": size["layers"], "num_attention_heads": size["heads"],
              "num_key_value_heads": size["kv_heads"], "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
              "rope_theta": 10000.0, "tie_word_embeddings": size["tie_embeddings"]}
    command = [sys.executable, os.path.join(HERE, "peer.py"), "--tokens", shape["tokens"], "--shape", json.dumps(config),
               "--batch", str(shape["batch"]), "--micro-batch", str(shape["micro"]), "--steps",
               str(steps(shape, options) + 1), "--threads", str(threads(shape, options)), *flags]
    environment = {"PYTHONPATH": os.path.join(ROOT, ".deps", "python"), "PYTHONNOUSERSITE": "1", "PYTHONWARNINGS": "ignore",
                   "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    seen = []
    run = follow(command, environment, lambda event: seen.append(event["tokens"]) or True)
    return {**run, "tokens": sum(seen[1:])}


def steps(shape, options):
    return options.steps or shape["steps"]


def threads(shape, options):
    return options.threads or shape["threads"]


if __name__ == "__main__":
    main()
