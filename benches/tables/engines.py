"""The engine beside its peers."""
from .layout import figures, results, several, short, source, table


def operations(name):
    return {(one["tool"], one["op"]): one for one in results(f"engines-{name}")["operations"]}


def engine_table(columns):
    """CPU seconds of each operation; a column is a result file and a tool, and shows how many stages were executed."""
    names = list(dict.fromkeys(name for name, _ in columns))
    ops = list(dict.fromkeys(op for name in names for _, op in operations(name)))
    rows = []
    for op in ops:
        cells = []
        for name, tool in columns:
            one = operations(name).get((tool, op))
            executed = f" ({one['executed']})" if one and tool != "direct" else ""
            times = f", {one['times_pipe']:.0f}x" if one and "times_pipe" in one else ""
            cells.append(f"{short(one['cpu'])}{executed}{times}" if one else "")
        rows.append([op, *cells])
    head = ["", *(f"{tool}, {results(f'engines-{name}')['shape']}" for name, tool in columns)]
    return several("\n".join(f"- {source(f'engines-{name}')}{peak(name)}" for name in names), table(head, rows))


def peak(name):
    of_pipe = results(f"engines-{name}").get("peak_mib", {}).get("pipe")
    return f" Peak memory of `pipe`: at most {of_pipe:.0f} MiB." if of_pipe else ""


@figures
def engines_chain():
    return engine_table([(name, tool) for name in ("chain-100", "chain-1000") for tool in ("pipe", "ninja", "direct")])


@figures
def engines_dvc():
    return engine_table([(name, tool) for name in ("dvc-chain-100", "dvc-many-10000") for tool in ("pipe", "dvc", "direct")])


@figures
def engines_files():
    return engine_table([(name, tool) for name in ("many-10000", "big-1024") for tool in ("pipe", "direct")])


@figures
def engines_ext4():
    spread = lambda figures: " to ".join(short(figure) for figure in figures)  # noqa: E731
    rows = [[f"{one['shape']} {one['op']}", one["place"], *(spread(one[tool]) if tool in one else "" for tool in ("pipe", "direct"))]
            for one in results("engines-ext4")["rows"]]
    return several(source("engines-ext4"), table(["", "on", "pipe", "direct"], rows))
