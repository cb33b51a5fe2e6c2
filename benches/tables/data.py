"""The data stages: what they cost, and how well attacks and roles are found."""
from .layout import figures, percent, results, several, source, table, tenths


@figures
def data_stages():
    kinds = ["produce", "correlate", "verify", "transform"]
    rows, base = [], {}
    runs = results("data")["runs"]
    for run in runs:
        total = run["stages"]["total"]
        base.setdefault((run["findings"], 1), total) if run["threads"] == 1 else None
        alone = base.get((run["findings"], 1))
        faster = f"{alone['wall'] / total['wall']:.2f}" if alone and run["threads"] > 1 else ""
        rows.append([f"{run['findings']:,}", run["threads"], *(tenths(run["stages"][kind]["cpu"]) for kind in kinds),
                     tenths(total["cpu"]), f"{1e6 * total['cpu'] / run['findings']:.1f}", tenths(total["wall"]), faster,
                     f"{total['peak_mib']:.0f}"])
    head = ["findings", "threads", *kinds, "CPU s", "CPU s a million", "wall s", "times as fast", "peak MiB"]
    return several(source("data"), table(head, rows))


@figures
def one_report():
    of = results("huge")
    rows = [[stage, *row["peak_mib"].values(), row["declared_mib"]] for stage, row in of["stages"].items()]
    return several(source("huge"), table(["stage", f"{of['findings']:,} settings of units, peak MiB",
                                          f"{of['findings']:,} flagged programs and processes, peak MiB", "declared, MiB"], rows))


@figures
def recovery():
    units = ["chains", "sightings", "frozen_chains", "frozen_sightings"]
    rows = []
    for run in results("recovery")["runs"]:
        for method, row in run["methods"].items():
            known, held_out = row["chains"], row["frozen_chains"]
            rows.append([f"{run['noise']:.2f}", method, *(f"{row[unit]['recall']:.3f}" for unit in units), f"{row['precision']:.3f}",
                         row["suspected"], row["on_clean_hosts"], f"{known['observable']} + {held_out['observable']}",
                         f"{known['unobservable']} + {held_out['unobservable']}"])
    head = ["noise", "method", "chains", "sightings", "frozen chains", "frozen sightings", "precision", "clusters", "on clean hosts",
            "observable chains", "unobservable"]
    return several(source("recovery"), table(head, rows))


@figures
def recovery_techniques():
    named = next(run["methods"]["correlate"]["techniques"] for run in results("recovery")["runs"] if run["noise"] == 0.06)
    return (f"A suspected cluster bears {named['mean']:.0f} techniques on average, and in {percent(named['of_another_template'])} of them "
            "one is of a chain of another template too")


@figures
def recovery_unseen():
    rows = [[one["templates"], one["authors"], *(f"{one[when]:.3f}" if when in one else "" for when in ("before", "after")),
             f"{one['chains']:,}" if "chains" in one else "", one.get("note", "")] for one in results("recovery-unseen")["rows"]]
    return several(source("recovery-unseen"),
                   table(["templates", "written by", "recall, rules before", "rules after", "chains", "remark"], rows))


@figures
def roles():
    matrix = results("roles")["matrix"]
    names = list(matrix)
    taken = {name: sum(row.get(name, 0) for row in matrix.values()) for name in names}
    scans = {name: sum(row.values()) for name, row in matrix.items()}
    rows = [[name, scans[name], *(row.get(other) or "" for other in names), f"{row.get(name, 0) / max(1, scans[name]):.3f}"]
            for name, row in matrix.items()]
    rows.append(["precision", "", *(f"{matrix[name].get(name, 0) / max(1, taken[name]):.3f}" for name in names), ""])
    right = sum(matrix[name].get(name, 0) for name in names) / sum(scans.values())
    return several(source("roles"), table(["true role", "scans", *names, "recall"], rows),
                   f"{right:.3f} of {sum(scans.values()):,} scans get the role they have.")


@figures
def leakage():
    of_all = results("leakage")
    scanners = of_all["scanners"]
    rows = [[label, *(f"{one[key]:,}" if key == "of_chains" else f"{one[key]:.3f}" for one in scanners.values())]
            for label, key in (("AUC", "area"), ("low", "low"), ("high", "high"), ("findings of chains", "of_chains"))]
    others = [[one["seed"], f"{one['area']:.3f}", f"{one['high']:.3f}", *(f"{one[name]:.3f}" for name in ("mac", "modules", "kernel_params"))]
              for one in of_all["other_seeds"]]
    return several(source("leakage"), f"The check took {of_all['findings']:,} findings of {of_all['hosts_taken']} hosts.",
                   table(["", *scanners], rows), "Other seeds:",
                   table(["seed", "AUC, all", "high", "mac", "modules", "kernel_params"], others))


@figures
def gate():
    rows = []
    for one in results("gate")["runs"]:
        near = one.get("near_duplicates")
        rows.append([one["hosts"], f"{one['findings']:,}", f"{one['prompts']:,}", one["with_two_answers"],
                     f"{percent(near['share'])} of task `{near['task']}`" if near else "below the threshold"])
    head = ["hosts", "findings in documents", "prompts", "with two answers", "near one of training"]
    return several(source("gate"), table(head, rows))
