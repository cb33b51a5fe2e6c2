"""Result files read, and figures and tables as Markdown."""
import functools
import json
import os

from results import ROOT

RESULTS = os.path.join(ROOT, "benches", "results")
TABLES = {}


def figures(function):
    TABLES[function.__name__.replace("_", "-")] = function
    return function


@functools.cache
def load(name):
    with open(os.path.join(RESULTS, f"{name}.json")) as file:
        return json.load(file)


def results(name):
    return load(name)["results"]


def source(name):
    """How and when a table was measured."""
    about = load(name)
    peers = "".join(f", {peer} {version}" for peer, version in about.get("peers", {}).items())
    place = f", on {about['place']}" if "place" in about else ""
    how = about["how"] if "how" in about else f"`{about['command']}`"
    return f"{how}{place}{peers}; {about['date']}, commit {about['commit']}."


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("|" + "|".join(f" {cell} " if cell != "" else " " for cell in line) + "|" for line in lines)


def several(*parts):
    return "\n\n".join(parts)


def short(value):
    """Three digits, at most three of them behind the point."""
    for places in (3, 2, 1):
        if round(value, places) < 10 ** (3 - places):
            return f"{value:.{places}f}"
    return f"{value:,.0f}"


def tenths(value):
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def seconds(value):
    """As the engine prints it (src/report/units.rs)."""
    whole = round(value)
    return f"{tenths(value)} s" if whole < 120 else f"{whole // 60} min {whole % 60:02} s"


def minutes(value):
    """For what was timed to the second."""
    return f"{value} s" if value < 60 else f"{value // 60} min {value % 60:02} s"


def percent(share, places=0):
    return f"{100 * share:.{0 if share == 1 else places}f} %"


def tiny(value):
    return f"{value:.1e}".replace("e-0", "e-")


def ranged(figure, show):
    """A figure with its 95 % interval, where it has one."""
    if figure["low"] is None:
        return show(figure["value"])
    low, high = (show(figure[end]).removesuffix(" %") for end in ("low", "high"))
    return f"{show(figure['value'])} [{low}, {high}]"
