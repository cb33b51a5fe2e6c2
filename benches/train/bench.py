#!/usr/bin/env python3
"""`train` beside PyTorch in eager mode with transformers, and with PEFT where adapters are trained: the same libtorch, model, batch,
optimizer and threads.

    ./pipe run pipelines/full.yaml tokens            examples of the tiny model
    ./pipe run pipelines/base.yaml                   SmolLM2
    ./pipe run pipelines/finetune.yaml tokens        examples in its tokens
    tests/reference/environment.sh
    python3 benches/train/bench.py [--rounds 3] [--only SHAPE] [--json FILE]

Every program is measured from outside, at the moments when it says that a step is done; the first step is not counted. The
programs take turns, so that a change of the machine's speed meets all of them. Figures are medians over the rounds; ratios are
medians of the ratios within a round. Tokens are those of examples, without padding. CPU seconds are user and system of the program and
tell more than the wall clock where the machine has other work.
"""
import argparse
import glob
import importlib.metadata
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

WORKER = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "debug", "pipe-torch")
PYTHON = os.path.join(ROOT, ".deps", "python")
OPTIMIZER = {"adamw": {"lr": 2e-4, "weight_decay": 0.01, "betas": [0.9, 0.999], "eps": 1e-8}}
LORA = {"r": 16, "alpha": 32.0, "dropout": 0.05, "targets": ["q", "k", "v", "o", "gate", "up", "down"], "merge": False}
FULL = {"hidden": 512, "intermediate": 1408, "layers": 8, "heads": 8, "kv_heads": 8, "tie_embeddings": False}
TINY = {"hidden": 256, "intermediate": 640, "layers": 6, "heads": 4, "kv_heads": 2, "tie_embeddings": True}
COLLATORS = {"default collator": [], "sorted by length": ["--sorted"]}

# What is trained, on how many examples a step and at once, with how many threads, for how many steps beside the first, and the peers.
# `examples` are random ones of this many tokens, or those of a pipeline.
SHAPES = {
    "full": {"size": FULL, "vocabulary": 8192, "examples": 512, "batch": 4, "micro": 4, "threads": 2, "steps": 4,
             "peers": {"PyTorch": []}},
    "real": {"size": TINY, "vocabulary": 2048, "examples": "full", "batch": 24, "micro": 6, "threads": 1, "steps": 24,
             "peers": COLLATORS},
    "lora": {"base": True, "vocabulary": 49152, "examples": 256, "batch": 6, "micro": 6, "threads": 2, "steps": 8,
             "peers": {"PEFT": []}},
    # With 6 at once PEFT takes more than 24 GB: the logits of 49,152 tokens are 1.5 GB for 6 examples of 1,280.
    "lora real": {"base": True, "examples": "finetune", "batch": 12, "micro": 3, "threads": 2, "steps": 2, "peers": COLLATORS},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=list(SHAPES), metavar="SHAPE", help=", ".join(SHAPES))
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    shapes = {name: shape for name, shape in SHAPES.items() if options.only in (None, name)}
    # What is lacking is said before hours of work.
    base = found("out/base/base/model/*.gguf", "base.yaml") if any("base" in shape for shape in shapes.values()) else None
    with tempfile.TemporaryDirectory(prefix="bench-train-") as place:
        shapes = {name: {**shape, "tokens": tokens_of(name, shape, place), "gguf": base} for name, shape in shapes.items()}
        results = {name: measure(name, shape, options.rounds) for name, shape in shapes.items()}
    if options.json:
        save(options.json, results, peers=peers(), rounds=options.rounds)


def tokens_of(name, shape, place):
    if isinstance(shape["examples"], str):
        return found(f"out/{shape['examples']}/tokens/tokens", f"{shape['examples']}.yaml tokens")
    directory = os.path.join(place, name)
    examples.write(directory, shape["vocabulary"], shape["examples"], 64)
    return directory


def found(pattern, run):
    """The one thing there is in the checkout of this name, which a run of a pipeline makes."""
    paths = glob.glob(os.path.join(ROOT, pattern))
    if not paths:
        raise SystemExit(f"{pattern} is not there: ./pipe run pipelines/{run}")
    return paths[0]


def peers():
    versions = {path.metadata["Name"]: path.version for path in importlib.metadata.distributions(path=[PYTHON])}
    return {name: versions[name] for name in ["torch", "transformers", "peft"]}


