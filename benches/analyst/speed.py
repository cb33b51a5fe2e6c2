#!/usr/bin/env python3
"""Answers per second and memory of `pipe ask` beside llama.cpp, with the same file and the same prompts, one thread each.

    tests/reference/environment.sh                            llama.cpp, as the wheel xllamacpp
    python3 benches/analyst/speed.py --model out/full/analyst/model.gguf --rate-all [--rounds 3] [--json FILE]
    python3 benches/analyst/speed.py --model out/finetune/analyst/model.gguf --rounds 1

`pipe ask` is measured as a whole, from reports to the enriched report: it starts `pipe-torch`, which answers prompts of about the same length
side by side. llama.cpp answers one prompt after the other, started as the package sys-scan-pipe does, from reading prompts to the last answer.
Both take turns, and both load the model. Figures are medians over the rounds. Memory is that of the largest process. Where this user may
make a network of its own, `pipe ask` runs once more without any.
"""
import argparse
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

from asking import PIPE, PIPE_TORCH, Host, measured  # noqa: E402
from results import save  # noqa: E402

REPORT = os.path.join(ROOT, "pipelines", "data", "reports", "debian12_scanner_v6.json")
PYTHON = os.path.join(ROOT, ".deps", "python")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a GGUF file that the kind `analyst` wrote")
    parser.add_argument("--name", help="how tables call it; else its directory under out/")
    parser.add_argument("--rate-all", action="store_true", help="every finding is asked about")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE", help="write a result file besides what is printed")
    options = parser.parse_args()
    model = os.path.abspath(options.model)
    with tempfile.TemporaryDirectory(prefix="bench-speed-") as room:
        host = Host(os.path.basename(REPORT), [REPORT], model, room, options.rate_all)
    asked = [question for question in host.questions if question["tokens"]]
    ask = [PIPE, "ask", REPORT, *host.options, "--model", model, "--json"]
    llama = [sys.executable, os.path.join(HERE, "llama.py"), model]
    alone = ["unshare", "--map-root-user", "--net"]
    rounds = {"pipe ask": [], "llama.cpp": []}
    for _ in range(options.rounds):
        rounds["pipe ask"].append(measured(ask)[1])
        told, cost = measured(llama, asked)
        rounds["llama.cpp"].append(cost)
    if subprocess.run([*alone, "true"], capture_output=True).returncode == 0:
        rounds["pipe ask, no network"] = [measured([*alone, *ask])[1]]
    # Once more, without a clock: `pipe ask` shows only answers that are taken.
    said, _ = measured([PIPE_TORCH, "answer", model, "1"], [host.head, *asked])
    texts = {one["id"]: one["text"] for one in said[1:]}
    results = {
        "model": options.name or os.path.basename(os.path.dirname(os.path.dirname(model))),
        "questions": len(asked), "prompt_tokens": sum(len(one["tokens"]) for one in asked),
        "answer_tokens": sum(one["completion"] for one in told), "rounds": options.rounds,
        "same": sum(texts[one["id"]] == one["text"] for one in told),
        "programs": {name: {**medians(costs), "answers_per_second": len(asked) / medians(costs)["wall"]} for name, costs in rounds.items()},
    }
    print(json.dumps(results, indent=1))
    if options.json:
        save(options.json, results, peers={"xllamacpp": version()})


def medians(costs):
    return {name: statistics.median(cost[name] for cost in costs) for name in costs[0]}


def version():
    found = importlib.metadata.distributions(name="xllamacpp", path=[PYTHON])
    return next(iter(found)).version


if __name__ == "__main__":
    main()
