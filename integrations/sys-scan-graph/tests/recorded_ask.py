#!/usr/bin/env python3
"""Answers in place of `pipe-ask` where these tests are run without it: it speaks the same files and says the same few things
about every report. It knows a model by its first bytes only."""

import argparse
import hashlib
import json
import sys
from typing import Any

RULE: dict[str, Any] = {
    "summary": {
        "EXECUTIVE_SUMMARY": "Host with findings under /home/alice/bin: no attack is suspected; look at the first.",
        "KEY_FINDINGS": ["one (low)"],
        "RISK_ASSESSMENT": {"level": "low"},
        "RECOMMENDATIONS": ["Look at it."],
    },
    "triage": {"TOP_FINDINGS": ["one"], "CORRELATION_COUNT": 0, "PRIORITY_LEVEL": "low", "RESPONSE_ACTIONS": []},
    "actions": [{"title": "Look at it.", "priority": "low", "finding_ids": ["f1"]}],
    "refine": [
        {
            "id": "gap_suid_sgid_binary",
            "conditions": [{"field": "title", "contains": "SUID/SGID binary"}],
            "logic": "all",
            "tags": ["refined"],
            "confidence": 0.5,
            "rationale": "All of one title.",
        }
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("reports", nargs="+")
    for name in ("model", "out", "prompts", "answers"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--quiet", action="store_true")
    given = parser.parse_args()
    try:
        reports = [json.loads(open(path, encoding="utf-8").read()) for path in given.reports]
        findings = [finding for result in reports[-1]["results"] for finding in result["findings"]]
    except (ValueError, KeyError, TypeError) as error:
        sys.exit(f"{given.reports[-1]}: this is no report: {error}")
    digest = hashlib.sha256("".join(open(path).read() for path in given.reports).encode()).hexdigest()
    head: "dict[str, Any]" = {"questions": digest, "model": None}
    if given.model:
        content = open(given.model, "rb").read()
        if b"other prompts" in content:
            sys.exit(f"{given.model}: this model was made for other prompts: summary")
        head["model"] = hashlib.sha256(content).hexdigest()
    if given.prompts:
        lines = [
            {"id": n, "task": task, "findings": [], "system": "", "prompt": "p", "tokens": [0, 1], "limit": 8, "stop": [2]}
            for n, task in enumerate(RULE)
        ]
        write(given.prompts, [head, *lines, {"id": 9, "task": "summary", "tokens": None, "skipped": "too long"}])
        return
    taken: "dict[int, Any]" = {}
    if given.answers:
        first, *answers = [json.loads(line) for line in open(given.answers)]
        if first != head:
            sys.exit("these answers are to other questions")
        taken = {answer["id"]: answer for answer in answers}
    entries = []
    for n, task in enumerate(RULE):
        answer = taken.get(n)
        by_model = bool(answer and answer["finish"] == "stop" and (answer["confidence"] or 0) >= 0.9)
        entries.append(
            {
                "task": task,
                "findings": [],
                "source": "model" if by_model else "rule",
                "why": "taken" if by_model else "no model was asked" if not answer else "the model is not sure enough",
                "confidence": answer["confidence"] if answer else None,
                "answer": json.loads(answer["text"]) if answer and by_model else RULE[task],
            }
        )
    model = {"digest": head["model"], "name": "recorded"} if given.model else None
    pipe = {"model": model, "answers": entries, "by_task": {}}
    document = {"version": "ground_truth_v1", "enriched_findings": findings, "enrichment_results": {"pipe": pipe}}
    write(given.out, [document])


def write(path: str, lines: "list[Any]") -> None:
    with open(path, "w") as stream:
        stream.write("".join(json.dumps(line) + "\n" for line in lines))


main()
