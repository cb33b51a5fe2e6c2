#!/usr/bin/env python3
"""The same questions for every model and baseline: rules, lookup, nearest prompt, the tiny model, and SmolLM2 before and after
fine-tuning and quantized.

    ./pipe run pipelines/full.yaml
    python3 benches/analyst/models.py tiny [--json benches/results/analyst-models-tiny.json]
    ./pipe run pipelines/finetune.yaml
    python3 benches/analyst/models.py before [--json benches/results/analyst-models-before.json]
    python3 benches/analyst/models.py after [--json benches/results/analyst-models-after.json]

The stage `evaluate` asks and judges. The questions are of simulated hosts of a seed that no model was trained on: --findings of task
`finding`, --questions of each other task. The baselines know what the model learned from. The quantized SmolLM2 answers in both of its
runs. Answers of at most --limit tokens bound the time. columns.py asks about real reports.
"""
import argparse
import json
import os
import random
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "benches", "data"), os.path.join(ROOT, "benches")]

from asking import PIPE_DATA, PIPE_TORCH  # noqa: E402
from hosts import produce  # noqa: E402
from results import save  # noqa: E402
from workers import Worker  # noqa: E402

FULL, FINETUNE = (os.path.join(ROOT, "out", name) for name in ("full", "finetune"))
TUNED = os.path.join(FINETUNE, "model", "model")
BASE = os.path.join(FINETUNE, "base", "base", "model")

# Of each run of `evaluate`: the pipeline whose training set the baselines know, both models, the longest example, the tasks that are
# asked (None: all), and what the figures are called.
RUNS = {
    "tiny": (FULL, os.path.join(FULL, "model", "model"), 512, ["finding"], ("tiny", "tiny quantized")),
    "before": (FINETUNE, BASE, 1280, None, ("SmolLM2", "SmolLM2 quantized")),
    "after": (FINETUNE, TUNED, 1280, None, ("SmolLM2 fine-tuned", "SmolLM2 quantized")),
}
BASELINES = ("title", "nearest")
# Characters of a question with its answer. Longer ones would be cut for SmolLM2.
LONGEST = 3000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", choices=list(RUNS), help="which models")
    parser.add_argument("--seed", type=int, default=31337)
    parser.add_argument("--hosts", type=int, default=60, help="simulated hosts that questions are drawn from")
    parser.add_argument("--findings", type=int, default=40)
    parser.add_argument("--questions", type=int, default=3, help="of each other task")
    parser.add_argument("--limit", type=int, default=256, help="tokens of an answer at most; those of summary and refine are longer")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", metavar="FILE", help="write a result file besides what is printed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-models-") as room:
        lines = questions(held_out(options, room), options)
        results = run(options.run, lines, options, os.path.join(room, "run"))
    print(json.dumps(results, indent=1))
    if options.json:
        save(options.json, results)


def held_out(options, room):
    """The dataset that `transform` makes of simulated hosts."""
    worker, ports = Worker(PIPE_DATA), {}
    ports.update(produce(worker, room, options.hosts, options.seed)[0])
    ports.update(worker.run("correlate", room, ports, {}, 2)[0])
    ports.update(worker.run("verify", room, ports, {"on_failed": "report"}, 2)[0])
    return worker.run("transform", room, ports, {"seed": options.seed}, 2)[0]["dataset"]


def questions(dataset, options):
    """Lines of the dataset, so many of each task, each prompt once and no host twice in a task before every host had its turn."""
    tasks, seen = {}, set()
    for split in ("train", "validation", "test"):
        with open(os.path.join(dataset, f"{split}.jsonl")) as file:
            for line in map(json.loads, file):
                prompt, answer = (message["content"] for message in line["messages"][-2:])
                if len(prompt) + len(answer) <= LONGEST and prompt not in seen:
                    seen.add(prompt)
                    tasks.setdefault(line["task"], {}).setdefault(line["host"], []).append(line)
    draws, drawn = random.Random(options.seed), []
    for task, hosts in sorted(tasks.items()):
        wanted = options.findings if task == "finding" else options.questions
        order = sorted(hosts)
        draws.shuffle(order)
        for lines in hosts.values():
            draws.shuffle(lines)
        depth = max(map(len, hosts.values()))
        turns = [hosts[host][turn] for turn in range(depth) for host in order if turn < len(hosts[host])]
        drawn += turns[:wanted]
    return drawn


def run(name, lines, options, room):
    """The figures of both models of one run of `evaluate`."""
    out, model, length, tasks, names = RUNS[name]
    lines = [line for line in lines if tasks is None or line["task"] in tasks]
    dataset = os.path.join(room, "dataset")
    shutil.copytree(os.path.join(out, "dataset", "dataset"), dataset, copy_function=shutil.copyfile)
    with open(os.path.join(dataset, "test.jsonl"), "w") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    worker = Worker(PIPE_TORCH)
    ports = {"dataset": dataset, "base": model}
    tokens, _, _ = worker.run("tokenize", room, ports, {"max_length": length}, options.threads)
    with open(os.path.join(tokens["tokens"], "cut.jsonl")) as file:
        if any(json.loads(line).get("split") == "test" for line in file):
            raise SystemExit(f"{name}: a question is too long for {length} tokens")
    ports = {**tokens, "dataset": dataset, "model": model, "quantized": os.path.join(out, "quantized", "gptq")}
    params = {"samples": len(lines), "examples": 8, "max_new_tokens": options.limit, "threads": options.threads, "seed": options.seed}
    outputs, _, cost = worker.run("evaluate", room, ports, params, options.threads)
    with open(outputs["metrics"]) as file:
        metrics = json.load(file)
    sides = dict(zip(names, (metrics["original"]["answers"], metrics["quantized"]["answers"])))
    sides.update({baseline: metrics["baselines"][baseline] for baseline in BASELINES}, rule=metrics["rule"])
    return {"hosts": hosts_of(os.path.join(dataset, "test.jsonl")), "learned_from": hosts_of(os.path.join(dataset, "train.jsonl")),
            "limit": options.limit, "cost": cost, "tasks": {side: answers["tasks"] for side, answers in sides.items()}}


def hosts_of(path):
    with open(path) as file:
        return len({json.loads(line)["host"] for line in file})


if __name__ == "__main__":
    main()
