"""The two commands and the run of pipelines/full.yaml: what they take, and how good its model is."""
from .layout import figures, load, minutes, percent, ranged, results, seconds, several, source, table, tenths, tiny

SIDES = ("original", "quantized")


@figures
def from_nothing():
    of_all = results("from-nothing")
    rows = []
    for step in of_all["steps"]:
        parts = [f"{part['what']} {minutes(part['wall'])}" for part in step["parts"]]
        if "rest" in step:
            parts.append(f"the rest: {step['rest']}")
        command = f"`{step['command']}`" + (" again" if step.get("again") else "")
        rows.append([command, minutes(step["wall"]), ", ".join(parts)])
    disk = ", ".join(f"`{name}` {size}" for name, size in of_all["disk"].items())
    return several(source("from-nothing"), table(["command", "wall", "of that"], rows), f"Disk afterwards: {disk}.")


def run_log(name, progress=None):
    """What a run prints into a log."""
    run = results(name)["run"]
    lines, ran = [], 0
    for stage, figure in run["stages"].items():
        if figure["outcome"] == "hit":
            lines.append(f"        hit  {stage}")
            continue
        ran += 1
        lines.append(f"      start  {stage}")
        if progress and stage in progress:
            lines.append(f"        ...  {stage}: {progress[stage]}")
        lines.append(f"        ran  {stage}  {seconds(figure['wall'])}")
    hits = len(run["stages"]) - ran
    lines.append(f"full: {ran} ran{f', {hits} up to date' if hits else ''} in {seconds(run['wall'])}, "
                 f"peak memory of a stage {run['peak_mib']:.0f} MiB; outputs in out/full/")
    return "\n".join("    " + line for line in [f"$ {load(name)['command']}", *lines])


@figures
def full_log():
    steps = results("full")["counts"]["steps"]
    return run_log("full", {"model": f"{steps - 8}/{steps} steps"})


@figures
def full_lr_log():
    return run_log("full-lr")


@figures
def noop():
    bare, script, _ = results("nothing-changed")["commands"]
    return f"{bare['wall_ms']:.0f} ms ({script['wall_ms']:.0f} with the script's look at the sources)"


@figures
def full_run():
    run, counts = results("full")["run"], results("full")["counts"]
    rows = [[stage, tenths(one["wall"]), tenths(one["cpu"]), f"{one['peak_mib']:.0f}"] for stage, one in run["stages"].items()]
    rows.append(["**whole run**", f"**{run['wall']:.1f}**", f"**{run['cpu']:.0f}**", f"**{run['peak_mib']:.0f}**"])
    lr = results("full-lr")["run"]
    return several(
        source("full"),
        f"{counts['simulated_hosts']} simulated hosts and {counts['real_hosts']} real, {counts['findings']:,} findings, "
        f"{counts['training_examples']:,} training examples, {counts['steps']} steps. Training: {counts['parameters']:,} parameters, "
        f"fp32, {counts['threads']} threads, {counts['tokens_per_second']:,.0f} tokens/s.",
        table(["stage", "wall s", "CPU s", "peak MiB"], rows),
        f"With another learning rate `model`, `quantized` and `evaluation` run, in {seconds(lr['wall'])}: {source('full-lr')}")


@figures
def nothing_changed():
    rows = [[f"`{one['command']}` ({one['what']})", f"{one['cpu_ms']:.1f}", f"{one['wall_ms']:.1f}"]
            for one in results("nothing-changed")["commands"]]
    peak = results("nothing-changed").get("peak_mib")
    return several(source("nothing-changed"), table(["command", "CPU ms", "wall ms"], rows),
                   *([f"Peak memory of `pipe` in such a run: {peak} MiB."] if peak else []))


@figures
def sizes():
    of_all = results("full")["evaluation"]["sizes"]
    names = {"original": "`model.safetensors`, fp32", "gptq": "GPTQ `model.safetensors`, 4-bit linears, fp16 embedding",
             "gguf": "GGUF, Q4_0 linears, F16 embedding, tokenizer included"}
    base = of_all["original"]
    return table(["file", "bytes", "of fp32"], [[text, f"{of_all[name]:,}", percent(of_all[name] / base)] for name, text in names.items()])


def counted(task, key):
    return f"{task[key]} of {task['answers']}" if key in task else ""


def judged(row):
    """A row of both models' figures."""
    of_all = results("full")["evaluation"]
    return [row(of_all[side]["likelihood"]["answers"], of_all[side]["generation"]) for side in SIDES]


@figures
def evaluation():
    of_all = results("full")["evaluation"]
    baseline, drift, linears = of_all["baseline"], of_all["drift"]["answers"], results("full")["linears"]
    severity = lambda share: percent(share, 1)  # noqa: E731
    rows = [
        ["perplexity of answers", *judged(lambda text, _: ranged(text["perplexity"], lambda x: f"{x:.3f}"))],
        ["bits per byte of answers", *judged(lambda text, _: f"{text['bits_per_byte']:.4f}")],
        ["severity right", *judged(lambda _, said: ranged(said["severity"]["accuracy"], severity))],
        [f"severity right by always saying `{baseline['severity']}`", *[severity(baseline["accuracy"])] * 2],
        ["mean error of risk (0 to 100)", *judged(lambda _, said: ranged(said["risk_error"], lambda x: f"{x:.2f}"))],
        ["valid JSON", *judged(lambda _, said: ranged(said["valid"], percent))],
        ["ended by itself", *judged(lambda _, said: percent(said["terminated"]["value"]))],
    ]
    for task in of_all["original"]["generation"]["tasks"]:
        for what, key in (("valid", "valid"), ("word for word", "exact")):
            rows.append([f"task `{task}`, {what}", *judged(lambda _, said: counted(said["tasks"][task], key))])
    return several(
        table(["", *SIDES], rows),
        f"Quantized against original on answer tokens: KL mean {tiny(drift['kl_mean'])}, median {tiny(drift['kl_p50'])}, 99th percentile "
        f"{tiny(drift['kl_p99'])}; the same most likely token on {percent(drift['top1_agreement'], 1)}.\n"
        f"Relative error of the linears ‖(W−Ŵ)X‖²/‖WX‖²: {tiny(linears['relative_error'])} with GPTQ, "
        f"{tiny(linears['nearest_relative_error'])} with rounding to nearest on the same grid.")


@figures
def evaluation_short():
    counts, of_all = results("full")["counts"], results("full")["evaluation"]
    mb = {name: f"{count / 1e6:.2f} MB" for name, count in of_all["sizes"].items()}
    baseline = of_all["baseline"]
    rows = [
        ["weights", mb["original"], f"{mb['gguf']} (GGUF), {mb['gptq']} (GPTQ)"],
        ["perplexity of answers", *judged(lambda text, _: f"{text['perplexity']['value']:.3f}")],
        [f"severity right (always \"{baseline['severity']}\": {percent(baseline['accuracy'], 1)})",
         *judged(lambda _, said: percent(said["severity"]["accuracy"]["value"], 1))],
        ["valid JSON", *judged(lambda _, said: percent(said["valid"]["value"]))],
    ]
    return several(
        f"A {counts['parameters'] / 1e6:.1f} M parameter Llama, trained for {counts['steps']} steps on {counts['simulated_hosts']} "
        f"simulated hosts and {counts['real_hosts']} real:",
        table(["", *SIDES], rows))
