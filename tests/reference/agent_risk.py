#!/usr/bin/env python3
"""agent_risk.py SCANS: the agent's risk of every finding of a scans directory (<host>/<NNNN>.json).

A second statement of the agent's rules, from the description of them, beside that in Rust. Prints one line a finding, hosts and scans
sorted, findings in the report's order: severity, risk, probability, status, impact, exposure, anomaly.
"""

import collections
import json
import math
import pathlib
import posixpath
import sys

SEVERITY = {"info": 1, "low": 2, "medium": 3, "high": 4, "critical": 5, "error": 4}
FACTOR = {
    "ioc": 2.0,
    "suid": 1.5,
    "privilege_escalation_surface": 1.5,
    "network": 1.3,
    "network_socket": 1.3,
    "modules": 1.2,
    "kernel_modules": 1.2,
    "kernel_module": 1.2,
    "kernel_params": 1.1,
    "kernel_param": 1.1,
}
APPROVED = ["/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin", "/opt/trusted"]


def denied(exe):
    if not exe:
        return False
    path = posixpath.normpath("/" + exe.lstrip("/")) if exe.startswith("/") else "/elsewhere/" + exe
    return not any(path == directory or path.startswith(directory + "/") for directory in APPROVED)


def exposure(metadata):
    listening, suid = metadata.get("state") == "LISTEN", metadata.get("suid") == "true"
    if not (listening or suid):
        return 0.0
    return listening + suid + (0.5 if metadata.get("port") else 0.0)


def score(scanner, finding, status, before):
    """The finding as the agent leaves it; `before` counts its earlier occurrences."""
    impact = round(SEVERITY[finding["severity"]] * FACTOR.get(scanner.lower(), 1.0), 2)
    severity = finding["severity"]
    if denied(finding["metadata"].get("exe")):
        severity = "critical" if severity == "critical" else "high"
        impact = min(10.0, impact + 1.0)
    exposed = float(exposure(finding["metadata"]))
    anomaly = {"new": 2.0, "recent": 1.0}.get(status) or round(max(0.1, 1.0 / before), 2)
    raw = impact * 5.0 + exposed * 3.0 + anomaly * 2.0
    risk = int(round(min(100, max(0, raw / 63.0 * 100.0))))
    probability = round(1.0 / (1.0 + math.exp(-(-3.0 + 0.15 * raw))), 4)
    return severity, risk, probability, status, impact, exposed, anomaly


def scan(report, seen):
    """The findings of one report; `seen` is the baseline of its host and grows."""
    found = [(result["scanner"], finding) for result in report["results"] for finding in result["findings"]]
    meta = report["meta"]
    host = (meta.get("hostname", "unknown"), meta.get("kernel", ""))
    deltas = {}
    keys = []
    for scanner, finding in found:
        severity = score(scanner, finding, "new", 0)[0]
        key = (host, scanner, f"{finding['id']}\n{finding['title']}\n{severity}")
        keys.append(key)
        deltas[key] = seen[key]
        seen[key] += 1
    for key, (scanner, finding) in zip(keys, found):
        before = deltas[key]
        status = "new" if before == 0 else "recent" if before <= 2 else "existing"
        yield score(scanner, finding, status, before)


def main():
    for host in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        seen = collections.Counter()
        for path in sorted(host.iterdir()):
            for line in scan(json.loads(path.read_text(encoding="utf-8")), seen):
                print(*line, sep="\t")


if __name__ == "__main__":
    main()
