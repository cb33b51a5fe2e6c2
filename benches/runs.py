"""What runs of a pipeline took, from the reports that `pipe` keeps of them."""
import glob
import json
import os


def read(*path):
    with open(os.path.join(*path)) as file:
        return json.load(file)


def report_of(checkout, run):
    """The report of this run of `pipe runs`."""
    return read(checkout, "cache", "runs", run, "report.json")


def last_report(checkout, pipeline):
    """That of the last run of this pipeline."""
    for path in sorted(glob.glob(os.path.join(checkout, "cache", "runs", "*", "report.json")), reverse=True):
        report = read(path)
        if report["pipeline"] == pipeline:
            return report
    raise SystemExit(f"no run of `{pipeline}` here: ./pipe run pipelines/{pipeline}.yaml")


def usage(stage):
    """Wall and CPU seconds and peak memory of a stage that ran; a hit took none."""
    used = stage["usage"] if stage["outcome"] == "ran" else None
    return None if used is None else {"wall": used["seconds"], "cpu": used["cpu_seconds"], "peak_mib": used["peak_memory"] / 2**20}
