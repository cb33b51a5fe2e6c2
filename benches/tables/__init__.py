"""The tables of README.md and docs/benchmarks.md, each from the result files that it names."""
import glob
import os

from . import analyst, data, engines, finetune, full, train  # noqa: F401  (they fill TABLES)
from .layout import RESULTS, TABLES, figures, load


@figures
def machines():
    """Where the figures were measured; where machines differ, each with its files."""
    files = {}
    for path in sorted(glob.glob(os.path.join(RESULTS, "*.json"))):
        name = os.path.basename(path).removesuffix(".json")
        files.setdefault(load(name)["machine"], []).append(name)
    if len(files) == 1:
        return f"Measured on {next(iter(files))}."
    return "\n".join(f"- {', '.join(names)}: {machine}" for machine, names in files.items())
