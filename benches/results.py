"""Result files: what a benchmark measured, when, of which commit and where. `report.py` makes the documents' tables from them."""
import json
import os
import platform
import shlex
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def save(path, results, **about):
    """Writes what this process measured. `about` names what a table has to say besides, such as the peers' versions."""
    program = os.path.relpath(os.path.abspath(sys.argv[0]), ROOT)
    write(path, {"command": shlex.join(["python3", program, *without_json(sys.argv[1:])]),
                 "date": time.strftime("%Y-%m-%d", time.gmtime()), "commit": commit(), "machine": machine(), **about,
                 "results": results})


def write(path, document):
    with open(path, "w") as file:
        file.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def without_json(words):
    """The arguments but for the file that this run is written to."""
    kept = iter(words)
    return [word for word in kept if not word.startswith("--json=") and not (word == "--json" and next(kept, True))]


def commit():
    """The commit of the sources; `-dirty` says that they were changed since."""
    return subprocess.run(["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=ROOT, capture_output=True,
                          text=True).stdout.strip() or "unknown"


def machine():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{os.cpu_count()} cores ({processor()}), {memory / 1e9:.0f} GB, {platform.system()} {platform.release()}"


def processor():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())
