#!/usr/bin/env python3
"""Peak memory of the data stages on one report of very many findings, beside what their cards declare.

    cargo build --release -p pipe-data
    python3 benches/data/huge.py [--findings 200000] [--threads 2] [--json FILE]

Two forms of report, as a scanner may write them: settings of systemd units, and programs that are flagged in a writable directory with their
processes, which `correlate` joins two by two. Each goes through ingest, correlate, verify, transform and the second verify (`gate`) as
the only host, and as a real one, whose names are redacted. Exits with 1 where a stage takes more than its card declares.
"""
import argparse
import json
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "benches"))

from results import save  # noqa: E402
from workers import Worker  # noqa: E402

TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
STAGES = {"ingest": "ingest", "correlate": "correlate", "verify": "verify", "transform": "transform", "gate": "verify"}
META = {"hostname": "huge-1", "tool_version": "6.0.0", "json_schema_version": "2", "euid": "0", "kernel": "6.1.0"}


def unit(number):
    keys = ["NoNewPrivileges", "ProtectSystem", "PrivateTmp", "ProtectHome"]
    key = keys[number % len(keys)]
    severity, score = [("medium", 50), ("low", 30)][number % len(keys) > 1]
    return {"id": f"unit-{number // len(keys)}.service:{key}", "title": "Unit Hardening Suggestion", "severity": severity,
            "description": f"{key} is not set as recommended", "base_severity_score": score,
            "metadata": {"unit": f"unit-{number // len(keys)}.service", "key": key, "value": "no", "expected": "yes"}}


def flagged(number):
    return {"id": f"/tmp/a{number}:{number + 1000}", "title": "Process IOC Detected", "severity": "high",
            "description": "Process executable in world-writable directory", "base_severity_score": 70,
            "metadata": {"pid": str(number + 1000), "world_writable_executable": "true", "command": f"/tmp/a{number}"}}


def process(number):
    return {"id": str(number + 1000), "title": f"Process {number + 1000}", "severity": "info", "description": f"/tmp/a{number}",
            "base_severity_score": 10, "metadata": {"uid": "1000", "gid": "1000"}}


FORMS = {
    "units": lambda count: [("systemd_units", [unit(number) for number in range(count)])],
    "programs": lambda count: [("ioc", [flagged(number) for number in range(count // 2)]),
                               ("processes", [process(number) for number in range(count // 2)])],
}


def write(path, form, count):
    results = [{"scanner": scanner, "finding_count": len(found), "findings": found} for scanner, found in FORMS[form](count)]
    report = {"meta": META, "summary": {"started_at": "2026-01-01T00:00:00Z"}, "results": results, "collection_warnings": [],
              "scanner_errors": [], "summary_extension": {}}
    with open(path, "w") as file:
        json.dump(report, file)


def measure(worker, form, count, threads):
    """Peak MiB by stage."""
    room = tempfile.mkdtemp()
    try:
        reports = os.path.join(room, "reports")
        os.makedirs(reports)
        write(os.path.join(reports, "huge.json"), form, count)
        peaks = {}

        def run(name, kind, ports):
            outputs, _, cost = worker.run(kind, os.path.join(room, name), ports, {}, threads)
            peaks[name] = round(cost["peak_mib"])
            return outputs

        scans = run("ingest", "ingest", {"reports": reports})
        lines = run("correlate", "correlate", scans)
        checked = run("verify", "verify", {**scans, **lines})
        made = run("transform", "transform", {**lines, "verification": checked["verification"]})
        run("gate", "verify", made)
        return peaks
    finally:
        shutil.rmtree(room)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--findings", type=int, default=200_000, help="in the one report")
    parser.add_argument("--threads", type=int, default=2, help="of each worker")
    parser.add_argument("--worker", default=os.path.join(TARGET, "release", "pipe-data"))
    parser.add_argument("--json", metavar="FILE", help="write a result file besides the table")
    options = parser.parse_args()
    if not os.path.isfile(options.worker):
        parser.error(f"no worker at {options.worker}: cargo build --release -p pipe-data, or name one with --worker")
    worker = Worker(options.worker)
    peaks = {form: measure(worker, form, options.findings, options.threads) for form in FORMS}
    rows = {}
    for stage, kind in STAGES.items():
        declared = worker.cards[kind]["resources"]["memory"] >> 20
        rows[stage] = {"declared_mib": declared, "peak_mib": {form: peaks[form][stage] for form in FORMS}}
        print(f"{stage:10} {'  '.join(f'{form} {peaks[form][stage]}' for form in FORMS)}  of {declared} MiB")
    if options.json:
        save(options.json, {"findings": options.findings, "threads": options.threads, "stages": rows})
    sys.exit(any(max(row["peak_mib"].values()) > row["declared_mib"] for row in rows.values()))


if __name__ == "__main__":
    main()
