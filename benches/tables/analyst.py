"""What a model adds to `pipe ask`, the same questions for every model, and how fast they are answered."""
import glob
import os

from .layout import RESULTS, figures, percent, results, seconds, several, source, table, tenths

TASKS = ["finding", "summary", "triage", "correlation", "actions", "refine"]
MEASURES = {"facts": "severity and risk are the rules'", "sound": "sound", "subject": "names the attack", "level": "low or medium"}
NOTHING = "**the model adds nothing here yet**"


def named(prefix):
    """Result files of one benchmark, by model."""
    paths = sorted(glob.glob(os.path.join(RESULTS, f"{prefix}-*.json")))
    return [os.path.basename(path).removesuffix(".json") for path in paths]


@figures
def analyst_columns():
    parts = []
    for name in named("analyst-columns"):
        of = results(name)
        rows = [row for group, one in of["groups"].items() for row in rows_of(group, one)]
        head = ["hosts", "task", "by the model", "measure", "model alone", "policy", "rules alone"]
        parts += [f"**{of['model']}**: {source(name)} {cost(of['cost'])}", table(head, rows), verdicts(of["groups"])]
    return several(*parts)


@figures
def analyst_short():
    """How often the tiny model alone rates as the rules do, on held-out hosts."""
    counts = results("analyst-columns-tiny")["groups"]["simulated, held out"]["tasks"]["finding"]["measures"]["facts"]
    return f"{counts['model']:,} of {counts['questions']:,} findings"


def cost(of):
    threads = "1 thread" if of["threads"] == 1 else f"{of['threads']} threads"
    return f"{of['answers']:,} answers of the model in {seconds(of['wall'])} from {of['program']} on {threads}."


def asked_of(group):
    """The tasks that the model was asked for."""
    return {task: group["tasks"][task] for task in TASKS if task in group["tasks"] and set(group["tasks"][task]["whys"]) != {"not asked"}}


def rows_of(name, group):
    rows = []
    for task, one in asked_of(group).items():
        share = f"{one['taken']:,} of {one['questions']:,}"
        for measure, counts in one["measures"].items():
            rows.append([name, task, share, MEASURES[measure], *(f"{counts[side]:,} of {counts['questions']:,}" for side in ("model", "policy", "rules"))])
            name = task = share = ""
    return rows


def verdicts(groups):
    lines = []
    for name, group in groups.items():
        asked = asked_of(group)
        useless = [task for task, one in asked.items() if adds_nothing(one)]
        useful = [task for task in asked if task not in useless]
        words = [f"{NOTHING} ({', '.join(useless)})"] if useless else []
        words += [f"it adds to {', '.join(useful)}"] if useful else []
        words += [f"of {one['taken']:,} answers to `{task}` that were taken {one['of_taken']:,} meet *{MEASURES[measure]}* by themselves"
                  for task, measure, one in measured(asked) if one["taken"]]
        strange = [task for task in TASKS if task in group["tasks"] and task not in asked]
        words += [f"it is not trained for {', '.join(strange)}"] if strange else []
        lines.append(f"- {name}: {'; '.join(words) or 'the model was asked nothing'}.")
    return "\n".join(lines)


def measured(tasks):
    return [(task, measure, one) for task, of in tasks.items() for measure, one in of["measures"].items() if measure != "sound"]


def adds_nothing(task):
    better = any(one["policy"] > one["rules"] for one in task["measures"].values())
    return 2 * task["taken"] < task["questions"] or not better


@figures
def analyst_refusals():
    """Why the model's answers are not taken."""
    rows = []
    for name in named("analyst-columns"):
        of = results(name)
        for group, one in of["groups"].items():
            for task, counted in asked_of(one).items():
                whys = sorted(counted["whys"].items(), key=lambda pair: -pair[1])
                rows.append([of["model"], group, task, ", ".join(f"{why} {count:,}" for why, count in whys)])
    return table(["model", "hosts", "task", "answers"], rows)


# What answers without a model, and what all are called in tables.
BASELINES = ("rule", "title", "nearest")
MODELS = ("tiny", "tiny quantized", "SmolLM2", "SmolLM2 fine-tuned", "SmolLM2 quantized")
CALLED = {"rule": "rules", "title": "lookup", "nearest": "nearest prompt", "SmolLM2": "SmolLM2 before", "SmolLM2 fine-tuned": "after",
          "SmolLM2 quantized": "after, quantized"}