def measure(name, shape, rounds):
    programs = {"pipe": lambda: ours(shape)} | {peer: lambda flags=flags: theirs(shape, flags) for peer, flags in shape["peers"].items()}
    runs = {program: [] for program in programs}
    for _ in range(rounds):
        for program, run in programs.items():
            runs[program].append(total(run()))
    medians = {program: {key: statistics.median(run[key] for run in each) for key in each[0]} for program, each in runs.items()}
    for program, row in medians.items():
        row["ratio"] = ratio(runs, program, "tokens_per_second")
        row["cpu_ratio"] = 1 / ratio(runs, program, "cpu_per_kilotoken")
        row["memory_ratio"] = ratio(runs, program, "peak_mib")
        print(f"{name:10} {program:17} {row['tokens_per_second']:8.0f} tokens/s {row['cpu_per_kilotoken']:7.3f} CPU s / 1,000 tokens "
              f"{row['peak_mib']:7.0f} MiB   pipe: {row['ratio']:.2f}x, by CPU {row['cpu_ratio']:.2f}x, "
              f"memory {row['memory_ratio']:.2f}x", flush=True)
    return medians


def ratio(runs, name, key):
    """Of ours to those of `name`."""
    return statistics.median(ours[key] / theirs[key] for ours, theirs in zip(runs["pipe"], runs[name]))


def ours(shape):
    card = card_of_train()
    defaults = {name: param["default"] for name, param in card["params"]["properties"].items()}
    trained = {"lora": LORA} if "base" in shape else {"model": {"custom": shape["size"]}}
    params = {**defaults, **trained, "max_steps": shape["steps"] + 1, "batch_size": shape["batch"], "micro_batch_size": shape["micro"],
              "optimizer": OPTIMIZER, "schedule": "constant", "threads": shape["threads"], "eval_every": 1000000, "eval_examples": 1,
              "checkpoint_every": 1000000}
    inputs = {"tokens": [{"path": shape["tokens"], "type": "tokens", "digest": "0" * 64}]}
    if "base" in shape:
        inputs["base"] = [{"path": os.path.dirname(shape["gguf"]), "type": "hf-model", "digest": "0" * 64}]
    with tempfile.TemporaryDirectory(prefix="bench-train-") as home:
        job = {"kind": "train", "version": card["version"], "params": params, "inputs": inputs,
               "outputs": {"model": os.path.join(home, "model"), "history": os.path.join(home, "history.json")},
               "scratch": home, "checkpoints": os.path.join(home, "checkpoints"),
               "limits": {"threads": shape["threads"], "memory": 0}, "trace": "bench/train"}
        path = os.path.join(home, "job.json")
        with open(path, "w") as file:
            json.dump(job, file)
        run = follow([WORKER, "run", path], {}, is_step)
        with open(os.path.join(home, "history.json")) as file:
            tokens = [point["tokens"] for point in json.load(file)["history"]["steps"]]
    return {**run, "tokens": sum(tokens[1:])}


def is_step(event):
    return event.get("metric", {}).get("name") == "loss"


def card_of_train():
    cards = json.loads(subprocess.run([WORKER, "cards"], capture_output=True, text=True, check=True).stdout)
    return next(card for card in cards if card["kind"] == "train")


def theirs(shape, flags):
    command = [sys.executable, os.path.join(HERE, "peer.py"), "--tokens", shape["tokens"], "--batch", str(shape["batch"]),
               "--micro-batch", str(shape["micro"]), "--steps", str(shape["steps"] + 1), "--threads", str(shape["threads"]), *flags]
    if "base" in shape:
        command += ["--base", shape["gguf"], "--lora", json.dumps(peft(LORA))]
    else:
        command += ["--shape", json.dumps(config(shape))]
    environment = {"PYTHONPATH": PYTHON, "PYTHONNOUSERSITE": "1", "PYTHONWARNINGS": "ignore", "HF_HUB_OFFLINE": "1",
                   "OMP_WAIT_POLICY": "PASSIVE"}
    seen = []
    run = follow(command, environment, lambda event: seen.append(event["tokens"]) or True)
    return {**run, "tokens": sum(seen[1:])}


def config(shape):
    """As LlamaConfig takes it."""
    size = shape["size"]
    return {"vocab_size": shape["vocabulary"], "hidden_size": size["hidden"], "intermediate_size": size["intermediate"],
            "num_hidden_layers": size["layers"], "num_attention_heads": size["heads"], "num_key_value_heads": size["kv_heads"],
            "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": size["tie_embeddings"]}


def peft(lora):
    """As LoraConfig takes it."""
    return {"r": lora["r"], "lora_alpha": lora["alpha"], "lora_dropout": lora["dropout"],
            "target_modules": [f"{target}_proj" for target in lora["targets"]]}


if __name__ == "__main__":
    main()
