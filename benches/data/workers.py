"""Starts stages of `pipe-data` as the engine does: a job file, an event stream, one process a stage."""
import hashlib
import json
import os
import subprocess
import time

CHAIN = ["produce", "correlate", "verify", "transform"]


class Worker:
    """A built `pipe-data` and the cards it serves."""

    chain = CHAIN

    def __init__(self, program):
        self.program = program
        self.cards = {card["kind"]: card for card in json.loads(subprocess.check_output([program, "cards"]))}

    def run(self, kind, room, ports, params, threads):
        """Runs one stage. Each of its inputs is the port of that name which an earlier stage gave; returns its outputs, its
        metrics and what it cost."""
        card = self.cards[kind]
        outputs = {port["name"]: os.path.join(room, kind, port["name"]) for port in card["outputs"]}
        job = {
            "kind": kind,
            "version": card["version"],
            "params": {**defaults(card["params"]), **params},
            "inputs": {},
            "outputs": outputs,
            "scratch": make(room, kind, "scratch"),
            "checkpoints": make(room, kind, "checkpoints"),
            "limits": {"threads": threads, "memory": 0},
            "trace": "bench",
        }
        for port in card["inputs"]:
            if port["name"] in ports:
                artifact = {"path": ports[port["name"]], "type": port["type"], "digest": "0" * 64}
                job["inputs"][port["name"]] = [artifact]
            elif not port.get("optional"):
                raise SystemExit(f"`{kind}` wants the input `{port['name']}`, which no stage before it gives")
        path = os.path.join(room, kind, "job.json")
        with open(path, "w") as file:
            json.dump(job, file)
        cost, events = self.start(path, os.path.join(room, kind))
        metrics = {event["metric"]["name"]: event["metric"]["value"] for event in events if "metric" in event}
        return outputs, metrics, cost

    def start(self, job, room):
        events_path = os.path.join(room, "events.ndjson")
        with open(events_path, "w") as events, open(os.path.join(room, "log"), "w") as log:
            environment = {**os.environ, "PIPE_EVENTS_FD": str(events.fileno())}
            # The caller's jobserver would limit the benchmark's threads.
            environment.pop("MAKEFLAGS", None)
            busy, begun = busy_seconds(), time.perf_counter()
            process = subprocess.Popen([self.program, "run", job], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                       pass_fds=[events.fileno()], env=environment)
            # Not Popen.wait: that would reap the child without its usage.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            cost = {"wall": time.perf_counter() - begun, "cpu": usage.ru_utime + usage.ru_stime, "user": usage.ru_utime,
                    "system": usage.ru_stime, "peak_mib": usage.ru_maxrss / 1024}
            cost["others"] = max(0.0, busy_seconds() - busy - cost["cpu"])
        with open(events_path) as file:
            events = [json.loads(line) for line in file]
        if process.returncode != 0:
            failed = [event["failed"]["message"] for event in events if "failed" in event]
            with open(os.path.join(room, "log")) as log:
                raise SystemExit(f"{job}: exit status {process.returncode}\n" + "\n".join(failed) + log.read())
        return cost, events


def defaults(schema):
    """What the engine fills in where a pipeline says nothing."""
    return {name: value["default"] for name, value in schema.get("properties", {}).items() if "default" in value}


def make(*parts):
    path = os.path.join(*parts)
    os.makedirs(path)
    return path


def digests(ports):
    """One digest a port, over the names and bytes of all its files."""
    return {port: digest(path) for port, path in ports.items()}


def digest(path):
    state = hashlib.sha256()
    files = [path] if os.path.isfile(path) else sorted(
        os.path.join(directory, name) for directory, _, names in os.walk(path) for name in names)
    for file in files:
        with open(file, "rb") as content:
            state.update(f"{os.path.relpath(file, path)}\0".encode())
            state.update(hashlib.file_digest(content, "sha256").digest())
    return state.hexdigest()


def busy_seconds():
    with open("/proc/stat") as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")
