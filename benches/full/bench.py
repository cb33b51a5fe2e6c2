#!/usr/bin/env python3
"""Gathers what the last run of pipelines/full.yaml took and gave, from its own report, metrics and files.

    ./pipe run pipelines/full.yaml [-S samples=200] && python3 benches/full/bench.py [--run RUN] [--json FILE]
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
    parser.add_argument("--json", metavar="FILE", help="write a result file in place of printing it")
    parser.add_argument("--run", help="a run of `pipe runs`, in place of the last of this pipeline; its outputs must lie under out/")
    options = parser.parse_args()
    report = report_of(ROOT, options.run) if options.run else last_report(ROOT, "full")
    results = {"params": report["params"], "run": run(report)}
    if report["outcome"] == "succeeded" and report["stages"]["model"]["outcome"] == "ran":
        results.update(products(report))
    if options.json:
        save(options.json, results)
    else:
        print(json.dumps(results, indent=1))


def run(report):
    """The stages' own times; a hit took none in this run."""
    stages = {}
    for name, stage in report["stages"].items():
        stages[name] = {"outcome": stage["outcome"], **(usage(stage) or {})}
    return {"wall": report["seconds"], "cpu": sum(stage.get("cpu", 0) for stage in stages.values()),
            "peak_mib": report["peak_memory"] / 2**20, "stages": stages}


def products(report):
    metrics = {name: stage["metrics"] for name, stage in report["stages"].items()}
    output = lambda stage, port: report["stages"][stage]["outputs"][port]["path"]  # noqa: E731
    history, evaluation = read(ROOT, output("model", "history")), read(ROOT, output("evaluation", "metrics"))
    return {
        "counts": {"simulated_hosts": int(metrics["scans"]["hosts"]), "findings": int(metrics["correlations"]["findings"]),
                   "training_examples": history["examples"],
                   "steps": history["total_steps"], "parameters": history["parameters"],
                   "tokens_per_second": metrics["model"]["useful_tokens_per_second"], "threads": report["params"]["threads"]},
        "linears": {name: metrics["quantized"][name] for name in ("relative_error", "nearest_relative_error")},
        "evaluation": kept(evaluation),
    }


# What differences between models are told of.
COMPARED = ("severity_macro_f1", "risk_mae")


def kept(evaluation):
    """What the tables show, of a document that has every figure of every task."""
    figures = lambda answers: {"tasks": answers["tasks"]}  # noqa: E731
    models = {side: {"likelihood": {"answers": evaluation[side]["likelihood"]["answers"]}, "answers": figures(evaluation[side]["answers"])}
              for side in ("original", "quantized")}
    return {
        **models,
        "baselines": {name: figures(answers) for name, answers in evaluation["baselines"].items()},
        "comparisons": [one for one in evaluation["comparisons"] if one["task"] != "mean" and one["figure"] in COMPARED],
        **{name: evaluation[name] for name in ("hosts", "sizes", "drift", "out_of_domain", "reports")},
    }


if __name__ == "__main__":
    main()
