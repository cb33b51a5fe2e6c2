#!/usr/bin/env python3
"""What a model adds to `pipe ask`: the model alone, the policy, and the rules alone, task by task.

    ./pipe run pipelines/full.yaml
    python3 benches/analyst/columns.py --model out/full/analyst/model.gguf [--json benches/results/analyst-columns-tiny.json]
    ./pipe run pipelines/finetune.yaml
    python3 benches/analyst/columns.py --model out/finetune/analyst/model.gguf --findings 8 --llama-seconds 480

Asked about are simulated hosts of a seed that no model was trained on, half of them attacked in their newest scan and half never, the report in
pipelines/data/reports, from which the simulator's tables were made, and with --reports others. Every host is asked all tasks, and of its
findings --findings are drawn. `pipe ask` looks at each host alone.

Measures, chosen before anything was measured:

- `facts`: severity and risk are the rules'. Of `finding`.
- `sound`: finished, valid, grounded and complete, as `policy` says; the smallest confidence plays no part. Of tasks with text.
- `subject`: EXECUTIVE_SUMMARY names what the attack is about, by the simulator's truth. Of `summary`, on attacked hosts on which a
  correlation joins a finding of the attack.
- `level`: low or medium. Of `summary`, on hosts that were never attacked.

A model adds nothing to a task yet where fewer than half of the answers are its own, or the policy is not better than the rules alone by a measure.
"""
import argparse
import glob
import json
import os
import random
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "benches", "data"), os.path.join(ROOT, "benches")]

from asking import PIPE_DATA, SOUND, Host, by_model, reason  # noqa: E402
from hosts import Truth, names_one, produce, reports, subjects  # noqa: E402
from results import save  # noqa: E402
from workers import Worker  # noqa: E402

SIDES = ("model", "policy", "rules")
KNOWN = os.path.join("pipelines", "data", "reports")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a GGUF file that the kind `analyst` wrote")
    parser.add_argument("--name", help="how tables call it; else its directory under out/")
    parser.add_argument("--seed", type=int, default=31337)
    parser.add_argument("--fleet", type=int, default=60, help="simulated hosts that are drawn from")
    parser.add_argument("--attacked", type=int, default=10)
    parser.add_argument("--clean", type=int, default=10)
    parser.add_argument("--findings", type=int, default=1000, help="of a host at most; all, where it has fewer")
    parser.add_argument("--reports", action="append", default=[], metavar="NAME=DIR", help="more reports, a file a host")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--llama-seconds", type=float, metavar="N",
                        help="llama.cpp asks the model, a process a thread, in random order and for N seconds; what is not asked then is left out")
    parser.add_argument("--json", metavar="FILE", help="write a result file besides what is printed")
    options = parser.parse_args()
    model = os.path.abspath(options.model)
    with tempfile.TemporaryDirectory(prefix="bench-analyst-") as room:
        groups = {"simulated, held out": simulated(options, model, room),
                  "real, known to the simulator": real(os.path.join(ROOT, KNOWN), model, room)}
        for given in options.reports:
            name, directory = given.split("=", 1)
            groups[name] = real(directory, model, room)
        draws = random.Random(options.seed)
        hosts = [host for group in groups.values() for host in group]
        asked = [drawn(host, options.findings, draws) for host in hosts]
        given = [[one for one in some if one["tokens"]] for some in asked]
        said, cost = by_model(model, hosts, given, options.threads, options.llama_seconds, draws)
        asked = {host: reached(some, said[host]) if options.llama_seconds else some for host, some in zip(hosts, asked)}
        results = {"model": options.name or os.path.basename(os.path.dirname(os.path.dirname(model))), "digest": hosts[0].head["model"],
                   "cost": cost, "groups": {name: figures(group, asked, said) for name, group in groups.items()}}
    print(json.dumps(results, indent=1))
    if options.json:
        save(options.json, results)


def simulated(options, model, room):
    """Attacked hosts and clean ones, the first of the fleet."""
    outputs, _, _ = produce(Worker(PIPE_DATA), os.path.join(room, "scans"), options.fleet, options.seed)
    truth = Truth(outputs["truth"])
    chosen = {"attacked": [], "clean": []}
    for name in truth.hosts:
        paths = reports(outputs["scans"], name)
        standing = "attacked" if truth.attacked(name, len(paths) - 1) else "clean" if truth.clean(name) else None
        if standing and len(chosen[standing]) < getattr(options, standing):
            host = Host(name, paths, model, room)
            host.standing = standing
            host.subjects = subjects(host.document, truth.chains[name, len(paths) - 1])
            chosen[standing].append(host)
    return chosen["attacked"] + chosen["clean"]


