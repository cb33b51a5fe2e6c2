"""What clean simulated hosts show together of one program. No host has an attack, so the table knows of none. Run by measured.py."""
import os
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def write(path, worker, hosts, seeds):
    with tempfile.TemporaryDirectory(prefix="bench-usual-") as room:
        fleets = []
        for seed in seeds:
            own = os.path.join(room, str(seed))
            os.mkdir(own)
            ports, _, _ = worker.run("produce", own, {}, {"hosts": hosts, "seed": seed, "attack_rate": 0.0}, 2)
            fleets.append(ports["scans"])
        count = ["cargo", "run", "--quiet", "--release", "-p", "correlate", "--example", "usual", "--", *fleets]
        table = subprocess.run(count, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    with open(path, "wb") as file:
        file.write(table)
