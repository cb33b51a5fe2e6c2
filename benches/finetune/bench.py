#!/usr/bin/env python3
"""Gathers what runs of pipelines/finetune.yaml took and gave, from their own reports and the outputs of the last.

    ./pipe run pipelines/finetune.yaml && python3 benches/finetune/bench.py [--directory CHECKOUT] [--run RUN].. [--json FILE]

With several runs a stage has the figures of the last one in which it ran.
"""
import argparse
import json
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "benches"))

from results import save  # noqa: E402
from runs import last_report, read, report_of, usage  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", default=ROOT, help="the checkout that it ran in")
    parser.add_argument("--run", action="append", help="a run of `pipe runs`; the default is the last of this pipeline")
    parser.add_argument("--json", metavar="FILE", help="write a result file in place of printing it")
    options = parser.parse_args()
    named = [report_of(options.directory, run) for run in options.run or []]
    reports = named or [last_report(options.directory, "finetune")]
    used = [(name, usage(stage)) for report in reports for name, stage in report["stages"].items()]
    stages = {name: took for name, took in used if took is not None}
    out = os.path.join(options.directory, "out", "finetune")
    metrics, history = read(out, "evaluation", "metrics.json"), read(out, "model", "history.json")
    tasks = {name: {task: {figure: value["value"] for figure, value in of["figures"].items()} for task, of in answers["tasks"].items()}
             for name, answers in [(side, metrics[side]["answers"]) for side in ("original", "quantized")]
             + [(name, metrics["baselines"][name]) for name in ("title", "nearest")]}
    results = {"params": reports[-1]["params"], "stages": stages, "examples": history["examples"], "steps": history["total_steps"],
               "losses": [[point["step"], point["loss"]] for point in history["history"]["evaluations"]],
               "tasks": tasks, "gates": metrics["gates"]}
    if options.json:
        save(options.json, results)
    else:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
