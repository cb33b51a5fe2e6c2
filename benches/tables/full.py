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
def full_samples_log():
    return run_log("full-samples")


@figures
def noop():
    bare, script, _ = results("nothing-changed")["commands"]
    return f"{bare['wall_ms']:.0f} ms ({script['wall_ms']:.0f} with the script's look at the sources)"


@figures
def full_run():
    run, counts = results("full")["run"], results("full")["counts"]
    rows = [[stage, tenths(one["wall"]), tenths(one["cpu"]), f"{one['peak_mib']:.0f}"]
            for stage, one in run["stages"].items() if one["outcome"] == "ran"]
    rows.append(["**whole run**", f"**{run['wall']:.1f}**", f"**{run['cpu']:.0f}**", f"**{run['peak_mib']:.0f}**"])
    return several(
        source("full"),
        f"{counts['simulated_hosts']} simulated hosts, {counts['findings']:,} findings, "
        f"{counts['training_examples']:,} training examples, {counts['steps']} steps. Training: {counts['parameters']:,} parameters, "
        f"fp32, {counts['threads']} threads, {counts['tokens_per_second']:,.0f} tokens/s.",
        table(["stage", "wall s", "CPU s", "peak MiB"], rows))


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


# Baselines in the order of the tables, and what they are called there.
BASELINES = {"majority": "majority", "title": "title looked up", "nearest": "nearest prompt", "table": "memorized table"}

# Figures of task `finding`, their names, and how they are written.
SHARE = lambda x: percent(x, 1)  # noqa: E731
PLAIN = lambda x: f"{x:.3f}"  # noqa: E731
POINTS = lambda x: f"{x:.2f}"  # noqa: E731
FIGURES = [
    ("valid_json", "valid JSON", SHARE), ("severity_accuracy", "severity right", SHARE),
    ("severity_macro_f1", "severity, macro-F1", PLAIN), ("severity_high_recall", "recall of high", SHARE),
    ("severity_critical_recall", "recall of critical", SHARE), ("risk_mae", "mean error of risk (0 to 100)", POINTS),
    ("risk_within_5", "risk within 5", SHARE), ("exact", "the true answer, key by key", SHARE)]


@figures
def evaluation():
    """Both models beside the baselines."""
    of_all = results("full")["evaluation"]
    sides = [*[(side, of_all[side]["answers"]["tasks"]["finding"]) for side in SIDES],
             *[(title, of_all["baselines"][name]["tasks"]["finding"]) for name, title in BASELINES.items()]]
    return several(
        texts(of_all),
        f"{sides[0][1]['questions']} questions about findings of {of_all['hosts']} simulated hosts:",
        table(["", *[title for title, _ in sides]],
              [[title, *[shown(side["figures"].get(name), form) for _, side in sides]] for name, title, form in FIGURES]),
        divergence(of_all))


def shown(figure, form):
    return "" if figure is None else ranged(figure, form)


def texts(of_all):
    answers = [of_all[side]["likelihood"]["answers"] for side in SIDES]
    prose = [of_all["out_of_domain"][side] for side in SIDES]
    return table(["text", *SIDES], [
        ["perplexity of answers", *[ranged(side["perplexity"], PLAIN) for side in answers]],
        ["bits per byte of answers", *[f"{side['bits_per_byte']:.4f}" for side in answers]],
        [f"bits per byte of other text ({of_all['out_of_domain']['text']})", *[f"{side['bits_per_byte']:.3f}" for side in prose]]])


def divergence(of_all):
    drift, other, linears = of_all["drift"]["answers"], of_all["out_of_domain"]["drift"], results("full")["linears"]
    return (f"Quantized against original on answer tokens: KL mean {tiny(drift['kl_mean'])}, median {tiny(drift['kl_p50'])}, 99th percentile "
            f"{tiny(drift['kl_p99'])}; the same most likely token on {percent(drift['top1_agreement'], 1)}. On the other text: KL mean "
            f"{tiny(other['kl_mean'])}, the same token on {percent(other['top1_agreement'], 1)}.\n"
            f"Relative error of the linears ‖(W−Ŵ)X‖²/‖WX‖²: {tiny(linears['relative_error'])} with GPTQ, "
            f"{tiny(linears['nearest_relative_error'])} with rounding to nearest on the same grid.")


@figures
def against_baselines():
    """What the paired intervals say of severity and risk."""
    of_all = results("full")["evaluation"]
    rows = []
    for one in of_all["comparisons"]:
        if one["task"] != "finding" or one["figure"] not in ("severity_macro_f1", "risk_mae"):
            continue
        form = POINTS if one["figure"] == "risk_mae" else PLAIN
        rows.append([one["figure"], one["of"], BASELINES.get(one["against"], one["against"]), ranged(one["difference"], form), one["verdict"]])
    return table(["figure", "model", "minus", "difference", "verdict"], rows)


@figures
def real_report():
    """Severities of the report in pipelines/data/reports, by scanner."""
    reports = results("full")["evaluation"]["reports"]
    order = [*SIDES, *[name for name in BASELINES if name in reports["mean"]]]
    row = lambda name, of: [name, str(of["questions"]), percent(of["seen_in_training"]),  # noqa: E731
                            *[percent(of["severity_accuracy"][side]["value"]) for side in order]]
    rows = [row(name, of) for name, of in sorted(reports["scanners"].items())]
    rows.append(["**mean over scanners**", "", percent(reports["seen_in_training"]),
                 *[f"**{percent(reports['mean'][side]['severity_accuracy']['value'])}**" for side in order]])
    return table(["scanner", "questions", "seen in training", *[BASELINES.get(side, side) for side in order]], rows)


@figures
def evaluation_short():
    counts, of_all = results("full")["counts"], results("full")["evaluation"]
    mb = {name: f"{count / 1e6:.2f} MB" for name, count in of_all["sizes"].items()}
    finding = {side: of_all[side]["answers"]["tasks"]["finding"]["figures"] for side in SIDES}
    finding["lookup"] = of_all["baselines"]["title"]["tasks"]["finding"]["figures"]
    row = lambda name, form: [form(finding[side][name]["value"]) for side in ("original", "quantized", "lookup")]  # noqa: E731
    rows = [
        ["weights", mb["original"], f"{mb['gguf']} (GGUF), {mb['gptq']} (GPTQ)", ""],
        ["severity right", *row("severity_accuracy", SHARE)],
        ["severity, macro-F1", *row("severity_macro_f1", PLAIN)],
        ["mean error of risk (0 to 100)", *row("risk_mae", POINTS)],
    ]
    return several(
        f"A {counts['parameters'] / 1e6:.1f} M parameter Llama, trained for {counts['steps']} steps on {counts['simulated_hosts']} "
        f"simulated hosts, asked about findings of {of_all['hosts']} other simulated hosts, beside the answer that a lookup of the "
        f"finding's first line in the training set gives:",
        table(["", *SIDES, "lookup"], rows))
