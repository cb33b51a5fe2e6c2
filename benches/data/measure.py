"""One pass over the stages, and medians over several."""
import shutil
import statistics
import tempfile

TOTALS = ["wall", "cpu", "user", "system", "others"]


def run_chain(worker, place, kinds, hosts, seed, threads, look=None):
    """Runs the stages one after the other in a directory of their own, which is removed afterwards."""
    room = tempfile.mkdtemp(dir=place)
    try:
        ports, rows, findings = {}, {}, 0
        for kind in kinds:
            params = {"hosts": hosts, "seed": seed} if kind == "produce" else {}
            outputs, metrics, rows[kind] = worker.run(kind, room, ports, params, threads)
            ports.update(outputs)
            if kind == "produce":
                findings = int(metrics["findings"])
        total = {key: sum(row[key] for row in rows.values()) for key in TOTALS}
        rows["total"] = {**total, "peak_mib": max(row["peak_mib"] for row in rows.values())}
        return {"findings": findings, "rows": rows, "seen": look(ports) if look else None}
    finally:
        shutil.rmtree(room)


def median_rows(runs):
    """The median of each figure of each stage. Totals have medians of their own, so they need not be the columns' sums."""
    return {kind: {key: statistics.median(run["rows"][kind][key] for run in runs) for key in row}
            for kind, row in runs[0]["rows"].items()}
