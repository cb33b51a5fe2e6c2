"""`pipe ask` about the reports of one host: its questions, the rules' answers, and what it takes of a model's."""
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "debug")
PIPE, PIPE_DATA, PIPE_TORCH = (os.path.join(PROGRAMS, name) for name in ("pipe", "pipe-data", "pipe-torch"))

# How `pipe ask` says why an answer is the rules', and what that is called here.
REASONS = {
    "the text is shown by the question": "taken",
    "the model was not trained for this task": "not asked",
    "the prompt has": "too long",
    "the model gave no answer": "no answer",
    "the program that asked the model gave no probability": "no answer",
    "the answer does not end": "unfinished",
    "the answer is no JSON": "no json",
    "the answer is not of the task's form": "schema",
    "the answer says what the question does not show": "ungrounded",
    "the answer leaves out": "incomplete",
    "the answer has no text": "silent",
    "the model is not sure enough": "doubt",
    "no gate of this model": "no gate",
}

# Of these, those that find no fault with the answer itself. An answer without text joins, lists or refines nothing.
SOUND = {"taken", "doubt", "no gate", "silent"}

# What stands for a name in a prompt.
PSEUDONYM = re.compile(r"\b(?:user|host|domain)-[0-9a-f]{10}\b", re.IGNORECASE)


class Host:
    """One host and its reports, each question of `pipe ask` about it, and the rules' answers."""

    def __init__(self, name, reports, model, room, rate_all=True):
        self.name, self.reports, self.model, self.room = name, reports, model, room
        self.options = ["--rate-all"] if rate_all else []
        self.document = self.ask("--json")
        with open(self.written("questions.jsonl", "--model", model, "--prompts")) as file:
            self.head, *self.questions = [json.loads(line) for line in file]
        self.rules = [answer["answer"] for answer in self.answers(self.document)]
        self.names = {}
        for question, rule in zip(self.questions, self.rules, strict=True):
            learn(question["rule"], rule, self.names)

    def ask(self, *options):
        done = subprocess.run([PIPE, "ask", *self.reports, *self.options, *options], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{self.name}: {done.stderr}")
        return json.loads(done.stdout) if "--json" in options else None

    def written(self, name, *options):
        path = os.path.join(self.room, name)
        self.ask(*options, path)
        return path

    def answers(self, document):
        return document["enrichment_results"]["pipe"]["answers"]

    def judged(self, said):
        """The answers where a model said this, in the order of the questions."""
        path = os.path.join(self.room, "answers.jsonl")
        with open(path, "w") as file:
            for line in [self.head, *said]:
                file.write(json.dumps(line) + "\n")
        return self.answers(self.ask("--model", self.model, "--answers", path, "--json"))

    def restored(self, text):
        """A model's text with the names that its pseudonyms stand for, where a rule's answer names them too."""
        return PSEUDONYM.sub(lambda found: self.names.get(found[0], found[0]), text)


def reason(answer):
    """Why an answer is whose it is, in one or two words."""
    for words, name in REASONS.items():
        if answer["why"].startswith(words):
            return name
    raise SystemExit(f"`pipe ask` says {answer['why']!r}, which this benchmark does not know")


def learn(hidden, shown, names):
    """Notes which names stand behind pseudonyms, from an answer with them and the same without."""
    if isinstance(hidden, str):
        one, other = hidden.split(), shown.split()
        for word, original in zip(one, other) if len(one) == len(other) else ():
            found = PSEUDONYM.findall(word)
            pattern = "(.+?)".join(map(re.escape, PSEUDONYM.split(word)))
            match = re.fullmatch(pattern, original) if found else None
            names.update(zip(found, match.groups()) if match else ())
    elif isinstance(hidden, list):
        for one, other in zip(hidden, shown, strict=True):
            learn(one, other, names)
    elif isinstance(hidden, dict):
        for key in hidden:
            learn(hidden[key], shown[key], names)


def by_model(model, hosts, asked, threads, seconds, order):
    """What the model says to these questions, by host, and what that costs. `asked` has the questions of each host. One process answers
    them all, as `pipe ask` starts it. With `seconds`, as many processes of llama.cpp as there are threads answer in the random `order`,
    and those that are not asked in that time are left out."""
    lines, owners = [], []
    for host, questions in zip(hosts, asked):
        for question in questions:
            lines.append({**question, "id": len(lines)})
            owners.append((host, question["id"]))
    if seconds:
        order.shuffle(lines)
        shares = [lines[first::threads] for first in range(threads)]
        command = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "llama.py"), model, str(seconds)]
    else:
        shares = [[{**hosts[0].head, "questions": "of several hosts"}, *lines]]
        command = [PIPE_TORCH, "answer", model, str(threads)]
    with ThreadPoolExecutor(len(shares)) as pool:
        done = list(pool.map(lambda share: measured(command, share), shares))
    said = [answer for told, _ in done for answer in told if "id" in answer]
    of_hosts = {host: [] for host in hosts}
    for answer in said:
        host, place = owners[answer["id"]]
        of_hosts[host].append({key: answer[key] for key in ("text", "finish", "confidence")} | {"id": place})
    costs = [cost for _, cost in done]
    return of_hosts, {"wall": max(cost["wall"] for cost in costs), "cpu": sum(cost["cpu"] for cost in costs), "answers": len(said),
                      "threads": threads, "program": "llama.cpp" if seconds else "pipe-torch"}


def measured(command, lines=None, **options):
    """Starts a program with lines of JSON on its standard input; gives the lines that it prints, and its cost: wall and CPU seconds, and
    the largest resident memory of a process among it and its children."""
    given = "".join(json.dumps(line) + "\n" for line in lines or []).encode()
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
    # The programs read all of it before they write.
    process.stdin.write(given)
    process.stdin.close()
    told = process.stdout.read()
    # Not Popen.wait: that would reap the child without its usage.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begun
    if process.returncode != 0:
        raise SystemExit(f"{command[0]}: exit status {process.returncode}")
    cost = {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak_mib": usage.ru_maxrss / 1024}
    return [json.loads(line) for line in told.splitlines()], cost
