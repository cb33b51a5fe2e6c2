"""Programs that say when a step is done, measured from outside."""
import json
import os
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


def follow(command, environment, ends_step):
    """Runs `command` with a descriptor for lines of JSON; `ends_step` tells which of them ends a step. Gives wall and CPU
    seconds from the first of them to the last, and the peak of memory."""
    reader, writer = os.pipe()
    environment = {**os.environ, **environment, "PIPE_EVENTS_FD": str(writer)}
    child = subprocess.Popen(command, env=environment, pass_fds=[writer], stdout=subprocess.DEVNULL)
    os.close(writer)
    ends, problem = [], ""
    with os.fdopen(reader) as lines:
        for line in lines:
            event = json.loads(line)
            problem = event.get("failed", {}).get("message", problem)
            if ends_step(event):
                ends.append((time.perf_counter(), cpu_seconds(child.pid)))
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed with status {status}: {problem}")
    (start, start_cpu), (end, end_cpu) = ends[0], ends[-1]
    return {"seconds": end - start, "cpu": end_cpu - start_cpu, "peak_mib": usage.ru_maxrss / 1024}


def cpu_seconds(pid):
    """User and system, of all threads."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def total(run):
    """The figures that a table has."""
    return {"tokens_per_second": run["tokens"] / run["seconds"], "cpu_per_kilotoken": run["cpu"] / run["tokens"] * 1000,
            "peak_mib": run["peak_mib"]}
