#!/usr/bin/env python3
"""Writes the figures of README.md and docs/benchmarks.md from the result files under benches/results.

    python3 benches/report.py            after a result file was written
    python3 benches/report.py --check    changes nothing; fails when a document says something else

A document marks the place with `<!-- figures NAME -->` and `<!-- end -->`; NAME is a function of tables.py. What stands between
is replaced. Every benchmark writes its result file with `--json FILE`.
"""
import argparse
import os
import re
import sys

from results import ROOT
from tables import TABLES

DOCUMENTS = ["README.md", os.path.join("docs", "benchmarks.md")]
PLACE = re.compile(r"(<!-- figures (\S+) -->)(.*?)(<!-- end -->)", re.DOTALL)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only")
    options = parser.parse_args()
    stale, used = [], set()
    for name in DOCUMENTS:
        path = os.path.join(ROOT, name)
        with open(path) as file:
            old = file.read()
        new = PLACE.sub(lambda place: filled(name, place, used), old)
        if len(PLACE.findall(old)) != old.count("<!-- figures"):
            raise SystemExit(f"{name}: a `<!-- figures` without its `<!-- end -->`")
        if new != old:
            stale.append(name)
            if not options.check:
                with open(path, "w") as file:
                    file.write(new)
    unused = sorted(TABLES.keys() - used)
    if unused:
        raise SystemExit(f"no document has a place for {', '.join(unused)}")
    if options.check and stale:
        raise SystemExit(f"{', '.join(stale)} and benches/results disagree: python3 benches/report.py")


def filled(document, place, used):
    opening, name, old, closing = place.groups()
    if name not in TABLES:
        raise SystemExit(f"{document}: there are no figures `{name}`; there are {', '.join(sorted(TABLES))}")
    used.add(name)
    text = TABLES[name]()
    # In the middle of a sentence, or lines of their own.
    return opening + (f"\n\n{text}\n\n" if old.startswith("\n") else text) + closing


if __name__ == "__main__":
    sys.exit(main())