SHARE, PLAIN, POINTS = percent, lambda x: f"{x:.2f}", lambda x: f"{x:.1f}"
JUDGED = {
    "finding": [("schema_conformance", "valid", SHARE), ("severity_accuracy", "severity right", SHARE), ("severity_macro_f1", "severity, macro-F1", PLAIN),
                ("risk_mae", "mean error of risk", POINTS), ("exact", "the true answer", SHARE)],
    "summary": [("schema_conformance", "valid", SHARE), ("level_accuracy", "level right", SHARE), ("risk_mae", "mean error of risk", POINTS),
                ("facts_supported", "facts shown by the question", SHARE), ("content_f1", "values, F1", PLAIN)],
    "triage": [("schema_conformance", "valid", SHARE), ("level_accuracy", "level right", SHARE),
               ("facts_supported", "facts shown by the question", SHARE), ("content_f1", "values, F1", PLAIN)],
    "correlation": [("schema_conformance", "valid", SHARE), ("correlation_f1", "joined pairs, F1", PLAIN), ("technique_f1", "techniques, F1", PLAIN)],
    "actions": [("schema_conformance", "valid", SHARE), ("content_f1", "values, F1", PLAIN)],
    "refine": [("schema_conformance", "valid", SHARE), ("content_f1", "values, F1", PLAIN)],
}


@figures
def analyst_models():
    """Every model on the same questions, of those runs that were made."""
    runs = {name.rsplit("-", 1)[1]: results(name) for name in named("analyst-models")}
    lines = [f"- {source(name)} Questions about {results(name)['hosts']} simulated hosts, answers of at most {results(name)['limit']} tokens; "
             f"{seconds(results(name)['cost']['wall'])}." for name in named("analyst-models")]
    # Both runs of SmolLM2 have its quantized form and the same baselines.
    columns = [next((name, side) for name in runs if side in runs[name]["tasks"])
               for side in MODELS if any(side in run["tasks"] for run in runs.values())]
    baselines = [(runs_of, side) for runs_of in known(runs) for side in ("title", "nearest")]
    # The rules answer each task; SmolLM2's runs have them all.
    rules = [(known(runs)[-1], "rule")]
    tables = []
    for task in TASKS:
        order = [(name, side) for name, side in rules + baselines + columns if task in runs[name]["tasks"][side]]
        if not order:
            continue
        count = runs[order[0][0]]["tasks"][order[0][1]][task]["questions"]
        tables.append(table([f"`{task}`, {count} questions", *(called(runs[name], side) for name, side in order)],
                            [[title, *(shown(runs[name]["tasks"][side], task, figure, form) for name, side in order)]
                             for figure, title, form in JUDGED[task]]))
    return several("\n".join(lines), *tables)


def known(runs):
    """One run of each training set, which the baselines know."""
    return [name for name in ("tiny", "after", "before") if name in runs and not (name == "before" and "after" in runs)]


def called(run, side):
    if side not in BASELINES:
        return CALLED.get(side, side)
    return CALLED[side] if side == "rule" else f"{CALLED[side]}, {run['learned_from']} hosts"


def shown(side, task, figure, form):
    found = side.get(task, {}).get("figures", {}).get(figure)
    return "" if found is None else form(found["value"])


@figures
def analyst_speed():
    rows = []
    for name in named("analyst-speed"):
        of = results(name)
        for program, one in of["programs"].items():
            rows.append([of["model"], program, tenths(one["wall"]), tenths(one["cpu"]), f"{one['answers_per_second']:.2f}", f"{one['peak_mib']:,.0f}"])
    lines = []
    for name in named("analyst-speed"):
        of = results(name)
        lines.append(f"- {of['model']}: {source(name)} {of['questions']} prompts with {of['prompt_tokens']:,} tokens, answers with "
                     f"{of['answer_tokens']:,}; {of['same']} answers are the same letter by letter.")
    return several("\n".join(lines), table(["model", "program", "wall s", "CPU s", "answers a second", "peak MiB"], rows))