def real(directory, model, room):
    """The hosts of a directory of reports, one a file."""
    hosts = []
    for path in sorted(glob.glob(os.path.join(directory, "*.json"))):
        host = Host(os.path.basename(path), [os.path.abspath(path)], model, room)
        host.standing, host.subjects = None, None
        hosts.append(host)
    return hosts


def drawn(host, most, draws):
    """What a host is asked: everything, but of its findings a few."""
    findings = [question for question in host.questions if question["task"] == "finding"]
    chosen = {question["id"] for question in draws.sample(findings, min(most, len(findings)))}
    return [one for one in host.questions if one["task"] != "finding" or one["id"] in chosen]


def reached(questions, said):
    """The questions that were answered, and those that could not be asked."""
    ids = {answer["id"] for answer in said}
    return [one for one in questions if one["id"] in ids or not one["tokens"]]


def figures(hosts, asked, said):
    """The figures of some hosts, by task."""
    tasks = {}
    for host in hosts:
        answers = host.judged(said[host])
        # The rules' own words, as if a model had been sure of them: whether the rules alone are sound is measured, not assumed.
        echoes = [{"id": one["id"], "text": compact(one["rule"]), "finish": "stop", "confidence": 1.0} for one in asked[host] if one["tokens"]]
        echoed = host.judged(echoes)
        texts = {one["id"]: one["text"] for one in said[host]}
        for question in asked[host]:
            place = question["id"]
            one = Answered(host, question["task"], host.rules[place], answers[place], echoed[place], texts.get(place, ""))
            count(tasks.setdefault(question["task"], {"questions": 0, "taken": 0, "whys": {}, "measures": {}}), one)
    standing = lambda name: sum(host.standing == name for host in hosts)  # noqa: E731
    return {"hosts": len(hosts), "attacked": standing("attacked"), "clean": standing("clean"),
            "joined": sum(host.subjects is not None for host in hosts), "tasks": tasks}


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Answered:
    """One question: the rules' answer, the one that `pipe ask` gives, and the model's own."""

    def __init__(self, host, task, rule, final, echo, text):
        self.host, self.task, self.rule, self.final = host, task, rule, final["answer"]
        self.why, self.echo = reason(final), reason(echo)
        try:
            self.own = json.loads(host.restored(text))
        except ValueError:
            self.own = None

    def measures(self):
        """By measure, whether each side meets it."""
        if self.task == "finding":
            yield "facts", [facts(answer) == facts(self.rule) for answer in (self.own, self.final, self.rule)]
            return
        # Nothing is said about an answer to a question that the model is not asked.
        if self.echo != "not asked":
            rules = self.echo in SOUND
            yield "sound", [self.why in SOUND, self.why == "taken" or rules, rules]
        if self.task != "summary":
            return
        answers = [at(answer, "EXECUTIVE_SUMMARY") or "" for answer in (self.own, self.final, self.rule)]
        if self.host.subjects is not None:
            yield "subject", [names_one(self.host.subjects, str(text)) for text in answers]
        if self.host.standing == "clean":
            levels = [at(answer, "RISK_ASSESSMENT", "level") for answer in (self.own, self.final, self.rule)]
            yield "level", [level in ("info", "low", "medium") for level in levels]


def facts(answer):
    return at(answer, "severity"), at(answer, "risk")


def at(answer, *keys):
    """A field of an answer, which may be of any form."""
    for key in keys:
        answer = answer.get(key) if isinstance(answer, dict) else None
    return answer


def count(task, one):
    task["questions"] += 1
    task["taken"] += one.why == "taken"
    task["whys"][one.why] = task["whys"].get(one.why, 0) + 1
    for name, met in one.measures():
        measure = task["measures"].setdefault(name, {"questions": 0, **dict.fromkeys(SIDES, 0), "taken": 0, "of_taken": 0})
        measure["questions"] += 1
        # Of the answers that are taken, those that meet it as the model gave them.
        measure["taken"] += one.why == "taken"
        measure["of_taken"] += one.why == "taken" and met[0]
        for side, meets in zip(SIDES, met):
            measure[side] += meets


if __name__ == "__main__":
    main()
