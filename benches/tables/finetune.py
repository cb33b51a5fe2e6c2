"""The run of pipelines/finetune.yaml: what it takes, and how good its model is at each task."""
from .layout import figures, minutes, percent, results, several, source, table

# The figure of facts that a task is told by, beside its form.
CONTENT = "content_f1"
MODELS = {"original": "fine-tuned", "quantized": "quantized", "title": "lookup", "nearest": "nearest prompt"}


@figures
def finetune():
    of = results("finetune")
    losses = of["losses"]
    told = (f"{of['examples']} examples, {of['steps']} steps of {of['params']['batch']}; validation loss {losses[0][1]:.2f} after {losses[0][0]} "
            f"steps, {losses[-1][1]:.2f} after {losses[-1][0]}.")
    took = [[name, minutes(round(stage["wall"])), f"{stage['cpu']:,.0f}", f"{stage['peak_mib']:,.0f}"]
            for name, stage in of["stages"].items() if stage["wall"] >= 10]
    return several(source("finetune"), told, table(["stage", "wall", "CPU s", "peak MiB"], took), quality())


def quality():
    tasks = results("finetune")["tasks"]
    rows = []
    for task in tasks["original"]:
        for name, called in MODELS.items():
            row = tasks[name].get(task)
            if row is not None:
                rows.append([task if name == "original" else "", called, percent(row["schema_conformance"]), f"{row[CONTENT]:.2f}",
                             percent(row["severity_accuracy"]) if "severity_accuracy" in row else "",
                             f"{row['risk_mae']:.1f}" if "risk_mae" in row else ""])
    return table(["task", "answered by", "of its schema", "content, F1", "severity right", "mean error of risk"], rows)
