#!/bin/sh
# scripts/wheel.sh [DIRECTORY]: builds the wheel of integrations/sys-scan-graph, with the program pipe-ask in it, and prints its path.
# It is put into DIRECTORY (dist, if none is named) once it is complete. Its tag names the oldest glibc that the program runs with.
# setuptools is taken from python3, or from the reference checks' Python packages; where neither has it, pip fetches it.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
# shellcheck source=scripts/build.sh
. "$root/scripts/build.sh"
into=${1:-dist}
mkdir -p "$into"
into=$(CDPATH='' cd -- "$into" && pwd -P)

build pipe-ask

# A copy, so that no build leaves anything among the sources, and no file of an earlier one is packed.
work=$(mktemp -d "$root/target/wheel.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$root/integrations/sys-scan-graph"
cp -R pyproject.toml setup.py README.md src "$work"
find "$work" -name __pycache__ -prune -exec rm -rf {} +
cp "$root/LICENSE" "$work/LICENSE"
cat "$root/schemas/NOTICE" "$root/crates/rules/knowledge/agent/NOTICE" >"$work/NOTICE"
program=$work/src/sys_scan_pipe/bin/pipe-ask
mkdir "${program%/*}"
# Without the tables for debuggers it is a third of the size.
strip -o "$program" "$programs/pipe-ask" 2>/dev/null || cp "$programs/pipe-ask" "$program"
chmod 755 "$program"

cd "$work"
# The same sources give the same wheel.
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-315532800}"
backend='import setuptools, sys
from setuptools import build_meta
if int(setuptools.__version__.split(".")[0]) < 77: sys.exit(1)
build_meta.build_wheel(sys.argv[1])'
if ! PYTHONPATH=$root/.deps/python${PYTHONPATH:+:$PYTHONPATH} python3 -c "$backend" "$work/built" >"$work/log" 2>&1; then
  python3 -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work/built" . >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    echo 'wheel: python3 could not build the wheel; its words are above' >&2
    exit 3
  }
fi
for wheel in "$work"/built/*.whl; do :; done
mv -f "$wheel" "$into/"
printf '%s\n' "$into/${wheel##*/}"
